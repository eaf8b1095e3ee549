"""Explanations of CNNs and how faithful they are: PyTorch in, tensors out."""

__version__ = "0.1.0"
