"""The commands: one file for each program that a container runs, and what they share with the outside."""

import os

# Before TensorFlow is imported, or it is of no use: without its information about the CPU at each start.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
