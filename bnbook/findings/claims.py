"""What a source claims, as data: the text is ours, the figures are theirs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

#: How references.qmd and the chapters name the sources.
SOURCES: Final = {
    "A": "Taking Batchnorm For Granted (blog post, 2020)",
    "B": "Implementing BatchNorm in Neural Net (blog post, 2016)",
    "C": "Batch Norm exercises (blog post, 2024)",
    "D": "Deep Learning – Batch Normalization (blog post, 2022)",
    "E": "Batch Normalization (notebook of a lab session)",
}

ONE_RUN: Final = "60,000 images, 10 epochs, learning rate 0.1, batches of 128"


@dataclass(frozen=True)
class Claim:
    """One claim: its id, which begins with its source's, and the numbers printed with it."""

    id: str
    text: str
    recipe: str = ""
    figures: Mapping[str, float] = field(default_factory=dict)
    unit: str = "accuracy"

    @property
    def source(self) -> str:
        """The letter of its source, in `SOURCES`."""
        return self.id[0]
