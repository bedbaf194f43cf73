"""The two renderers: Quarto, the book's own, and smalldocs, which pip installs with the book."""

import html
import os
import re
import shutil
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nbformat
import smalldocs.config
import smalldocs.notebook
import smalldocs.site
import yaml

from bnbook.errors import BookError
from bnbook.site.notebooks import notebooks, printed_lines, write

#: The oldest Quarto that the pages were looked at with.
OLDEST = (1, 9)
#: How long an installation of Quarto may take: a download of some 100 MB.
INSTALL_SECONDS = 90
#: Where it says why Quarto could not be installed, so that this is tried once and not each time.
TRIED = "quarto-not-installed.txt"


@dataclass(frozen=True)
class Renderer:
    """A renderer that is there: what it is called, and what turns a book folder into a site."""

    title: str  # "Quarto 1.10.18"
    render: Callable[[Path], tuple[Path, list[str]]]  # the site's folder, and its warnings


def choose(name: str | None = None) -> Renderer:
    """Return the renderer called `name`; without a name, Quarto where it can be had.

    Raises BookError if Quarto is asked for by name and is not there.
    """
    fallback = Renderer(f"smalldocs {version('smalldocs')}", render_with_smalldocs)
    if name == "smalldocs":
        return fallback
    problem = ""
    if program := _find():
        found, problem = _version_of(program)
        if not problem:
            return Renderer(f"Quarto {found}", lambda book: render_with_quarto(program, book))
    elif name is None:
        problem = _install()
        if not problem and _find():
            return choose()
    if name is not None:
        advice = "install it (https://quarto.org) or say --renderer smalldocs"
        raise BookError(f"{problem or 'Quarto is not on PATH'}: {advice}")
    print(f"{problem}; going on with the pip-only renderer", flush=True)
    return fallback


def _find() -> str | None:
    """Find Quarto on PATH, or beside the Python that runs this."""
    here = os.pathsep.join([os.environ.get("PATH", ""), str(Path(sys.executable).parent)])
    return shutil.which("quarto", path=here)


def _version_of(program: str) -> tuple[str, str]:
    """Return Quarto's version, and what is wrong with it if anything is."""
    try:
        done = _run([program, "--version"], timeout=60)
    except (OSError, subprocess.TimeoutExpired) as error:
        return "", f"{program} does not start ({_last_line(str(error))})"
    found = done.stdout.strip()
    numbers = re.match(r"(\d+)\.(\d+)", found)
    if done.returncode or not numbers:
        return "", f"{program} does not start ({_last_line(done.stderr)})"
    if (int(numbers[1]), int(numbers[2])) < OLDEST:
        return found, f"Quarto {found} is too old, {'.'.join(map(str, OLDEST))} or newer is needed"
    return found, ""


def _install() -> str:
    """Try once to install Quarto into the virtual environment; return what prevented it."""
    if sys.prefix == sys.base_prefix:
        return "no Quarto on PATH"
    note = Path(sys.prefix) / TRIED
    if note.is_file():
        return f"no Quarto on PATH (installing it failed before: remove {note} to try again)"
    print(f"no Quarto on PATH: trying to install it, at most {INSTALL_SECONDS} s", flush=True)
    # It asks for Jupyter, of which the book has all that Quarto needs.
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    options = ["--no-deps", "--retries", "0", "--timeout", "10"]
    try:
        done = _run([*pip, *options, "quarto-cli"], timeout=INSTALL_SECONDS)
    except subprocess.TimeoutExpired:
        reason = f"not done after {INSTALL_SECONDS} s"
    else:
        if not done.returncode:
            return ""
        reason = _last_line(done.stderr)
    note.write_text(f"pip install quarto-cli: {reason}\n", encoding="utf-8")
    return f"Quarto could not be installed ({reason})"


def _run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a program and keep what it prints, damaged text too."""
    return subprocess.run(
        command, capture_output=True, encoding="utf-8", errors="replace", **options
    )


def _last_line(text: str) -> str:
    lines = printed_lines(text)
    errors = [line for line in lines if "error" in line.lower()]
    return (errors or lines or ["no message"])[-1]


def render_with_quarto(program: str, book: Path) -> tuple[Path, list[str]]:
    """Render the executed copies in `book`; BookError with Quarto's own words if it fails."""
    site = book / "_site"
    shutil.rmtree(site, ignore_errors=True)
    _without_hooks(book / "_quarto.yml")
    environment = {k: v for k, v in os.environ.items() if k != "QUARTO_PROFILE"}
    done = _run(
        [program, "render", str(book), "--to", "html", "--no-execute"],
        env=environment | {"QUARTO_PYTHON": sys.executable, "NO_COLOR": "1"},
    )
    lines = printed_lines(done.stderr)
    if done.returncode:
        reason = next((line for line in lines if "ERROR" in line), (lines or ["no message"])[-1])
        raise BookError(f"quarto render failed: {reason}")
    return site, [line for line in lines if re.match(r"\(?WARN", line)]


def _without_hooks(file: Path) -> None:
    """Take out what a plain `quarto render` of the sources needs: here it is done already."""
    try:
        config = yaml.safe_load(file.read_text(encoding="utf-8"))
        for key in ("pre-render", "post-render"):
            config["project"].pop(key, None)
        config.get("execute", {}).pop("ipynb-filters", None)
    except (yaml.YAMLError, LookupError, TypeError, AttributeError) as error:
        raise BookError(f"{file.name} cannot be read: {' '.join(str(error).split())}") from error
    text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
    file.write_text(text, encoding="utf-8")


def render_with_smalldocs(book: Path) -> tuple[Path, list[str]]:
    """Render the executed copies in `book`, from a copy of them in smalldocs' dialect."""
    copy = book.parent / "smalldocs"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(book, copy, ignore=shutil.ignore_patterns("_site", ".quarto"))
    _without_hooks(copy / "_quarto.yml")
    for path in notebooks(copy):
        notebook = nbformat.read(path, as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs = [picture_as_html(output, options(cell)) for output in cell.outputs]
        write(notebook, path)
    try:
        built = smalldocs.site.build(copy, quiet=True)
    except (smalldocs.config.ConfigError, smalldocs.config.BuildError) as error:
        raise BookError(f"smalldocs: {' '.join(str(error).split())}") from error
    return Path(built.out), list(built.warnings)


def picture_as_html(output: Any, options: dict[str, Any]) -> Any:
    """Put an SVG figure into an `<img>`, as Quarto does.

    smalldocs would paste the SVG into the page, where the ids of two figures clash and the XML
    prologue keeps the alt text out.
    """
    svg = output.get("data", {}).get("image/svg+xml")
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


def options(cell: Any) -> dict[str, Any]:
    """Read the options of a code cell, its `#|` lines."""
    read: dict[str, Any] = smalldocs.notebook.cell_options(cell.source)[0]
    return read
