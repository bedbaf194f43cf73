"""Clones of the repository: which one runs, and which one is asked to."""

from pathlib import Path

from bnbook.errors import BookError


def refuse_another() -> None:
    """Refuse to work in a clone with the package of another, as a copied `.venv` would have us."""
    try:
        here = Path.cwd()
    except FileNotFoundError:
        raise BookError("the folder that this runs in is gone: change to another") from None
    running = Path(__file__).resolve().parent
    clones = [one / "bnbook" for one in (here, *here.parents)]
    found = next((one for one in clones if (one / "__init__.py").is_file()), running)
    if found.resolve() != running:
        raise BookError(
            f"the bnbook that runs is that of {running.parent}, not of {found.parent}: "
            "run `make install`, or `pip install -e .` there"
        )
