"""`bnbook render`: it writes only where it should, and no notebook can hang it or deceive it."""

import json
import os
import pickle
import shutil
import subprocess
import sys
import time

import nbclient
import nbformat
import psutil
import pytest
from conftest import ROOT
from test_robust_store import Canary
from test_site import book, put

from bnbook import cli, site
from bnbook.errors import BookError
from bnbook.site import executing, kernel, offline

__all__ = ["book"]  # the fixture: a small book in a folder

#: Does not give way to an interrupt, as a loop in C would not.
STUBBORN = """
import os, signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
open("pid", "w").write(str(os.getpid()))
time.sleep(600)
"""


def snapshot(*folders):
    """What is in the folders: each file's content, each link's target."""
    return {
        path: path.readlink() if path.is_symlink() else path.read_bytes()
        for folder in folders
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


@pytest.mark.skipif(not shutil.which("unshare"), reason="no unshare: no read-only sources")
def test_render_writes_only_into_its_build_and_output_folders(book, tmp_path):
    """Everything but these two is mounted read-only; only scratch space is left beside them."""
    (book / "_work").mkdir()
    out, scratch = tmp_path / "out", tmp_path / "scratch"
    out.mkdir()
    scratch.mkdir()
    before = snapshot(book)
    mounts = "; ".join(
        [
            f'for there in "{book}/_work" "{out}" "{scratch}"',
            'do mount --bind "$there" "$there" || exit 77',
            "done",
            "mount -o remount,bind,ro / || exit 77",
            f'mount -o remount,bind,ro "{tmp_path.anchor}" || exit 77',
        ]
    )
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", f'{mounts}; exec "$0" -c "$1"', sys.executable, RENDER],
        cwd=book,
        env=os.environ
        | {"PYTHONPATH": str(ROOT), "HOME": str(scratch), "TMPDIR": str(scratch)}
        | {"SITE": str(out / "site")},
        capture_output=True,
        text=True,
    )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip(f"no read-only sources here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    assert "42" in (out / "site/chapters/01.html").read_text()
    assert [path.name for path in out.iterdir()] == ["site"]
    after = {k: v for k, v in snapshot(book).items() if book / "_work" not in k.parents}
    assert after == before
    left = [path.relative_to(scratch) for path in scratch.rglob("*") if path.is_file()]
    assert not [path for path in left if "history" in path.name or path.suffix == ".ipynb"], left


RENDER = """
import os, pathlib, sys
for where in (".", "chapters", "/tmp"):
    try:
        open(os.path.join(where, "forbidden"), "w")
        sys.exit(f"{where} can be written")
    except OSError:
        pass
from bnbook.cli import main
sys.exit(main(["render", "--output", os.environ["SITE"]]))
"""


def test_a_notebook_that_hangs_is_stopped_and_named_and_the_others_are_kept(book):
    put(book, "02", "# Two", "What follows, hangs.", (STUBBORN,))
    one, two = site.stage(book)
    start = time.monotonic()
    with pytest.raises(BookError, match=r"^02\.ipynb, cell 3: took longer than 3 s$"):
        site.execute([one, two], timeout=3)
    assert time.monotonic() - start < 120
    pid = int((book / "_work/book/chapters/pid").read_text())
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    assert site.is_executed(one)
    assert not site.is_executed(two)


def test_a_kernel_that_does_not_start_is_named(book, monkeypatch):
    monkeypatch.setattr(kernel, "COMMAND", (sys.executable, "-c", "raise SystemExit"))
    with pytest.raises(BookError, match=r"^01\.ipynb: the kernel did not start"):
        site.execute(site.stage(book)[:1])


def test_a_kernel_that_hangs_while_it_starts_is_named(book, monkeypatch):
    monkeypatch.setattr(executing, "START_SECONDS", 2)
    hang = (sys.executable, "-c", "import time; time.sleep(600)")
    monkeypatch.setattr(kernel, "COMMAND", hang)
    with pytest.raises(BookError, match=r"^01\.ipynb: the kernel did not start"):
        site.execute(site.stage(book)[:1])


@pytest.mark.parametrize("content", ["a pickle", "deep", "a list", "no cells", "half"])
def test_a_spoiled_staged_notebook_is_made_anew_and_never_executed(book, tmp_path, content):
    canary = tmp_path / "executed"
    staged = site.stage(book)[0]
    whole = staged.read_bytes()
    digest = json.loads(whole)["metadata"]["bnbook"]
    staged.write_bytes(
        {
            "a pickle": pickle.dumps(Canary(canary)),
            "deep": b"[" * 100_000,
            "a list": b"[]",
            "no cells": json.dumps({"metadata": {"bnbook": digest}, "nbformat": 4}).encode(),
            "half": whole[: len(whole) // 2],
        }[content]
    )
    assert site.stage(book)[0].read_bytes() == whole
    assert not site.is_executed(staged)
    assert not canary.exists()


@pytest.mark.parametrize(
    "content",
    [b"null", b"3", b"[]", b'{"cells": null, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}',
     b'{"cells": [null], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}'],
)  # fmt: skip
def test_what_is_no_notebook_is_named(book, content):
    put(book, "02", "# Two")
    (book / "chapters/01.ipynb").write_bytes(content)
    with pytest.raises(BookError, match=r"01\.ipynb is not a readable notebook"):
        site.stage(book)


@pytest.mark.parametrize("command", [["render", "--stage"], ["address"], ["render"]])
@pytest.mark.parametrize("harm", ["no chapters", "no settings", "a pipe"])
def test_what_is_no_book_is_refused_before_any_work(book, command, harm, monkeypatch, capsys):
    monkeypatch.chdir(book)
    chapter = book / "chapters/01.ipynb"
    if harm == "no settings":
        (book / "_quarto.yml").write_text("book: [")
        says = "_quarto.yml: "
    else:
        for path in chapter.parent.iterdir():
            path.unlink()
        says = f"no notebooks in {chapter.parent}"
    if harm == "a pipe":
        os.mkfifo(chapter)
        says = f"{chapter} is not a readable notebook: 01.ipynb is no file"
    assert cli.main(command) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"bnbook: {says}")


def test_a_folder_named_from_here_is_the_same_one_in_a_kernel(book, monkeypatch):
    monkeypatch.chdir(book.parent)
    (book.parent / "more").mkdir()
    monkeypatch.setenv("BNBOOK_CACHE", "more")
    put(book, "02", "# Two", "", ("import os; print(os.environ['BNBOOK_CACHE'])",))
    two = site.stage(book)[1]
    site.execute([two])
    assert str(book.parent / "more") in two.read_text()


def test_a_style_sheet_that_is_not_utf_8_is_named(tmp_path):
    (tmp_path / "index.html").write_text("<!doctype html>")
    (tmp_path / "styles.css").write_bytes("/* é */".encode("latin-1"))
    with pytest.raises(BookError, match=r"styles\.css is not UTF-8"):
        offline.mend(tmp_path)


@pytest.mark.parametrize("name", ["_quarto.yml", "chapters/01.ipynb"])
def test_hostile_sources_are_refused_and_never_executed(book, tmp_path, name):
    canary = tmp_path / "executed"
    hostile = {
        "_quarto.yml": f"project: !!python/object/apply:os.mkdir ['{canary}']\n".encode(),
        "chapters/01.ipynb": pickle.dumps(Canary(canary)),
    }
    put(book, "01", "# One")
    put(book, "02", "# Two")
    (book / name).write_bytes(hostile[name])
    with pytest.raises(BookError) as error:
        site.render(book)
    assert "\n" not in str(error.value)
    assert not canary.exists()
    assert not (book / "_site").exists()


# The reader's own configuration

#: What a reader may have: in their home folder, in environment variables, in the folder itself.
CONFIGURED = {
    ".config/matplotlib/matplotlibrc": "text.usetex: True\nfigure.figsize: 1, 1\n",
    ".ipython/profile_default/ipython_config.py": (
        'c.InteractiveShell.ast_node_interactivity = "all"\n'
        'c.InlineBackend.figure_formats = {"png"}\n'
    ),
    ".ipython/profile_default/ipython_kernel_config.py": (
        "c.IPKernelApp.exec_lines = ['print(\"from the configuration\")']\n"
    ),
    ".ipython/profile_default/startup/00.py": "print('from startup'); answer = 'changed'\n",
    ".jupyter/jupyter_config.json": '{"NotebookClient": {"allow_errors": true}}',
    ".pythonrc": "print('from PYTHONSTARTUP'); answer = 'changed'\n",
    "modules/seaborn.py": "raise SystemExit('from PYTHONPATH')\n",
    "modules/sitecustomize.py": "import builtins; builtins.answer = 'changed'\n",
}
VARIABLES = {
    "PYTHONSTARTUP": "{home}/.pythonrc",
    "PYTHONPATH": "{home}/modules",
    "PYTHONOPTIMIZE": "2",
    "PYTHONWARNINGS": "error",
    "PYTHONINSPECT": "1",
    "MPLBACKEND": "Agg",
    "MPLCONFIGDIR": "{home}/.config/matplotlib",
    "IPYTHONDIR": "{home}/.ipython",
    "JUPYTER_CONFIG_DIR": "{home}/.jupyter",
    "JUPYTER_RUNTIME_DIR": "/nowhere",
    "JUPYTER_DEFAULT_PROVISIONER_NAME": "nobody's",
    "COLUMNS": "20",
    "TQDM_DISABLE": "1",
}

#: What a cell shows may depend on any of these.
SENSITIVE = (
    "1 + 1\n2 + 2\nglobals().get('answer', 'the default')",
    "try:\n    assert False\nexcept AssertionError:\n    print('asserted')",
    "import seaborn, matplotlib\nmatplotlib.rcParams['text.usetex']",
    "matplotlib.rcParams['figure.figsize']",
    "import bnbook\nbnbook.__file__",
    "import os\nsorted(name for name in os.environ if name.startswith('PYTHON'))",
    "import pandas as pd\npd.DataFrame({'a long name': [1], 'another long name': [2]})",
    "from matplotlib import pyplot as plt\nplt.plot([1, 2])\nplt.title('$x$')\nplt.show()",
)


def configure(home, monkeypatch):
    for name, text in CONFIGURED.items():
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text(text)
    monkeypatch.setenv("HOME", str(home))
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value.format(home=home))


