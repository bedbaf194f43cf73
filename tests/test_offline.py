"""What the last pass takes out, finds and adds, on the tags and spellings of both renderers."""

import subprocess
from base64 import b64decode, b64encode
from urllib.parse import quote, unquote

import pytest
import quarto_pages

from bnbook.errors import BookError
from bnbook.site import css, disk, dress, modules, offline, scripts
from bnbook.site.pages import is_elsewhere, tags, text_of


@pytest.fixture
def mended(tmp_path):
    """A mended site as Quarto writes it; the path of its page."""
    path = quarto_pages.write_site(tmp_path)
    assert offline.mend(tmp_path) == []
    return path


def scripts_of(page):
    return {t.attrs["src"].rpartition("/")[2]: t for t in tags(page) if "src" in t.attrs}


def test_a_page_of_quarto_loads_nothing_from_elsewhere(mended):
    page = mended.read_text()
    assert "cdn." not in page
    assert "define('jquery'" not in page
    sheet = mended.parents[1] / "site_libs/bootstrap/bootstrap-1.min.css"
    assert sheet.read_text() == quarto_pages.THEME[quarto_pages.THEME.index(":root") :]


def test_modules_become_scripts_that_wait_for_the_page(mended):
    found = scripts_of(mended.read_text())
    for name in ("quarto.js", "tabsets.js"):
        assert "type" not in found[name].attrs
        assert "defer" in found[name].attrs
    assert "defer" not in found["quarto-nav.js"].attrs
    text = (mended.parents[1] / "site_libs/quarto-html/quarto.js").read_text()
    assert "import" not in text.partition("\n")[2]
    assert "const tabsets = modules[0];" in text
    assert "return { init };" in text


def test_such_a_page_is_not_taken_for_xml(mended):
    (root,) = [tag for tag in tags(mended.read_text()) if tag.name == "html"]
    assert root.attrs == {"lang": "en"}


@pytest.mark.browser
def test_such_a_page_works_from_disk(mended, page):
    page.goto(mended.as_uri())
    assert page.evaluate("document.documentElement.dataset.tabsets") == "ready"
    assert "make serve" in page.locator(".search-note").inner_text()
    page.evaluate("quartoToggleColorScheme()")
    page.reload()
    assert page.evaluate("document.body.classList.contains('quarto-dark')")


def test_the_pass_changes_nothing_when_it_comes_again(mended):
    root = mended.parents[1]
    before = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    offline.mend(root)
    assert before == {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}


DRAWINGS = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="504pt"><g/>\n</svg>\n',
    '<svg width="331pt"><g/></svg>\n',
)


@pytest.mark.parametrize("address", ["", "one_files/figure-html/cell 1.svg"])
def test_a_narrow_screen_gets_the_narrow_drawing(tmp_path, address):
    marked = DRAWINGS[1].replace("<svg", '<svg class="narrow" display="none"')
    both = DRAWINGS[0].replace("</svg>", f"{marked}</svg>")
    inline = "data:image/svg+xml;base64,"
    source = quote(address) or inline + b64encode(both.encode()).decode()
    if address:
        (tmp_path / address).parent.mkdir(parents=True)
        (tmp_path / address).write_text(both)
    path = tmp_path / "one.html"
    path.write_text(f'<main><p><img alt="a plot" src="{source}" class="figure-img"></p></main>')
    offline.mend(tmp_path)
    (small,) = [tag for tag in tags(path.read_text()) if tag.name == "source"]
    (image,) = [tag for tag in tags(path.read_text()) if tag.name == "img"]
    wide = image.attrs["src"]
    shown = (
        (tmp_path / unquote(wide)).read_text()
        if address
        else b64decode(wide.removeprefix(inline)).decode()
    )
    assert (shown, (tmp_path / small.attrs["srcset"]).read_text()) == DRAWINGS
    assert image.attrs["alt"] == "a plot"


@pytest.mark.parametrize("damage", ["PHN2", "PHN2Z", "/w=="])
def test_a_damaged_drawing_is_left_alone(tmp_path, damage):
    path = tmp_path / "one.html"
    image = f'<img alt="a plot" src="data:image/svg+xml;base64,{damage}">'
    path.write_text(f"<main>{image}</main>")
    offline.mend(tmp_path)
    assert image in path.read_text()


def test_a_page_has_a_description_of_its_own_and_an_icon(mended):
    found = tags(mended.read_text())
    meta = {t.attrs.get("name") or t.attrs.get("property"): t.attrs for t in found}
    sentence = "How large can you make the learning rate before training fails, and why?"
    assert meta["description"]["content"] == meta["og:description"]["content"] == sentence
    assert meta["og:title"]["content"] == "Exercise 1 · One"
    assert meta["og:site_name"]["content"] == "The Book"
    assert [t.attrs["name"] for t in found if t.name == "meta" and "name" in t.attrs].count(
        "description"
    ) == 1
    (icon,) = [t for t in found if t.attrs.get("rel") == "icon"]
    assert (mended.parent / icon.attrs["href"]).is_file()


