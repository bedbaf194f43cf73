"""The site: what is staged, executed and rendered, and what is refused."""

import json
import os
import re
import shutil
import socket

import nbformat
import pytest
import smalldocs.notebook
import yaml
from conftest import ROOT

from bnbook import site, sweep
from bnbook.errors import BookError
from bnbook.site import mathml, offline, pages
from bnbook.site.publish import check_output

CHAPTERS = [ROOT / "index.ipynb", *sorted((ROOT / "chapters").glob("*.ipynb"))]
FIGURE = """#| echo: false
#| fig-alt: "Loss against step, falling."
%config InlineBackend.figure_formats = ["{kind}"]
import matplotlib.pyplot as plt
plt.plot([3, 2, 1])
plt.show()"""


def notebook(*cells):
    """Make a notebook: Markdown cells start with a hash or a letter, code cells come as tuples."""
    made = [
        nbformat.v4.new_code_cell(c[0])
        if isinstance(c, tuple)
        else nbformat.v4.new_markdown_cell(c)
        for c in cells
    ]
    return nbformat.v4.new_notebook(cells=made)


@pytest.fixture
def book(tmp_path):
    """Make a small book in a folder: our pages and style, two short chapters of its own."""
    root = tmp_path / "book"
    (root / "chapters").mkdir(parents=True)
    config = yaml.safe_load((ROOT / "_quarto.yml").read_text())
    config["book"]["chapters"] = ["index.qmd", "chapters/01.ipynb", "chapters/02.ipynb"]
    config["book"]["chapters"].append("references.qmd")
    (root / "_quarto.yml").write_text(yaml.safe_dump(config))
    (root / "index.qmd").write_text("# Start {.unnumbered}\n\nSee [one](chapters/01.ipynb).\n")
    (root / "references.qmd").write_text("# References {.unnumbered}\n\n## A {#a-2015}\n\nPaper.\n")
    for name in config["format"]["html"]["css"]:
        shutil.copy(ROOT / name, root)
    shutil.copytree(ROOT / "fonts", root / "fonts")
    (root / "data").mkdir()
    for name in ("digits", "fashion"):
        (root / f"data/{name}.js").write_text("globalThis.bnImages = '';\n")
    prose = "$$\n\\hat{x} = \\frac{x}{2}\n$$\n\nBy [A](../references.qmd#a-2015)."
    put(root, "01", "# One", prose, ("6 * 7",))
    put(root, "02", "# Two", ("import os; os.environ['BNBOOK_RENDER']",))
    return root


def put(root, name, *cells):
    nbformat.write(notebook(*cells), root / "chapters" / f"{name}.ipynb")


def outputs_of(staged):
    cells = nbformat.read(staged, as_version=4).cells
    return [o["data"]["text/plain"] for c in cells for o in c.get("outputs", ())]


def test_a_rendered_book_has_its_pages_outputs_and_notebooks(book):
    before = {p: p.read_bytes() for p in (book / "chapters").iterdir()}
    site.render(book)
    page = (book / "_site/chapters/01.html").read_text()
    assert "42" in page
    assert "<math" in page
    assert "\\frac" not in re.sub(r"<annotation.*?</annotation>", "", page)
    assert 'href="01.ipynb" download' in page
    assert all((book / f"_site/data/{name}.js").is_file() for name in ("digits", "fashion"))
    assert site.is_executed(book / "_work/book/chapters/02.ipynb")
    assert outputs_of(book / "_work/book/chapters/02.ipynb") == ["'1'"]
    assert not outputs_of(book / "_site/chapters/01.ipynb")
    assert before == {p: p.read_bytes() for p in (book / "chapters").iterdir()}


def test_executions_are_kept_until_the_chapter_changes(book):
    first = site.stage(book)
    site.execute(first)
    marks = [p.stat().st_mtime_ns for p in first]
    put(book, "02", "# Two", ("6 * 8",))
    one, two = site.stage(book)
    assert site.is_executed(one)
    assert one.stat().st_mtime_ns == marks[0]
    assert not site.is_executed(two)


def test_a_notebook_is_stale_when_one_that_it_runs_has_changed(book):
    put(book, "03", "# Three", ("%run 02.ipynb",))
    site.execute(site.stage(book))
    put(book, "01", "# One", ("6 * 8",))
    assert [site.is_executed(one) for one in site.stage(book)] == [False, True, True]
    put(book, "02", "# Two", ("1 + 1",))
    assert [site.is_executed(one) for one in site.stage(book)] == [False, False, False]


