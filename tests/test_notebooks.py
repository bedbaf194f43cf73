"""Notebooks as readers open them: plumbing out of sight, and without the package a way to it."""

import re
import shutil
import subprocess
import sys
import sysconfig

import nbformat
import pytest
import smalldocs.notebook
from conftest import ROOT
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from test_site import CHAPTERS, book, put

from bnbook import cli, site
from bnbook.errors import BookError
from bnbook.site.notebooks import read_clean
from bnbook.site.repository import NAMELESS, Repository, name_in

__all__ = ["book"]  # the fixture: a small book in a folder

#: Of the code lines that a student finds in a notebook, those that the page hides.
MOST_HIDDEN = 0.15
ADDRESS = "https://github.com/someone/bn-book"
SETUP = next(c for c in read_clean(CHAPTERS[1]).cells if c.cell_type == "code")


def setup_cell(path):
    return next(c for c in read_clean(path).cells if c.cell_type == "code")


# What the page hides


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.name)
def test_jupyter_collapses_the_cells_that_the_page_hides_and_no_others(path):
    for number, cell in enumerate(read_clean(path).cells, start=1):
        options = {}
        if cell.cell_type == "code":
            options = smalldocs.notebook.cell_options(cell.source)[0]
        hidden = options.get("echo") is False or options.get("include") is False
        expected = {"jupyter": {"source_hidden": True}} if hidden else {}
        assert cell.metadata == expected, f"cell {number}: collapse what the page hides"


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.name)
def test_a_student_finds_little_plumbing(path):
    hidden = total = 0
    for cell in read_clean(path).cells:
        if cell.cell_type == "code":
            lines = [one.strip() for one in cell.source.splitlines()]
            lines = [one for one in lines if one and not one.startswith("#")]
            total += len(lines)
            hidden += len(lines) * bool(cell.metadata)
    assert hidden < MOST_HIDDEN * total


# The package


def test_all_notebooks_begin_with_the_same_few_lines():
    lines = smalldocs.notebook.cell_options(SETUP.source)[1]
    for path in CHAPTERS:
        cell = setup_cell(path)
        assert smalldocs.notebook.cell_options(cell.source)[1] == lines
        assert cell.id == "setup"
    assert len(lines.splitlines()) <= 11


def test_the_committed_notebooks_name_the_repository_that_is_configured():
    for path in CHAPTERS:
        named = name_in(read_clean(path), Repository.of(ROOT))
        assert named == read_clean(path), "run `bnbook address` and commit the notebooks"


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory):
    """A folder with a Python that has all of the book's packages but the book's own."""
    folder = tmp_path_factory.mktemp("elsewhere")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True)
    return folder


