"""Which renderer is taken, what is said about it, and what is passed on of what it says."""

import stat
import sys

import pytest
import yaml
from conftest import ROOT
from test_site import book, put

from bnbook import site
from bnbook.errors import BookError
from bnbook.site import hooks, renderers

__all__ = ["book"]  # the fixture: a small book in a folder

RENDERS = """#!{python}
import pathlib, sys
if sys.argv[1:] == ["--version"]:
    sys.exit(print("{version}"))
print("\\x1b[33mWARN: Unable to resolve link target: gone.html\\x1b[39m", file=sys.stderr)
{then}
site = pathlib.Path(sys.argv[2], "_site")
(site / "chapters").mkdir(parents=True)
for name in ("index.html", "search.json", "chapters/01.html"):
    (site / name).write_text("<p>quarto</p>")
"""


@pytest.fixture
def path(tmp_path, monkeypatch):
    """A search path with nothing on it, and an interpreter with nothing beside it."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setattr(renderers.sys, "prefix", str(tmp_path))
    (tmp_path / "bin").mkdir()
    return tmp_path / "bin"


def put_quarto(path, version="1.10.18", then=""):
    program = path / "quarto"
    program.write_text(RENDERS.format(python=sys.executable, version=version, then=then))
    program.chmod(program.stat().st_mode | stat.S_IXUSR)


def test_quarto_comes_first_and_its_warnings_are_shown(book, path, capsys):
    put_quarto(path)
    site.render(book)
    said = capsys.readouterr().out
    assert "rendering with Quarto 1.10.18\n" in said
    assert "Quarto 1.10.18 warns: WARN: Unable to resolve link target: gone.html\n" in said
    assert (book / "_site/chapters/01.html").read_text() == "<p>quarto</p>"


def test_the_fallback_can_be_asked_for(book, path, capsys):
    put_quarto(path)
    site.render(book, renderer="smalldocs")
    assert "rendering with smalldocs 0." in capsys.readouterr().out


def test_what_quarto_says_when_it_fails_is_passed_on(book, path):
    put_quarto(path, then='sys.exit("\\x1b[91mERROR: The theme is broken\\x1b[39m")')
    with pytest.raises(BookError, match=r"^quarto render failed: ERROR: The theme is broken$"):
        site.render(book)


@pytest.mark.parametrize(("version", "problem"), [("1.4.553", "too old"), ("what", "not start")])
def test_a_quarto_that_cannot_be_used_is_refused_by_name_and_else_passed_over(
    path, capsys, version, problem
):
    put_quarto(path, version)
    with pytest.raises(BookError, match=f"{problem}.*--renderer smalldocs"):
        renderers.choose("quarto")
    assert renderers.choose().title.startswith("smalldocs")
    said = capsys.readouterr().out
    assert problem in said
    assert "going on with the pip-only renderer" in said


@pytest.mark.skipif(bool(renderers._find()), reason="Quarto is installed here")
def test_an_installation_that_fails_is_tried_once(path, capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("PIP_INDEX_URL", (tmp_path / "empty").as_uri())
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    first, second = renderers.choose(), renderers.choose()
    assert first.title == second.title == renderers.choose("smalldocs").title
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("no Quarto on PATH: trying to install it, at most")
    assert said[1].startswith("Quarto could not be installed (ERROR: ")
    assert said[2].startswith("no Quarto on PATH (installing it failed before: remove ")
    assert all(line.endswith("; going on with the pip-only renderer") for line in said[1:])


@pytest.mark.skipif(bool(renderers._find()), reason="Quarto is installed here")
def test_quarto_that_is_asked_for_and_missing_is_an_error(path):
    with pytest.raises(BookError, match=r"^Quarto is not on PATH: install it .*quarto\.org"):
        renderers.choose("quarto")


def test_the_book_is_rendered_without_the_hooks_for_a_plain_render(book, path):
    put_quarto(path)
    site.render(book)
    config = yaml.safe_load((book / "_work/book/_quarto.yml").read_text())
    assert not {"pre-render", "post-render"} & config["project"].keys()
    assert "ipynb-filters" not in config["execute"]
    assert config["book"] == yaml.safe_load((book / "_quarto.yml").read_text())["book"]


def test_a_plain_render_takes_executed_copies_and_leaves_the_sources(book, monkeypatch):
    monkeypatch.delenv("QUARTO_PROJECT_INPUT_FILES", raising=False)
    source = book / "chapters/01.ipynb"
    text = source.read_text()
    hooks.before(book)
    assert site.is_executed(book / "_work/book/chapters/01.ipynb")
    assert '"42"' in hooks.exchange(source.parent, text)
    assert source.read_text() == text
    put(book, "02", "# Two", ("2 * 21",))
    changed = (book / "chapters/02.ipynb").read_text()
    assert '"42"' in hooks.exchange(source.parent, changed), "executed when it is asked for"
    assert hooks.exchange(source.parent, '{"cells": []}') == '{"cells": []}'


def test_a_plain_render_leaves_the_checkout_clean():
    lines = (ROOT / ".gitignore").read_text().splitlines()
    assert {"/.quarto/", "**/*.quarto_ipynb", "_site/", "_work/"} <= set(lines)
    execute = yaml.safe_load((ROOT / "_quarto.yml").read_text())["execute"]
    assert execute["enabled"] is False, "Quarto would write outputs into the notebooks"
