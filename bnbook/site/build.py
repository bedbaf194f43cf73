"""From the sources to a site in its folder: stage, execute, render, mend, publish."""

import html
import os
import shutil
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

import nbformat
import smalldocs.config
import smalldocs.notebook
import smalldocs.site

from bnbook.errors import BookError
from bnbook.site import offline
from bnbook.site.notebooks import WORK, execute, is_executed, notebooks, read_clean, stage, write


def render(root: Path, output: Path | None = None, workers: int | None = None) -> None:
    """Build the site of the book in `root` into `output` (default `_site`).

    Only chapters whose text, code or data changed are executed. The old site is replaced at the
    end, as a whole; whatever goes wrong before (BookError) leaves it as it was.
    """
    root = root.resolve()
    output = (output or root / "_site").absolute()
    _check_output(output)
    try:
        staged = stage(root)
        execute([notebook for notebook in staged if not is_executed(notebook)], workers)
        for notebook in staged:
            _check_figures(notebook)
        quarto = shutil.which("quarto")
        book = root / WORK / "book"
        site = _render_with_quarto(quarto, book) if quarto else _render_with_smalldocs(book)
        for notebook in (root / "chapters").glob("*.ipynb"):
            write(read_clean(notebook), site / "chapters" / notebook.name)
        offline.mend(site)
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


def _check_figures(notebook: Path) -> None:
    for number, cell in enumerate(nbformat.read(notebook, as_version=4).cells, start=1):
        has_picture = any(
            kind.startswith("image/")
            for output in cell.get("outputs", ())
            for kind in _data(output)
        )
        if has_picture and not _options(cell).get("fig-alt"):
            raise BookError(f"{notebook.name}, cell {number}: the figure needs a `#| fig-alt` line")


def _render_with_quarto(quarto: str, book: Path) -> Path:
    site = book / "_site"
    shutil.rmtree(site, ignore_errors=True)
    done = subprocess.run(
        # The notebooks are executed already; _quarto.yml enables execution for a plain render.
        [quarto, "render", str(book), "--to", "html", "--no-execute"],
        env=os.environ | {"QUARTO_PYTHON": sys.executable},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        reason = next((line for line in lines if "ERROR" in line), (lines or ["no message"])[-1])
        raise BookError(f"quarto render failed: {reason.strip()}")
    return site


def _render_with_smalldocs(book: Path) -> Path:
    copy = book.parent / "smalldocs"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(book, copy, ignore=shutil.ignore_patterns("_site", ".quarto"))
    for path in notebooks(copy):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs = [_picture_as_html(output, _options(cell)) for output in cell.outputs]
        write(notebook, path)
    try:
        return Path(smalldocs.site.build(copy, quiet=True).out)
    except (smalldocs.config.ConfigError, smalldocs.config.BuildError) as error:
        raise BookError(f"smalldocs: {' '.join(str(error).split())}") from error


def _picture_as_html(output: Any, options: dict[str, Any]) -> Any:
    """Put an SVG figure into an `<img>`, as Quarto does.

    smalldocs would paste the SVG into the page, where the ids of two figures clash and the XML
    prologue keeps the alt text out.
    """
    svg = _data(output).get("image/svg+xml")
    if svg is None:
        return output
    source = b64encode("".join(svg).encode()).decode()
    alt, caption = options.get("fig-alt", ""), options.get("fig-cap")
    image = (
        f'<img class="img-fluid figure-img" alt="{html.escape(str(alt))}"'
        f' src="data:image/svg+xml;base64,{source}">'
    )
    legend = f"<figcaption>{html.escape(str(caption))}</figcaption>" if caption else ""
    figure = f'<figure class="figure"><p>{image}</p>{legend}</figure>'
    text = f'<div class="quarto-figure quarto-figure-center">{figure}</div>'
    return nbformat.v4.new_output("display_data", data={"text/html": text})


def _data(output: Any) -> dict[str, Any]:
    data: dict[str, Any] = output.get("data", {})
    return data


def _options(cell: Any) -> dict[str, Any]:
    options: dict[str, Any] = smalldocs.notebook.cell_options(cell.source)[0]
    return options


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