def test_the_notebook_with_most_code_comes_first(book, capsys, monkeypatch):
    monkeypatch.setattr(sweep, "check_workers", lambda _: 1)
    put(book, "02", "# Two", ("sum(range(10)) + sum(range(20)) + sum(range(30))",))
    put(book, "03", "# Three", ("%run 02.ipynb",))
    site.execute(site.stage(book))
    said = re.findall(r"executed (\S+)\.ipynb", capsys.readouterr().out)
    assert said == ["02", "03", "01"]


def test_a_page_that_names_a_notebook_is_stale_when_that_has_changed(book):
    put(book, "03", "# Three", ("name = '02.ipynb'",))
    site.execute(site.stage(book))
    put(book, "02", "# Two", ("1 + 1",))
    assert [site.is_executed(one) for one in site.stage(book)] == [True, False, False]


def test_a_home_page_that_is_a_notebook_is_stale_when_a_chapter_has_changed(book):
    (book / "index.qmd").unlink()
    nbformat.write(notebook("# Start", ("6 * 7",)), book / "index.ipynb")
    home = site.stage(book)[0]
    assert home.name == "index.ipynb"
    site.execute([home])
    assert site.is_executed(site.stage(book)[0])
    put(book, "02", "# Two", ("6 * 8",))
    assert not site.is_executed(site.stage(book)[0])


def test_a_book_without_a_home_page_is_refused(book):
    (book / "index.qmd").unlink()
    with pytest.raises(BookError, match=r"index\.ipynb is missing: run this in the folder"):
        site.stage(book)


def test_changed_data_make_every_execution_stale(book, monkeypatch):
    """Those that are read, wherever they are."""
    monkeypatch.setenv("BNBOOK_DATA", str(book.parent / "more"))
    site.execute(site.stage(book))
    (book.parent / "more/results").mkdir(parents=True)
    (book.parent / "more/results/bias.json").write_text("{}")
    assert not any(map(site.is_executed, site.stage(book)))


def test_outputs_left_in_a_source_do_not_count_as_executed(book):
    path = book / "chapters/01.ipynb"
    source = nbformat.read(path, as_version=4)
    source.cells[2].execution_count = 1
    nbformat.write(source, path)
    assert not site.is_executed(site.stage(book)[0])


def test_a_removed_chapter_leaves_the_stage(book):
    (book / "notes.qmd").write_text("# Notes\n")
    site.stage(book)
    (book / "chapters/02.ipynb").unlink()
    (book / "notes.qmd").unlink()
    assert [p.name for p in site.stage(book)] == ["01.ipynb"]
    assert not (book / "_work/book/notes.qmd").exists()


def test_a_failing_cell_is_named_and_the_old_site_stays(book):
    site.render(book)
    old = (book / "_site/chapters/02.html").read_bytes()
    put(book, "02", "# Two", ("1 + 1",), ("raise ValueError('too hot')\n# second line",))
    with pytest.raises(BookError, match=r"^02\.ipynb, cell 3: ValueError: too hot$"):
        site.render(book)
    assert (book / "_site/chapters/02.html").read_bytes() == old
    assert not outputs_of(book / "_work/book/chapters/02.ipynb")
    assert not list(book.rglob("*.part"))


def test_a_cell_that_takes_too_long_is_named(book):
    put(book, "02", "# Two", ("import time; time.sleep(60)",))
    with pytest.raises(BookError, match=r"02\.ipynb, cell 2: took longer than 2 s"):
        site.execute(site.stage(book)[1:], timeout=2)


def test_a_broken_notebook_is_named(book):
    (book / "chapters/02.ipynb").write_text('{"cells": [')
    with pytest.raises(BookError, match=r"02\.ipynb is not a readable notebook"):
        site.stage(book)


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_alt_text_reaches_the_picture(book, kind):
    put(book, "01", "# One", (FIGURE.format(kind=kind),))
    site.render(book)
    page = (book / "_site/chapters/01.html").read_text()
    (image,) = [t for t in pages.tags(page) if t.name == "img"]
    assert image.attrs["alt"] == "Loss against step, falling."


def test_a_figure_without_alt_text_is_refused(book):
    put(book, "01", "# One", (FIGURE.format(kind="svg").replace("#| fig-alt", "# fig-alt"),))
    with pytest.raises(BookError, match=r"01\.ipynb, cell 2: the figure needs a `#\| fig-alt`"):
        site.render(book)


def test_output_below_a_file_is_refused(book):
    (book / "taken").write_text("")
    with pytest.raises(BookError, match="is not a folder"):
        site.render(book, book / "taken" / "site")


