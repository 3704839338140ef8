"""The model and its training: which windows, which step, which checkpoint."""