def outputs(notebook):
    """What the cells put out; of a picture the kinds, as two drawings differ in their ids."""
    cells = nbformat.read(notebook, as_version=4).cells
    found = [output for cell in cells for output in cell.get("outputs", ())]
    return [
        sorted(one.data) if any(kind.startswith("image/") for kind in one.get("data", ())) else one
        for one in found
    ]


def test_what_the_reader_has_configured_has_no_influence(book, tmp_path, monkeypatch):
    put(book, "01", "# One", *((source,) for source in SENSITIVE))
    staged = site.stage(book)[0]
    site.execute([staged])
    plain = outputs(staged)
    assert len(plain) == len(SENSITIVE)
    staged.unlink()
    configure(tmp_path / "home", monkeypatch)
    site.execute(site.stage(book)[:1])
    assert outputs(staged) == plain


def test_nbmake_and_its_kind_find_the_same_kernel_in_the_work_folder(book, tmp_path, monkeypatch):
    put(book, "01", "# One", *((source,) for source in SENSITIVE))
    staged = site.stage(book)[0]
    site.execute([staged])
    plain = outputs(staged)
    staged.unlink()
    site.stage(book)
    configure(tmp_path / "home", monkeypatch)
    monkeypatch.setenv("JUPYTER_PATH", str(book / "_work"))
    monkeypatch.delenv("JUPYTER_DEFAULT_PROVISIONER_NAME")
    done = nbclient.execute(nbformat.read(staged, as_version=4), cwd=staged.parent)
    nbformat.write(done, staged)
    assert outputs(staged) == plain