@pytest.mark.parametrize("contents", [quarto_pages.CONTENTS, ""])
def test_computed_sections_are_in_the_list(contents):
    beside = "" if contents else " zindex-bottom"
    page = dress.dress(quarto_pages.page(contents=contents, beside=beside), "../")
    links = [tag for tag in tags(page) if "nav-link" in tag.classes]
    assert [tag.attrs["href"] for tag in links] == ["#computed", "#part", "#typed"]
    assert text_of(page, links[1]) == "A part & more"
    assert "zindex-bottom" not in page
    (nested,) = [
        t for t in tags(page) if t.name == "ul" and t.holds(links[1]) and not t.holds(links[0])
    ]
    assert not nested.holds(links[2])


def test_a_list_that_is_complete_is_left_alone():
    main = '<section id="typed" class="level2"><h2>Typed</h2></section>'
    page = quarto_pages.page(main=main)
    assert quarto_pages.CONTENTS in dress.dress(page, "../")


def test_the_first_page_has_one_title():
    main = (
        '<section id="about" class="level1">\n<h1>About <em>this</em></h1>\n<p>Text.</p></section>'
    )
    page = dress.dress(quarto_pages.page(main=main, title="The Book"), "")
    (title,) = [tag for tag in tags(page) if tag.name == "h1"]
    assert text_of(page, title) == "About this"
    assert "title" in title.classes
    (said,) = [tag for tag in tags(page) if "description" in tag.classes]
    assert text_of(page, said) == "", "it stands in the first paragraph"


@pytest.mark.parametrize(
    "url",
    [
        "https://a.example",
        "//a.example",
        " HTTPS://a.example",
        "https:\\\\a.example",
        "ht\ntps://a",
    ],
)
def test_an_address_elsewhere_is_known_however_it_is_written(url):
    assert is_elsewhere(url)


@pytest.mark.parametrize("url", ["a.html", "./a//b.html", "data:image/png;base64,//8=", "#x", ""])
def test_an_address_of_the_site_is_none_elsewhere(url):
    assert not is_elsewhere(url)


@pytest.mark.parametrize(
    "sheet",
    [
        "@import 'https://a.example/x.css' screen;",
        "@IMPORT url(//a.example/x.css);",
        "a{background:url( 'https://a.example/x.png' )}",
        "a{background:u\\72l(https://a.example/x.png)}",
        "@font-face{font-family:x;src:url(https://a.example/x.woff2)format('woff2')}",
        "@media print{a{background:-webkit-image-set('https://a.example/x.png' 1x)}}",
    ],
)
def test_what_a_sheet_loads_is_found(sheet):
    (url,) = css.requests(sheet)
    assert "a.example" in url


@pytest.mark.parametrize(
    "sheet",
    [
        "/* @import 'https://a.example'; */",
        "@namespace svg url(http://www.w3.org/2000/svg);",
        "a::after{content:'https://a.example'}",
        "a{background:url(x.png)}",
    ],
)
def test_what_a_sheet_only_mentions_is_not(sheet):
    assert list(css.requests(sheet)) == []


@pytest.mark.parametrize(
    "rule",
    [
        '@import"https://fonts.googleapis.com/css2?family=Lato:wght@4;7&display=swap";',
        "@import url(https://fonts.googleapis.com/css?family=Lato);",
        "@import url('//fonts.bunny.net/css?family=Lato:4;7') layer(x);",
    ],
)
def test_only_the_import_of_a_font_is_cut_from_a_sheet(rule):
    rest = '@charset "utf-8";{}a{{b:c}}\n/* @import "x" */'
    assert css.without_web_fonts(rest.format(rule)) == rest.format("")


@pytest.mark.parametrize(
    "script",
    [
        'fetch( /* now */ "https://a.example/x.json")',
        'const host = "https://a.example"; fetch(host + "/x.json")',
        "fetch(`https://a.example/${name}`)",
        'import("https:\\/\\/a.example/x.js")',
        'import x from "https://a.example/x.js"',
        'new Worker(local ? "x.js" : "https://a.example/x.js")',
        'request.open("GET", new URL("https://a.example/x"))',
        'image.src = "https://a.example/x.png"',
        'element.setAttribute("src", "//a.example/x.png")',
        'element.setAttribute("SRC", "//a.example/x.png")',
        'image["src"] = "https://a.example/x.png"',
        'Object.assign(image, {src: "https://a.example/x.png"})',
    ],
)
def test_what_a_script_loads_is_found(script):
    (url,) = scripts.requests(script)
    assert "a.example" in url