def test_output_without_permission_is_refused(tmp_path, monkeypatch):
    # The tests may run as root, whom no mode stops: ask the system's answer to be "no".
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(BookError, match="no permission to write"):
        check_output(tmp_path / "_site")


def test_a_folder_with_other_things_is_not_replaced(book):
    (book / "mine").mkdir()
    (book / "mine/diary.txt").write_text("dear")
    with pytest.raises(BookError, match="holds something else"):
        site.render(book, book / "mine")
    assert (book / "mine/diary.txt").read_text() == "dear"


FOREIGN = [
    '<script src="https://cdn.example/x.js"></script>',
    '<link rel="stylesheet" href="//cdn.example/x.css">',
    '<img alt="x" src="http://example.org/x.png">',
    '<img alt="x" src="a.png" srcset="a.png 1x, https://example.org/b.png 2x">',
    '<iframe src="https://example.org"></iframe>',
    '<video><source src="https://example.org/a.mp4"></video>',
    '<p style="background: url(https://example.org/a.png)">x</p>',
    '<style>@import "https://example.org/a.css";</style>',
    '<style>p { background: url("//example.org/a.png") }</style>',
    '<script type="module">import x from "https://esm.example/x.js";</script>',
    '<script type="module">const x = await import("https://esm.example/x.js");</script>',
    '<script>fetch("https://api.example/data.json")</script>',
    '<script>new WebSocket("wss://example.org/s")</script>',
    '<svg><image xlink:href="https://example.org/a.png"/></svg>',
]


@pytest.mark.parametrize("tag", FOREIGN)
def test_a_request_to_another_host_is_refused(tmp_path, tag):
    (tmp_path / "a.png").write_bytes(b"")
    (tmp_path / "index.html").write_text(f"<!doctype html>\n<body>\n{tag}\n</body>")
    with pytest.raises(BookError, match=r"^index\.html, line 3: .*(example)"):
        offline.mend(tmp_path)


HARMLESS = [
    '<a href="https://example.org">a link that the reader may follow</a>',
    '<link rel="canonical" href="https://example.org/">',
    '<img alt="dot" src="data:image/png;base64,AA==">',
    '<script>// see https://example.org\nfetch("search.json")</script>',
    '<p>fetch("https://example.org") as text</p>',
    '<svg xmlns="http://www.w3.org/2000/svg"></svg>',
]


@pytest.mark.parametrize("tag", HARMLESS)
def test_what_loads_nothing_is_left_alone(tmp_path, tag):
    page = f"<!doctype html>\n<body>\n{tag}\n</body>"
    (tmp_path / "index.html").write_text(page)
    offline.mend(tmp_path)
    assert (tmp_path / "index.html").read_text() == page


@pytest.mark.parametrize(
    ("link", "complaint"),
    [("gone.html", "leads nowhere"), ("#gone", "no such place"), ("/x.html", "root of a server")],
)
def test_a_broken_link_is_refused(tmp_path, link, complaint):
    (tmp_path / "index.html").write_text(f'<a href="{link}">x</a>')
    with pytest.raises(BookError, match=complaint):
        offline.mend(tmp_path)


def test_an_image_without_alt_text_is_refused(tmp_path):
    (tmp_path / "index.html").write_text('<img src="data:image/png;base64,AA==">')
    with pytest.raises(BookError, match="alt text"):
        offline.mend(tmp_path)


def test_a_number_keeps_the_sign_that_follows_it_but_in_code(tmp_path):
    prose = '<h1 title="5 · 3">Chapter 9 · of <b>7</b> · [−1.5, −0.5]</h1>'
    page = f"{prose}<code>5 · 2</code><pre>6 · 4\n</pre>"
    (tmp_path / "index.html").write_text(page)
    offline.mend(tmp_path)
    prose, code = (tmp_path / "index.html").read_text().split("<code>")
    kept = "Chapter\u00a09\u00a0· of <b>7</b> · [−1.5,\u00a0−0.5]</h1>"
    assert prose == f'<h1 title="5 · 3">{kept}'
    assert "5 · 2" in code
    assert "6 · 4" in code


def test_links_to_folders_name_the_page_so_that_they_work_without_a_server(tmp_path):
    (tmp_path / "index.html").write_text('<a class="x" href="./">home</a>')
    offline.mend(tmp_path)
    assert 'href="./index.html"' in (tmp_path / "index.html").read_text()


