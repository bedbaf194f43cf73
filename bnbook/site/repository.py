"""The repository that readers get the book from, where `_quarto.yml` names one.

Notebooks name it in their first cell, for those who open them without the package. Pages link to
it: open this page elsewhere, edit it, report an issue.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from pathlib import Path, PurePosixPath
from typing import Any, Self
from urllib.parse import quote

import smalldocs.config

from bnbook.errors import BookError
from bnbook.site.notebooks import notebooks, read_clean, write

#: Id of the cell that names the repository, the first code cell of every notebook.
SETUP = "setup"
#: What that cell calls the repository as long as it has no address.
NAMELESS = "the repository of this book"

_ADDRESS = re.compile(r"https://github\.com/([\w-]+/[\w.-]+?)(?:\.git)?/?", re.ASCII)
_LINE = re.compile(r'^BOOK = ".*"$', re.MULTILINE)

#: The line under a page's title, with the notebook to download where there is one.
_BESIDE = re.compile(r'<p class="notebook-download">.*?(?=</p>)', re.DOTALL)

Link = tuple[str, str]  # what it says, where it leads


@dataclass(frozen=True)
class Repository:
    """A repository on GitHub: `name` is OWNER/REPOSITORY."""

    name: str
    branch: str

    @classmethod
    def of(cls, book: Path) -> Self | None:
        """Read it from `book.repo-url` and `book.repo-branch` in the book's `_quarto.yml`.

        None where no address is set. Raises BookError for one that the links could not be made of.
        """
        try:
            settings = smalldocs.config.load(book).website
        except smalldocs.config.ConfigError as error:
            raise BookError(f"_quarto.yml: {' '.join(str(error).split())}") from error
        address = settings.get("repo-url")
        if not address:
            return None
        found = _ADDRESS.fullmatch(str(address).strip())
        if not found:
            raise BookError(
                f"_quarto.yml: repo-url is {address!r}; it must be https://github.com/OWNER/NAME"
            )
        return cls(found[1], str(settings.get("repo-branch") or "main"))

    @property
    def address(self) -> str:
        """The address that it can be cloned from."""
        return f"https://github.com/{self.name}"

    def links(self, source: str) -> list[Link]:
        """Links of the page made of `source`, a path in the repository such as "index.ipynb"."""
        path, branch = quote(source), quote(self.branch)
        # In a query, a slash too is escaped: JupyterLab reads the path from there.
        place = quote(f"lab/tree/{source}", safe="")
        binder = quote(self.branch, safe="")
        title = quote(f"{PurePosixPath(source).stem}: ", safe="")
        runs = [
            (
                "Open in Colab",
                f"https://colab.research.google.com/github/{self.name}/blob/{branch}/{path}",
            ),
            ("Open in Binder", f"https://mybinder.org/v2/gh/{self.name}/{binder}?urlpath={place}"),
        ]
        return [
            *(runs if source.endswith(".ipynb") else ()),
            ("Edit", f"{self.address}/edit/{branch}/{path}"),
            ("Report an issue", f"{self.address}/issues/new?title={title}"),
        ]


def name_in(notebook: Any, repository: Repository | None) -> Any:
    """Return `notebook` with the repository in its first cell, or no longer in it."""
    named = repository.address if repository else NAMELESS
    for cell in notebook.cells:
        if cell.get("id") == SETUP:
            cell.source = _LINE.sub(f'BOOK = "{named}"', cell.source)
    return notebook


def add_links(book: Path, site: Path, repository: Repository) -> None:
    """Write the links into the mended pages of `site`, under their titles, where there are none."""
    for source in (*notebooks(book), *book.glob("*.qmd")):
        name = source.relative_to(book)
        path = site / name.with_suffix(".html")
        if path.is_file():
            page = path.read_text(encoding="utf-8")
            linked = _with_links(page, repository.links(name.as_posix()))
            path.write_text(linked, encoding="utf-8")


def _with_links(page: str, links: Iterable[Link]) -> str:
    parts = [f'<a href="{escape(url)}">{escape(text)}</a>' for text, url in links]
    if any(part in page for part in parts):
        return page
    if found := _BESIDE.search(page):
        return page[: found.end()] + " · " + " · ".join(parts) + page[found.end() :]
    title = page.find('id="title-block-header"')
    if title < 0:
        return page
    end = page.index("</header>", title) + len("</header>")
    line = f'<p class="notebook-download">{" · ".join(parts)}</p>'
    return f"{page[:end]}\n{line}\n{page[end:]}"


def name_in_sources(book: Path) -> int:
    """Write the repository of `_quarto.yml` into the book's notebooks; return how many changed.

    Colab opens them from there, not from the site. Raises BookError as `Repository.of` does.
    """
    repository = Repository.of(book)
    changed = 0
    for path in notebooks(book):
        before = read_clean(path)
        after = name_in(read_clean(path), repository)
        if after != before:
            write(after, path)
            changed += 1
    return changed
