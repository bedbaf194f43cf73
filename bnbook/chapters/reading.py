"""How long a chapter takes to read."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from bnbook.errors import BookError

#: The notebooks come with the package, like the data.
FOLDER: Final = Path(__file__).resolve().parents[2] / "chapters"

WORDS_A_MINUTE: Final = 200
#: Seconds for a line of shown code, and for a figure, a table or a computed sentence.
SECONDS_A_LINE: Final = 4
SECONDS_AN_OUTPUT: Final = 30
#: Reading times are rounded to this many minutes: they are no more exact than that.
MINUTES: Final = 5


def reading_minutes(notebook: Mapping[str, Any]) -> int:
    """Estimate how long a notebook's text, shown code and outputs take to read, in minutes.

    `notebook` is its JSON. Counts words outside formulas and links, lines of code that is not
    folded away, and the outputs that will be there: those of folded and hidden cells. Rounded,
    and never 0.
    """
    words, lines, outputs = 0, 0, 0
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            prose = re.sub(r"\$\$.*?\$\$|<[^>]*>|\]\([^)]*\)", "", source, flags=re.DOTALL)
            words += len(re.findall(r"\w[\w'’-]*", prose))
        elif re.search(r"^#\| (echo: false|code-fold: true)", source, re.MULTILINE):
            outputs += 1
        elif not re.search(r"^#\| include: false", source, re.MULTILINE):
            lines += sum(bool(line.strip()) for line in source.splitlines())
    seconds = 60 * words / WORDS_A_MINUTE + SECONDS_A_LINE * lines + SECONDS_AN_OUTPUT * outputs
    return max(1, round(seconds / 60 / MINUTES)) * MINUTES


def minutes(file: str) -> int:
    """Estimate how long the notebook `file` takes to read; see `reading_minutes`.

    Raises BookError where it is missing.
    """
    path = FOLDER / file
    try:
        # As JSON: every chapter reads itself here, and importing nbformat takes a second.
        return reading_minutes(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise BookError(f"{path} is missing: install bnbook from a clone of the book") from None