@pytest.mark.parametrize(
    "script",
    [
        '// fetch("https://a.example")',
        "const text = \"fetch('https://a.example')\"",
        'frame.postMessage({}, "https://a.example")',
        'document.createElementNS("http://www.w3.org/2000/svg", "g")',
        'link.href = "https://a.example"',
        'fetch("search.json")',
    ],
)
def test_what_a_script_only_mentions_is_not(script):
    assert scripts.requests(script) == ()


LOADING = [
    '<link rel="icon" href="https://a.example/x.png">',
    '<script>location.href = "https://a.example"</script>',
    '<script>window.location = "https://a.example"</script>',
    '<script>document.location.replace("https://a.example")</script>',
    '<img alt="x" srcset="x.png 1x, https://a.example/x.png 2x">',
    '<link rel="preload" as="image" imagesrcset="https://a.example/x.png 1x">',
    '<p style="background:url(//a.example/x.png)">',
    '<svg><rect fill="url(https://a.example/x.svg#y)"/></svg>',
    "<iframe srcdoc='<img src=https://a.example/x.png>'></iframe>",
    "<body onload=\"fetch('https://a.example')\">",
    '<meta http-equiv="refresh" content="0; url=https://a.example">',
    '<meta http-equiv="refresh" content="0;https://a.example">',
    '<img alt="x" src="https://a.example/x.png" src="x.png">',
    "<style>p { background: url(https://a.example/x.png) }",
    "<script>box.innerHTML = '<img src=\"https://a.example/x.png\">'</script>",
    '<script type="module" src="https://a.example/x.js"></script>',
]


def test_rules_that_fetch_pages_ahead_are_refused(tmp_path):
    rules = '{"prefetch": [{"where": {"href_matches": "/*"}, "eagerness": "immediate"}]}'
    (tmp_path / "index.html").write_text(f'<script type="SpeculationRules">{rules}</script>')
    with pytest.raises(BookError, match="speculation rules"):
        offline.mend(tmp_path)


@pytest.mark.parametrize("tag", LOADING)
def test_what_a_page_would_load_is_refused(tmp_path, tag):
    (tmp_path / "x.png").write_bytes(b"")
    (tmp_path / "index.html").write_text(f"<!doctype html>\n{tag}")
    with pytest.raises(BookError, match=r"^index\.html, line 2: .* load .*a\.example"):
        offline.mend(tmp_path)


EXTRAS = [
    *quarto_pages.LOADERS,
    '<script src="https://cdnjs.cloudflare.com/ajax/libs/require.js/2.3.6/require.min.js"></script>',
    "<script src='//cdnjs.cloudflare.com/ajax/libs/jquery/3.5.1/jquery.min.js'></script>",
    '<script src="https://cdnjs.cloudflare.com/polyfill/v3/polyfill.min.js?features=es6"></script>',
    '<link href="https://fonts.gstatic.com" rel="preconnect" crossorigin>',
]


@pytest.mark.parametrize("tag", EXTRAS)
def test_what_the_renderers_add_is_removed(tmp_path, tag):
    (tmp_path / "index.html").write_text(f"<p>before</p>{tag}<p>after</p>")
    offline.mend(tmp_path)
    assert (tmp_path / "index.html").read_text() == "<p>before</p><p>after</p>"


def test_a_module_is_one_script_with_all_that_it_imports(tmp_path, node):
    (tmp_path / "deep.js").write_text("export default 2; export const three = 3, four = 4;")
    (tmp_path / "side.js").write_text("globalThis.log = ['side'];")
    (tmp_path / "main.js").write_text(
        'import "./side.js";\nimport two, { three as drei } from "./deep.js";\n'
        'import * as deep from "./deep.js";\nexport { two as zwei };\n'
        "log.push(two, drei, deep.four); console.log(log.join());"
    )
    text = modules.classic(tmp_path / "main.js")
    done = subprocess.run([node, "-e", text], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "side,2,3,4"


@pytest.mark.parametrize(
    "source",
    [
        "await start();",
        "for await (const one of some) log(one);",
        "console.log(import.meta.url);",
        'import x from "package";',
        'export * from "./main.js";',
        'import x from "./main.js";',
        'import x from "./gone.js";',
    ],
)
def test_a_module_that_has_to_stay_one_is_told_of(tmp_path, source):
    (tmp_path / "main.js").write_text(source)
    tag = '<script type="module" src="main.js"></script>'
    (tmp_path / "index.html").write_text(tag)
    (warning,) = offline.mend(tmp_path)
    assert warning.startswith("main.js stays a module")
    assert (tmp_path / "index.html").read_text() == tag


def test_a_module_in_the_page_takes_along_what_it_imports(tmp_path):
    (tmp_path / "a.js").write_text("export const a = 1;")
    page = '<body><script type="module">import { a } from "./a.js"; window.a = a;</script></body>'
    (edit,) = disk.edits(page, tags(page), tmp_path / "index.html", set())
    assert "const { a } = modules[0];" in edit[2]
