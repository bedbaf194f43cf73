"""What plain `quarto render` runs in the book's folder, by `_quarto.yml`.

Quarto itself would render the notebooks without outputs, or write outputs into the sources. So
before a render the chapters are executed as `bnbook render` does it, copies in the build folder;
each notebook that Quarto reads is exchanged for its executed copy; and afterwards the pages are
mended as `bnbook render` mends them.
"""

import json
import os
import shutil
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path

from bnbook.errors import BookError
from bnbook.site.build import finish
from bnbook.site.executing import execute
from bnbook.site.notebooks import WORK, is_executed, notebooks, stage


def before(root: Path) -> None:
    """Execute what is to be rendered and has changed since it was executed."""
    named = os.environ.get("QUARTO_PROJECT_INPUT_FILES", "").splitlines()
    wanted = {(root / name).resolve() for name in named} or set(notebooks(root))
    pairs = zip(notebooks(root), stage(root), strict=True)
    stale = {copy: source for source, copy in pairs if source in wanted and not is_executed(copy)}
    execute(list(stale))
    for source in stale.values():
        source.touch()  # by the time of the last change, Quarto knows that it has to read it anew


def exchange(folder: Path, text: str) -> str:
    """Return the executed copy of the notebook in `folder` whose text Quarto has read."""
    root = folder if (folder / "_quarto.yml").is_file() else folder.parent
    given = json.loads(text)
    for source, copy in zip(notebooks(root), stage(root), strict=True):
        if source.parent == folder and json.loads(source.read_text(encoding="utf-8")) == given:
            if not is_executed(copy):
                execute([copy])
            return copy.read_text(encoding="utf-8")
    return text


def after(root: Path) -> None:
    """Mend the pages; of a single one, or in a preview, the others may not be there yet."""
    site = Path(os.environ["QUARTO_PROJECT_OUTPUT_DIR"])
    # Quarto finds the resources in the build folder too.
    shutil.rmtree(site / WORK, ignore_errors=True)
    for warning in finish(root, site, whole=bool(os.environ.get("QUARTO_PROJECT_RENDER_ALL"))):
        print(warning)


def main(arguments: Sequence[str]) -> int:
    """Run the hook named by the only argument; return its exit code."""
    here = Path.cwd().resolve()
    try:
        match arguments:
            case ["before"]:
                before(here)
            case ["exchange"]:
                with redirect_stdout(sys.stderr):  # Quarto takes all that is said as the notebook
                    text = exchange(here, sys.stdin.read())
                sys.stdout.write(text)
            case ["after"]:
                after(here)
            case _:
                raise BookError("this is run by Quarto, with one word: before, exchange or after")
    except BookError as error:
        print(f"bnbook: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
