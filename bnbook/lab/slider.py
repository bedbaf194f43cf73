"""A slider for Jupyter whose label and value reach assistive technology.

Those of ipywidgets have no label there, and announce the place of a value instead of the value.
"""

from collections.abc import Sequence
from importlib import resources
from typing import Any

import anywidget
import traitlets


class Slider(anywidget.AnyWidget):
    """A labelled slider over `options`; `value` is the one that it stands at.

    Raises traitlets.TraitError for a value that is no option.
    """

    _esm = resources.files("bnbook.lab").joinpath("slider.js").read_text(encoding="utf-8")
    _css = resources.files("bnbook.lab").joinpath("slider.css").read_text(encoding="utf-8")
    description = traitlets.Unicode().tag(sync=True)
    texts = traitlets.List(traitlets.Unicode()).tag(sync=True)
    index = traitlets.Int().tag(sync=True)
    value = traitlets.Any()

    def __init__(self, options: Sequence[float], value: float, description: str) -> None:
        self.options = tuple(options)
        texts = [f"{option:g}" for option in options]
        super().__init__(description=description, texts=texts, value=value)

    @traitlets.validate("value")
    def _known(self, proposal: Any) -> Any:
        if proposal["value"] not in self.options:
            raise traitlets.TraitError(f"{proposal['value']!r} is none of {self.options}")
        return proposal["value"]

    @traitlets.observe("value")
    def _move(self, change: Any) -> None:
        self.index = self.options.index(change["new"])

    @traitlets.observe("index")
    def _follow(self, change: Any) -> None:
        self.value = self.options[change["new"]]