def run_elsewhere(folder, notebook, packages=()):
    """Execute a notebook there, as Jupyter would; `packages` are folders with more modules."""
    python = folder / "venv/bin/python"

    class There(AsyncKernelManager):
        @property
        def kernel_spec(self):
            argv = [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(argv=argv, display_name="Python 3", language="python")

    # Folders on PYTHONPATH are searched, but links to packages in them (*.pth) are not followed:
    # that leaves out the book's own, which is installed as such a link.
    libraries = [*packages, sysconfig.get_path("purelib")]
    environment = {
        "PATH": f"{python.parent}:/usr/local/bin:/usr/bin:/bin",
        "HOME": str(folder),
        "PYTHONPATH": ":".join(map(str, libraries)),
        # Neither is asked of the network: all that the package needs is there.
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    client = NotebookClient(notebook, timeout=300, kernel_manager_class=There)
    client.execute(cwd=str(folder), env=environment)
    return notebook


def opened(*cells, repository=None):
    """A notebook of the book's first cell and others, as a reader gets it."""
    title = nbformat.v4.new_markdown_cell("# Two")
    made = [title, nbformat.from_dict(dict(SETUP)), *map(nbformat.v4.new_code_cell, cells)]
    return name_in(nbformat.v4.new_notebook(cells=made), repository)


def last_line(error):
    return re.sub(r"\x1b\[\d*m", "", str(error)).strip().splitlines()[-1]


@pytest.mark.parametrize("repository", [None, Repository("someone/bn-book", "main")])
def test_a_notebook_without_the_package_says_in_its_first_cell_how_to_get_it(elsewhere, repository):
    with pytest.raises(CellExecutionError) as failure:
        run_elsewhere(elsewhere, opened("import bnbook", repository=repository))
    said = last_line(failure.value)
    where = repository.address if repository else NAMELESS
    assert said == f"ModuleNotFoundError: No bnbook: get {where}, run `pip install -e .` in it"


def test_a_clone_beside_the_notebook_is_not_the_package(elsewhere, tmp_path):
    (tmp_path / "bnbook/bnbook").mkdir(parents=True)
    with pytest.raises(CellExecutionError) as failure:
        run_elsewhere(elsewhere, opened("import bnbook"), packages=[tmp_path])
    assert last_line(failure.value).startswith("ModuleNotFoundError: No bnbook: get ")


def test_on_colab_the_first_cell_installs_the_package(elsewhere, tmp_path, monkeypatch):
    """A repository with the book as it is here, under an address that git leads there."""
    if not shutil.which("git"):
        pytest.skip("git is not installed")
    origin = tmp_path / "origin"
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "spool")
    for name in ("bnbook", "chapters", "data"):
        shutil.copytree(ROOT / name, origin / name, ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE", "index.ipynb"):
        shutil.copy(ROOT / name, origin)
    author = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    for command in (["init", "-q"], ["add", "-A"], [*author, "commit", "-q", "-m", "book"]):
        subprocess.run(["git", *command], cwd=origin, check=True)
    (elsewhere / ".gitconfig").write_text(
        f'[url "file://{origin}"]\n\tinsteadOf = {ADDRESS}\n[safe]\n\tdirectory = *\n'
    )
    (tmp_path / "colab/google/colab").mkdir(parents=True)
    (tmp_path / "colab/google/colab/__init__.py").touch()

    uses = "from bnbook import chapters, data\n"
    uses += "(chapters.find(1).preface(), len(data.splits('digits').train))"
    notebook = opened(uses, repository=Repository("someone/bn-book", "main"))
    notebook.cells.insert(0, nbformat.v4.new_code_cell("import google.colab"))
    run_elsewhere(elsewhere, notebook, [tmp_path / "colab"])
    said = notebook.cells[-1].outputs[0]["data"]["text/plain"]
    assert "Builds on no other chapter" in said
    assert "4000" in said
    assert (elsewhere / "book/data/MNIST").is_dir()


# The repository


def configure(book, line):
    path = book / "_quarto.yml"
    path.write_text(path.read_text().replace("book:\n", f"book:\n  {line}\n", 1))


def test_with_an_address_pages_link_to_it_and_downloads_name_it(book):
    configure(book, f"repo-url: {ADDRESS}/")
    nbformat.write(opened("6 * 7"), book / "chapters/02.ipynb")
    source = (book / "chapters/02.ipynb").read_bytes()
    site.render(book)
    page = (book / "_site/chapters/02.html").read_text()
    for target in (
        "https://colab.research.google.com/github/someone/bn-book/blob/main/chapters/02.ipynb",
        "https://mybinder.org/v2/gh/someone/bn-book/main?urlpath=lab%2Ftree%2Fchapters%2F02.ipynb",
        f"{ADDRESS}/edit/main/chapters/02.ipynb",
        f"{ADDRESS}/issues/new?title=02%3A%20",
    ):
        assert f'href="{target}"' in page
    (line,) = [part for part in page.split("\n") if "notebook-download" in part]
    for text in ("Download", "Open in Colab", "Open in Binder", "Edit", "Report an issue"):
        assert line.count(text) == 1
    references = (book / "_site/references.html").read_text()
    assert f"{ADDRESS}/edit/main/references.qmd" in references
    assert "Colab" not in references, "a page that is no notebook cannot be run"
    assert f'BOOK = "{ADDRESS}"' in setup_cell(book / "_site/chapters/02.ipynb").source
    assert (book / "chapters/02.ipynb").read_bytes() == source


@pytest.mark.parametrize("line", ["", "repo-url: ''", "repo-url:"])
def test_an_address_may_be_left_out_or_empty(book, line):
    configure(book, line)
    assert Repository.of(book) is None


def test_without_an_address_there_are_no_such_links_and_hidden_cells_leave_no_trace(book):
    nbformat.write(opened("6 * 7"), book / "chapters/02.ipynb")
    site.render(book)
    page = (book / "_site/chapters/02.html").read_text()
    assert "Download this page as a Jupyter notebook" in page
    for text in ("Colab", "Binder", ">Edit<", "Report an issue", "github.com"):
        assert text not in page
    assert "42" in page
    for trace in ("find_spec", "source_hidden"):
        assert trace not in page
    assert NAMELESS in setup_cell(book / "_site/chapters/02.ipynb").source
    assert "notebook-download" not in (book / "_site/references.html").read_text()


@pytest.mark.parametrize(
    "address",
    ["github.com/a/b", "http://github.com/a/b", "https://example.org/a/b", "https://github.com/a"],
)
def test_an_address_that_no_link_can_be_made_of_is_refused_before_the_work(book, address):
    configure(book, f"repo-url: {address}")
    put(book, "01", "# One", ("raise ValueError",))
    with pytest.raises(BookError, match=r"repo-url is '.*'; it must be https://github\.com/OWNER"):
        site.render(book)


def test_the_address_is_written_into_the_sources_on_demand_and_out_again(book, monkeypatch, capsys):
    monkeypatch.chdir(book)
    nbformat.write(opened("6 * 7"), book / "chapters/02.ipynb")
    config = (book / "_quarto.yml").read_text()
    configure(book, f"repo-url: {ADDRESS}.git")
    assert cli.main(["address"]) == 0
    assert capsys.readouterr().out.startswith("notebooks changed: 1")
    assert f'BOOK = "{ADDRESS}"' in setup_cell(book / "chapters/02.ipynb").source
    (book / "_quarto.yml").write_text(config)
    assert cli.main(["address"]) == 0
    assert setup_cell(book / "chapters/02.ipynb") == SETUP


def test_a_branch_of_another_name_is_followed(book):
    configure(book, f"repo-url: {ADDRESS}\n  repo-branch: next/one")
    links = dict(Repository.of(book).links("index.ipynb"))
    assert links["Open in Binder"].endswith("/next%2Fone?urlpath=lab%2Ftree%2Findex.ipynb")
    assert links["Edit"] == f"{ADDRESS}/edit/next/one/index.ipynb"
