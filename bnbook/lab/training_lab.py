"""The lab in Jupyter: the page's front end, training in the browser or in the reader's kernel."""

from typing import Any

from bnbook.lab.element import Widget
from bnbook.lab.presets import WITH_OR_WITHOUT, Preset
from bnbook.lab.settings import fallback, settings


class TrainingLab(Widget):
    """Two nets trained side by side in a background thread, with live curves."""

    def __init__(self, preset: Preset = WITH_OR_WITHOUT, **_options: Any) -> None:
        super().__init__("lab", settings(preset), fallback(preset))
