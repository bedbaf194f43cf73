"""Publishing: the site's own files are exchanged, everything else in the folder is left alone."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT
from test_site import book

from bnbook import site
from bnbook.errors import BookError
from bnbook.site import publish

__all__ = ["book"]  # the fixture: a small book in a folder

SITE = {"index.html": "home", "search.json": "[]", "chapters/01.html": "one", "a/b.css": "b"}


def write(folder, files):
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def read(folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    found = {path.relative_to(folder).as_posix(): path.read_text() for path in files}
    found.pop(publish.MANIFEST, None)
    return found


@pytest.fixture
def fresh(tmp_path):
    """Provide a way to render: a folder with the given files."""
    made = iter(range(10))
    return lambda files: write(tmp_path / f"fresh-{next(made)}", files)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


OTHERS = {
    "CNAME": "book.example",
    ".nojekyll": "",
    ".git/HEAD": "ref: x",
    "robots.txt": "all",
    "chapters/notes.txt": "mine",
    "mine/diary.txt": "dear",
}


def test_the_sites_files_are_exchanged_and_all_others_stay(fresh, out):
    publish.publish(fresh(SITE), out)
    write(out, OTHERS)
    publish.check_output(out)
    publish.publish(fresh({"index.html": "new", "search.json": "[]", "c.html": "c"}), out)
    assert read(out) == {"index.html": "new", "search.json": "[]", "c.html": "c"} | OTHERS
    assert not (out / "a").exists(), "an empty folder of the old site"


def test_a_site_without_a_list_is_overwritten_and_nothing_of_it_deleted(fresh, out):
    write(out, SITE | OTHERS)
    publish.check_output(out)
    publish.publish(fresh({"index.html": "new", "search.json": "[]"}), out)
    assert read(out) == SITE | OTHERS | {"index.html": "new"}


def test_a_folder_for_pages_may_be_prepared(fresh, out):
    write(out, {"CNAME": "book.example", ".nojekyll": "", ".git": "gitdir: x"})
    (out / "lost+found").mkdir()
    publish.check_output(out)
    publish.publish(fresh(SITE), out)
    assert read(out).items() > SITE.items()
    assert (out / "CNAME").read_text() == "book.example"


@pytest.mark.parametrize("other", ["index.html", "diary.txt", "robots.txt", "chapters/01.ipynb"])
def test_a_folder_with_other_things_is_refused_before_the_work(out, other):
    write(out, {other: "mine"})
    with pytest.raises(BookError, match=f"something else than a site \\({other.split('/')[0]}\\)"):
        publish.check_output(out)


@pytest.mark.parametrize(
    ("mine", "new"),
    [("favicon.ico", "favicon.ico"), ("labs", "labs/lab.js"), ("labs/mine.txt", "labs")],
)
def test_a_file_of_somebody_else_in_the_way_is_named_and_nothing_changed(fresh, out, mine, new):
    publish.publish(fresh(SITE), out)
    write(out, {mine: "mine"})
    before = read(out)
    with pytest.raises(BookError, match=rf"{mine} is no file of the site and in its way"):
        publish.publish(fresh(SITE | {new: "new"}), out)
    assert read(out) == before


def test_an_old_file_makes_room_for_a_folder_and_the_reverse(fresh, out):
    publish.publish(fresh({"x": "file", "y/z": "in a folder"}), out)
    publish.publish(fresh({"x/z": "in a folder", "y": "file"}), out)
    assert read(out) == {"x/z": "in a folder", "y": "file"}


def test_a_link_to_a_folder_stays_a_link(fresh, out, tmp_path):
    (tmp_path / "www").mkdir()
    out.symlink_to(tmp_path / "www")
    publish.check_output(out)
    publish.publish(fresh(SITE), out)
    assert out.is_symlink()
    assert read(tmp_path / "www") == SITE


@pytest.mark.parametrize("place", ["", "deeper/down"])
def test_a_link_to_itself_is_refused(out, place):
    out.symlink_to(out)
    with pytest.raises(BookError, match=r"cannot write the site to .*: a link to itself"):
        publish.check_output(out / place)


@pytest.mark.skipif(not shutil.which("unshare"), reason="no unshare: nothing can be mounted")
def test_a_mount_point_gets_the_site(fresh, out):
    """Busy, as a volume in a container: it can be neither renamed nor removed."""
    out.mkdir()
    publishing = (
        "import sys; from pathlib import Path; from bnbook.site import publish; "
        "site, out = map(Path, sys.argv[1:]); publish.check_output(out); publish.publish(site, out)"
    )
    mount = 'mount --bind "$1" "$1" || exit 77; exec "$0" -c "$3" "$2" "$1"'
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", mount, sys.executable, out, fresh(SITE), publishing],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip(f"nothing can be mounted: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    assert read(out) == SITE


def test_a_full_disk_leaves_the_old_site_and_nothing_beside_it(fresh, out, monkeypatch):
    publish.publish(fresh(SITE), out)
    before = sorted(out.iterdir())

    def full(source, target, **_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copy2", full)
        patch.setattr(shutil.copytree, "__defaults__", (False, None, full, False, False))
        with pytest.raises(OSError) as caught:
            publish.publish(fresh({"index.html": "new"}), out)
    message = str(publish.cannot_write(caught.value, out))
    assert "No space left on device" in message
    assert message.startswith(f"cannot write {out}")
    assert read(out) == SITE
    assert sorted(out.iterdir()) == before


def test_a_render_that_was_killed_while_it_published_is_made_up_for(fresh, out, monkeypatch):
    publish.publish(fresh(SITE), out)
    moved = []
    move = Path.replace

    def die(self, target):
        moved.append(target)
        if len(moved) == 4:
            raise KeyboardInterrupt
        return move(self, target)

    new = SITE | {"a/new.css": "new", "index.html": "new"}
    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", die)
        with pytest.raises(KeyboardInterrupt):
            publish.publish(fresh(new), out)
    publish.publish(fresh(new), out)
    assert read(out) == new


@pytest.mark.parametrize("line", ["../mine", "{mine}", "a/../../mine"])
def test_a_damaged_list_deletes_nothing_elsewhere(fresh, out, tmp_path, line):
    mine = tmp_path / "mine"
    mine.write_text("mine")
    publish.publish(fresh(SITE), out)
    with (out / publish.MANIFEST).open("a") as file:
        file.write(f"{line.format(mine=mine)}\n")
    publish.publish(fresh(SITE), out)
    assert mine.read_text() == "mine"


HOLD = """
import sys, time
from filelock import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    time.sleep(5)
    open(sys.argv[2], "w").write("first")
"""


def test_a_second_render_says_so_and_waits(book, tmp_path, capsys):
    (book / "_work").mkdir()
    command = [sys.executable, "-c", HOLD, book / "_work/lock", tmp_path / "done"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as first:
        assert first.stdout.readline() == b"held\n"
        site.render(book, renderer="smalldocs")
        assert (tmp_path / "done").read_text() == "first"
    said = capsys.readouterr().out
    assert (
        said.splitlines()[0]
        == f"another render is at work in {book / '_work'}: waiting for its end"
    )
    assert (book / "_site/index.html").is_file()
    hidden = [path.name for path in (book / "_site").iterdir() if path.name.startswith(".")]
    assert hidden == [publish.MANIFEST]
