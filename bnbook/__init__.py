"""The Batch Norm Exercise Book: batch normalization, answered by experiment."""

__version__ = "0.1.0"
