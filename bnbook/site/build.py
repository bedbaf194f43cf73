"""From the sources to a site in its folder: stage, execute, render, mend, publish."""

from pathlib import Path

import nbformat

from bnbook.errors import BookError
from bnbook.site import offline, renderers
from bnbook.site.executing import execute
from bnbook.site.notebooks import WORK, check_sources, is_executed, read_clean, stage, write
from bnbook.site.publish import alone, cannot_write, check_output, publish
from bnbook.site.repository import Repository, add_links, name_in


def render(root: Path, output: Path | None = None, renderer: str | None = None) -> None:
    """Build the site of the book in `root` into `output` (default `_site`).

    `renderer` is "quarto" or "smalldocs"; without it, Quarto where it can be had. Only chapters
    whose text, code or data changed are executed. The old site is replaced at the end; whatever
    goes wrong before (BookError) leaves it as it was. Renders of one book take turns.
    """
    root = root.resolve()
    output = (output or root / "_site").absolute()
    try:
        check(root)
        check_output(output)
        chosen = renderers.choose(renderer)
        with alone(root / WORK / "lock"):
            publish(_build(root, chosen), output)
    except OSError as error:
        raise cannot_write(error, output) from error
    print(f"the site is in {output}: open {output / 'index.html'} in a browser,")
    print("or run `make serve` for the search as well")


def check(root: Path) -> None:
    """Raise BookError where `root` holds no book, or one whose `_quarto.yml` cannot be used."""
    check_sources(root)
    Repository.of(root)


def _build(root: Path, chosen: renderers.Renderer) -> Path:
    """Stage, execute, render and mend; return the folder of the new site."""
    staged = stage(root)
    execute([notebook for notebook in staged if not is_executed(notebook)])
    for notebook in staged:
        _check_figures(notebook)
    print(f"rendering with {chosen.title}", flush=True)
    site, warnings = chosen.render(root / WORK / "book")
    for warning in [*warnings, *finish(root, site)]:
        print(f"{chosen.title} warns: {warning}", flush=True)
    return site


def finish(root: Path, site: Path, whole: bool = True) -> list[str]:
    """Mend a rendered site and put the chapters beside their pages, without outputs.

    Returns warnings; `whole` as in `offline.mend`.
    """
    repository = Repository.of(root)
    for notebook in (root / "chapters").glob("*.ipynb"):
        named = name_in(read_clean(notebook), repository)
        write(named, site / "chapters" / notebook.name)
    warnings = offline.mend(site, whole)
    if repository:
        add_links(root, site, repository)
    return warnings


def _check_figures(notebook: Path) -> None:
    for number, cell in enumerate(nbformat.read(notebook, as_version=4).cells, start=1):
        has_picture = any(
            kind.startswith("image/")
            for output in cell.get("outputs", ())
            for kind in output.get("data", {})
        )
        if has_picture and not renderers.options(cell).get("fig-alt"):
            raise BookError(f"{notebook.name}, cell {number}: the figure needs a `#| fig-alt` line")