@pytest.mark.parametrize("wrapped", ["{}", '<span class="math inline">{}</span>'])
def test_a_formula_keeps_the_stop_that_follows_it(wrapped):
    one, two = (wrapped.format(f'<math display="inline"><mi>{x}</mi></math>') for x in "xy")
    page = mathml.typeset(f"<p>{one} and {two}. Then {one}, or {two} alone</p>", {})
    stop, comma = (f'<span class="unbroken">{text}</span>' for text in (f"{two}.", f"{one},"))
    assert page == f"<p>{one} and {stop} Then {comma} or {two} alone</p>"


def test_a_formula_that_is_no_tex_is_named():
    with pytest.raises(BookError, match="frac"):
        mathml.to_mathml({("inline", r"\frac{1}")})


def test_the_math_font_has_every_symbol_of_the_chapters():
    from fontTools.ttLib import TTFont

    cmap = TTFont(ROOT / "fonts/stix-two-math.woff2").getBestCmap()
    cells = [c for p in CHAPTERS for c in nbformat.read(p, as_version=4).cells]
    texts = [c.source for c in cells if c.cell_type == "markdown"]
    texts += [p.read_text() for p in ROOT.glob("*.qmd")]
    tex = {m for t in texts for m in re.findall(r"\$\$(.+?)\$\$|(?<![\\$])\$([^$\n]+)\$", t, re.S)}
    converted = mathml.to_mathml({("inline", (a or b).strip()) for a, b in tex})
    shown = re.sub(r"<annotation.*?/annotation>|<[^>]*>", "", "".join(converted.values()))
    assert not {c for c in shown if ord(c) not in cmap and not c.isspace()}


def test_serve_says_when_the_port_is_taken(tmp_path):
    (tmp_path / "index.html").write_text("x")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(BookError, match=f"port {port} is taken"):
            site.serve(tmp_path, port)


def test_serve_says_when_nothing_is_built(tmp_path):
    with pytest.raises(BookError, match="there is no site"):
        site.serve(tmp_path / "_site", 8000)


# The dialect (see CONTRIBUTING): what Jupyter, Colab, GitHub, Quarto and smalldocs all understand.

OPTIONS = {"echo", "code-fold", "code-summary", "include", "fig-cap", "fig-alt"}
FORBIDDEN = {
    "YAML front matter": r"\A---",
    "a fenced div": r"(?m)^:::",
    "a cross-reference or citation key": r"(?<![\w`])@(?:fig|sec|tbl|eq)-|\[@",
    "a LaTeX environment outside $$": r"(?m)^\\begin\{",
    "a shortcode": r"\{\{<",
    "a grid table": r"(?m)^\+[-=]+\+",
}


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda p: p.name)
def test_a_chapter_is_committed_clean_and_in_the_dialect(path):
    raw = json.loads(path.read_text())
    assert (raw["nbformat"], raw["nbformat_minor"]) == (4, 5)
    assert raw["metadata"]["kernelspec"]["name"] == "python3"
    cells = nbformat.read(path, as_version=4).cells
    assert re.match(r"# \S", cells[0].source)
    assert sum(bool(re.match(r"# ", c.source)) for c in cells if c.cell_type == "markdown") == 1
    for number, cell in enumerate(cells, start=1):
        where = f"cell {number}"
        assert "execution" not in cell.metadata, where
        if cell.cell_type == "code":
            assert not cell.outputs, where
            assert cell.execution_count is None, where
            assert set(smalldocs.notebook.cell_options(cell.source)[0]) <= OPTIONS, where
            assert "bnbook.site" not in cell.source, where
            continue
        prose = re.sub(r"(?s)```.*?```|\$\$.*?\$\$", "", cell.source)
        for name, pattern in FORBIDDEN.items():
            assert not re.search(pattern, prose), f"{where} has {name}"
        assert prose.count("<details>") == prose.count("</details>"), where
        assert not re.search(r"(?m)^[^\n#>|\s].*\n#+ ", prose), (
            f"{where}: blank line before heading"
        )
        assert not re.search(r"(?m)^[^\n$]+\$\$|\$\$[^\n]", cell.source.replace("$$\n", "")), where


def test_every_chapter_is_in_the_table_of_contents():
    book = yaml.safe_load((ROOT / "_quarto.yml").read_text())["book"]
    listed = [[c] if isinstance(c, str) else c["chapters"] for c in book["chapters"]]
    pages = [*CHAPTERS, *ROOT.glob("*.qmd")]
    assert sorted(ROOT / page for part in listed for page in part) == sorted(pages)
    assert "sidebar" not in book  # smalldocs would drop the chapter list


def test_pages_without_a_kernel_hold_no_code():
    for path in ROOT.glob("*.qmd"):
        assert not re.search(r"(?m)^```+\s*\{", path.read_text()), path.name
