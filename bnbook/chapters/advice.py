"""What to do in one's own net: the lines of advice of all chapters on one page."""

from typing import Final

from bnbook import chapters
from bnbook.findings import Markdown

#: A chapter's sentence of this name, with a topic after it, is a line of advice.
_PREFIX: Final = "advice · "


def advice() -> Markdown:
    """Write every line of advice, each under a heading, with a link to its chapter.

    Raises BookError for a sentence that is no longer true.
    """
    lines = [
        f"## {name.removeprefix(_PREFIX)}\n\n{chapter.say(name)} ({chapter.link()})"
        for chapter in chapters.CHAPTERS
        for name in chapter.sentences
        if name.startswith(_PREFIX)
    ]
    return Markdown("\n\n".join(lines))
