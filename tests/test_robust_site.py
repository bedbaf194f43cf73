"""`bnbook render`: it writes only where it should, and no notebook can hang it or deceive it."""

import json
import os
import pickle
import shutil
import subprocess
import sys
import time

import psutil
import pytest
from conftest import ROOT
from test_robust_store import Canary
from test_site import book, put

from bnbook import site
from bnbook.errors import BookError
from bnbook.site import notebooks

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
    monkeypatch.setenv("PYTHONPATH", str(book))
    (book / "ipykernel_launcher.py").write_text("raise SystemExit('no kernel here')")
    with pytest.raises(BookError, match=r"^01\.ipynb: the kernel did not start"):
        site.execute(site.stage(book)[:1])


def test_a_kernel_that_hangs_while_it_starts_is_named(book, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(book))
    monkeypatch.setattr(notebooks, "START_SECONDS", 2)
    (book / "ipykernel_launcher.py").write_text("import time; time.sleep(600)")
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
