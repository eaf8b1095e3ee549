"""Bytes and parts of a run folder: where results are written, and read back."""
