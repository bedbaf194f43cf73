"""The Batch Norm Exercise Book: batch normalization, answered by experiment."""

from bnbook.run import Run
from bnbook.training import train

__all__ = ["Run", "train"]

__version__ = "0.2.0"
