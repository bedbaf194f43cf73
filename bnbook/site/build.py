"""From the sources to a site in its folder: stage, execute, render, mend, publish."""

import os
import shutil
from pathlib import Path

import nbformat

from bnbook.errors import BookError
from bnbook.site import offline, renderers
from bnbook.site.notebooks import WORK, execute, is_executed, read_clean, stage, write
from bnbook.site.repository import Repository, add_links, name_in


def render(
    root: Path,
    output: Path | None = None,
    workers: int | None = None,
    renderer: str | None = None,
) -> None:
    """Build the site of the book in `root` into `output` (default `_site`).

    `renderer` is one of `renderers.NAMES`; without it, Quarto where it can be had. Only chapters
    whose text, code or data changed are executed. The old site is replaced at the end, as a whole;
    whatever goes wrong before (BookError) leaves it as it was.
    """
    root = root.resolve()
    output = (output or root / "_site").absolute()
    _check_output(output)
    try:
        chosen = renderers.choose(renderer)
        staged = stage(root)
        Repository.of(root)  # a bad address is refused before the work
        execute([notebook for notebook in staged if not is_executed(notebook)], workers)
        for notebook in staged:
            _check_figures(notebook)
        print(f"rendering with {chosen.title}", flush=True)
        site, warnings = chosen.render(root / WORK / "book")
        add_notebooks(root, site)
        for warning in [*warnings, *offline.mend(site)]:
            print(f"{chosen.title} warns: {warning}", flush=True)
        add_links(root, site)
        _publish(site, output)
    except OSError as error:
        raise BookError(f"cannot write {error.filename or output}: {error.strerror}") from error
    print(f"the site is in {output}: open {output / 'index.html'} in a browser,")
    print("or run `make serve` for the search as well")


def _check_output(output: Path) -> None:
    """Refuse early, before minutes of execution, a folder that cannot or must not be replaced."""
    nearest = next(p for p in (output, *output.parents) if p.exists())
    if not nearest.is_dir():
        raise BookError(f"cannot write the site to {output}: {nearest} is not a folder")
    if not os.access(nearest, os.W_OK):
        raise BookError(f"cannot write the site to {output}: no permission to write in {nearest}")
    is_site = (output / "search.json").is_file() and (output / "index.html").is_file()
    if output.exists() and any(output.iterdir()) and not is_site:
        raise BookError(f"{output} holds something else than a site: choose an empty folder")


def add_notebooks(root: Path, site: Path) -> None:
    """Put the chapters beside their pages, without outputs, for the reader to take."""
    repository = Repository.of(root)
    for notebook in (root / "chapters").glob("*.ipynb"):
        named = name_in(read_clean(notebook), repository)
        write(named, site / "chapters" / notebook.name)


def _check_figures(notebook: Path) -> None:
    for number, cell in enumerate(nbformat.read(notebook, as_version=4).cells, start=1):
        has_picture = any(
            kind.startswith("image/")
            for output in cell.get("outputs", ())
            for kind in output.get("data", {})
        )
        if has_picture and not renderers.options(cell).get("fig-alt"):
            raise BookError(f"{notebook.name}, cell {number}: the figure needs a `#| fig-alt` line")


def _publish(site: Path, output: Path) -> None:
    """Swap the new site in: two renames beside `output`, so that no reader meets half a site."""
    output.parent.mkdir(parents=True, exist_ok=True)
    new, old = (output.with_name(f".{output.name}.{age}") for age in ("new", "old"))
    for leftover in (new, old):
        shutil.rmtree(leftover, ignore_errors=True)
    shutil.copytree(site, new)
    if output.exists():
        output.rename(old)
    new.rename(output)
    shutil.rmtree(old, ignore_errors=True)
