"""Pages and style sheets in the form that Quarto 1.9 to 1.11 writes them, in small."""

#: What Quarto adds to every page with an HTML output: two lines and a definition.
LOADERS = (
    '<script src="https://cdn.jsdelivr.net/npm/jquery@3.5.1/dist/jquery.min.js"'
    ' integrity="sha384-x" crossorigin="anonymous" data-relocate-top="true"></script>',
    '<script src="https://cdn.jsdelivr.net/npm/requirejs@2.3.6/require.min.js"'
    ' integrity="sha384-x sha384-y" crossorigin="anonymous"></script>',
    "<script type=\"application/javascript\">define('jquery', [],function() {return"
    " window.jQuery;})</script>",
)

#: The head of a page, as its scripts and sheets stand there.
HEAD = f"""<head>

<meta charset="utf-8">
<meta name="generator" content="quarto-1.10.18">
<meta name="description" content="What all pages have in common.">
<title>Exercise 1 · One – The Book</title>
{LOADERS[0]}<script src="../site_libs/quarto-nav/quarto-nav.js"></script>
<meta name="quarto:offset" content="../">
<script src="../site_libs/quarto-html/quarto.js" type="module"></script>
<script src="../site_libs/quarto-html/tabsets/tabsets.js" type="module"></script>
<link href="../site_libs/bootstrap/bootstrap-1.min.css" rel="stylesheet" append-hash="true"\
 class="quarto-color-scheme" id="quarto-bootstrap" data-mode="light">
{LOADERS[1]}

{LOADERS[2]}
</head>"""

#: The end of the sidebar, and a page whose sections come from typed and from computed Markdown.
BODY = """<body class="nav-sidebar floating quarto-light">\
<script id="quarto-html-before-body" type="application/javascript">
    window.quartoToggleColorScheme = () => document.body.classList.toggle("quarto-dark");
  </script>
<div id="quarto-content" class="quarto-container page-columns page-rows-contents">
  <nav id="quarto-sidebar" class="sidebar"><a href="../">The Book</a>
  <div id="quarto-search" class="" title="Search"></div></nav>
    <div id="quarto-margin-sidebar" class="sidebar margin-sidebar{beside}">
        {contents}
    </div>
<main class="content" id="quarto-document-content">
<header id="title-block-header" class="quarto-title-block default">
<div class="quarto-title">
<h1 class="title">{title}</h1>
</div>
<div>
  <div class="description">
    What all pages have in common.
  </div>
</div>
</header>
{main}
</main>
</div>
</body>"""

COMPUTED = """<p>How large can you make the learning rate before training fails, and why?</p>
<div id="c2" class="cell"><div class="cell-output cell-output-display cell-output-markdown">
<section id="computed" class="level2">
<h2 class="anchored" data-anchor-id="computed">Computed</h2>
<section id="part" class="level3">
<h3 class="anchored" data-anchor-id="part">A <code>part</code> &amp; more</h3>
</section></section></div></div>
<section id="typed" class="level2">
<h2 class="anchored" data-anchor-id="typed">Typed</h2>
</section>"""

CONTENTS = """<nav id="TOC" role="doc-toc" class="toc-active" data-toc-expanded="99">
    <h2 id="toc-title">On this page</h2>
  <ul>
  <li><a href="#typed" id="toc-typed" class="nav-link active"\
 data-scroll-target="#typed">Typed</a></li>
  </ul>
</nav>"""

#: Sass, minified: no blank after @import, none around braces.
THEME = (
    '@import"https://fonts.googleapis.com/css2?family=Lato:ital,wght@0,400;0,700&display=swap";'
    ':root{--bs-blue: #2780e3}.a{background-image:url("data:image/svg+xml,%3csvg xmlns='
    "'http://www.w3.org/2000/svg'/%3e\")}"
)

MODULE = """import * as tabsets from "./tabsets/tabsets.js";

const sectionChanged = new CustomEvent("quarto-sectionChanged", { detail: {} });
window.document.addEventListener("DOMContentLoaded", function (_event) { tabsets.init(); });
"""

TABSETS = """// grouped tabsets

export function init() {
  document.documentElement.dataset.tabsets = "ready";
}
"""


def page(main=COMPUTED, contents=CONTENTS, title="Exercise 1 · One", beside=""):
    """Put a page together."""
    body = BODY.format(main=main, contents=contents, title=title, beside=beside)
    root = '<html xmlns="http://www.w3.org/1999/xhtml" lang="en" xml:lang="en">'
    return f"<!DOCTYPE html>\n{root}{HEAD}\n\n{body}\n</html>"


def write_site(root):
    """Write a site of one page, in a folder below its root, with its scripts and sheets."""
    files = {
        "index.html": "<head><title>The Book</title></head><body><main>x</main></body>",
        "search.json": "[]",
        "chapters/01.html": page(),
        "site_libs/quarto-nav/quarto-nav.js": "window.nav = true;",
        "site_libs/quarto-html/quarto.js": MODULE,
        "site_libs/quarto-html/tabsets/tabsets.js": TABSETS,
        "site_libs/bootstrap/bootstrap-1.min.css": THEME,
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root / "chapters/01.html"
