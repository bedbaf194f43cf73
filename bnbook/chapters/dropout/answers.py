"""TRANSITIONAL: for chapter 11's old answers; goes with them."""

from collections.abc import Mapping
from typing import Any

from bnbook import findings


def ahead(row: Mapping[str, Any]) -> bool:
    """Say whether the first arm of a contrast is clearly better."""
    return row["finding"] in (findings.DIFFERENT, findings.SMALL) and row["mean"] > 0
