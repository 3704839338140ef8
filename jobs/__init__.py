"""The commands: one file for each program that a container runs, and what they share with the outside."""