FLOODS = {
    "one line": "print('x' * 60_000_000)",
    "for ever": "while True:\n    print('x' * 1000)",
    "without a line's end": "while True:\n    print('x', end='')",
    "as results": "while True:\n    display('x' * 1000)",
    "by a program": "!yes",
    "from a thread": (
        "import threading, time\n"
        "def talk():\n    while True:\n        print('x' * 1000)\n"
        "threading.Thread(target=talk).start()\ntime.sleep(600)"
    ),
}


@pytest.mark.parametrize("flood", FLOODS)
def test_a_cell_that_floods_is_stopped_and_named(book, flood, monkeypatch):
    monkeypatch.setattr(executing, "MOST_OUTPUT", 1_000_000)
    put(book, "01", "# One", (FLOODS[flood],))
    start = time.monotonic()
    with pytest.raises(BookError, match=r"^01\.ipynb, cell 2: more than 1,000,000 characters"):
        site.execute(site.stage(book)[:1], timeout=120)
    assert time.monotonic() - start < 110, "stopped by its output, not by the clock"


def test_a_long_line_takes_no_longer_than_its_length(book):
    put(book, "01", "# One", ("print('x' * 10_000_000)",), ("raise ValueError('y' * 1_000_000)",))
    start = time.monotonic()
    with pytest.raises(BookError) as caught:
        site.execute(site.stage(book)[:1])
    assert time.monotonic() - start < 60
    assert str(caught.value).startswith("01.ipynb, cell 3: ValueError: yyy")
    assert len(str(caught.value)) < 400


def test_streams_are_joined_as_a_terminal_shows_them(book):
    source = (
        "import sys, time\n"
        "for text in ('1%\\r', '50%\\r', 'done\\n', 'a\\r\\n', 'b'):\n"
        "    sys.stderr.write(text)\n    sys.stderr.flush()\n"
        "    print(len(text))\n    time.sleep(0.3)\n"
        "7"
    )
    put(book, "01", "# One", (source,))
    staged = site.stage(book)[0]
    site.execute([staged])
    assert [dict(one).get("text", "a result") for one in outputs(staged)] == [
        "3\n4\n5\n3\n1\n",
        "done\na\r\nb",
        "a result",
    ]


LATE = {
    "while a figure is drawn": (
        "import matplotlib.pyplot as plt\nplt.plot([1])\nplt.title(r'$\\nonsense$');",
        "nonsense",
    ),
    "by a callback": (
        "def fail():\n    raise ValueError('too late')\n"
        "get_ipython().events.register('post_execute', fail)",
        "too late",
    ),
}


@pytest.mark.parametrize("when", LATE)
def test_an_error_after_the_cell_is_named_and_no_success(book, when, capsys):
    source, reason = LATE[when]
    put(book, "01", "# One", (source,))
    staged = site.stage(book)[:1]
    with pytest.raises(BookError, match=rf"^01\.ipynb, cell 2: .*{reason}"):
        site.execute(staged)
    assert not site.is_executed(staged[0])
    assert "executed" not in capsys.readouterr().out
