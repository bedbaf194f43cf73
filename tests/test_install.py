"""`make install`: what it makes, when it makes it anew, and what it leaves alone."""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT

pytestmark = pytest.mark.skipif(not shutil.which("make"), reason="make is not installed")

#: A package of one module, with a command that says where it is, built by a module beside it.
PROJECT = """
[build-system]
requires = []
build-backend = "builder"
backend-path = ["."]
[project]
name = "bnbook"
version = "1"
"""
MODULE = "def main():\n    print(__file__)\n"
#: As little as the installation of a package needs.
BUILDER = """
def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    import pathlib, zipfile
    here = pathlib.Path.cwd()
    name = "bnbook-1-py3-none-any.whl"
    info = "bnbook-1.dist-info/"
    with zipfile.ZipFile(pathlib.Path(wheel_directory, name), "w") as wheel:
        wheel.writestr("here.pth", str(here))
        wheel.writestr(info + "METADATA", "Metadata-Version: 2.1\\nName: bnbook\\nVersion: 1\\n")
        kind = "Root-Is-Purelib: true\\nTag: py3-none-any"
        wheel.writestr(info + "WHEEL", f"Wheel-Version: 1.0\\n{kind}\\n")
        wheel.writestr(info + "entry_points.txt", "[console_scripts]\\nwhere = where:main\\n")
        wheel.writestr(info + "RECORD", "")
    return name
"""


@pytest.fixture
def clone(tmp_path):
    """Make a clone in small: our Makefile and installer, a package of one module, an empty lock."""
    folder = tmp_path / "a clone"
    folder.mkdir()
    for name in ("Makefile", "install.py"):
        shutil.copy(ROOT / name, folder)
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "builder.py").write_text(BUILDER)
    (folder / "where.py").write_text(MODULE)
    (folder / "requirements.lock").write_text("# nothing\n")
    return folder


def make(folder, *arguments, **variables):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("MAKE", "PYTHON"))}
    done = subprocess.run(
        ["make", "install", *arguments],
        cwd=folder,
        env=environment | variables,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def where(folder):
    """Where the package lies that the command in a clone's .venv runs."""
    done = subprocess.run([folder / ".venv/bin/where"], capture_output=True, text=True, check=True)
    return Path(done.stdout.strip()).parent


def test_an_installation_follows_its_clone_its_python_and_its_lock(clone, tmp_path):
    mine = tmp_path / "My Py/python3"
    mine.parent.mkdir()
    mine.symlink_to(sys._base_executable)
    nonsense = {"PYTHONPATH": "/nowhere", "PYTHONOPTIMIZE": "2", "PYTHONWARNINGS": "error"}
    assert "Installed" in make(clone, f"PYTHON={mine}", **nonsense)
    assert where(clone) == clone
    assert make(clone) == "", "nothing to do"

    (clone / "requirements.lock").touch()
    assert make(clone) == "", "the same content"
    (clone / "requirements.lock").write_text("# other pins\n")
    assert make(clone).startswith("Installing"), "upon what is there"
    assert make(clone) == ""

    copy = tmp_path / "copy"
    shutil.copytree(clone, copy, symlinks=True)
    assert where(copy) == clone, "what a copied .venv would run, silently"
    assert f"copied from {clone}: installing anew" in make(copy)
    assert where(copy) == copy
    assert where(clone) == clone
    assert make(copy) == ""


@pytest.fixture
def stamped(clone):
    """Make a .venv that says of itself that it is finished; its Python is a script."""
    (clone / ".venv/bin").mkdir(parents=True)
    python = clone / ".venv/bin/python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return clone


def reason(clone, stamp=None, *arguments):
    """Ask the installer what it would do, but for doing it."""
    ask = (
        "import sys, pathlib, install; sys.argv[1:] = sys.argv[2:]\n"
        "install._remove = install._install = lambda *_: None\n"
        "sys.exit(install.main())"
    )
    if stamp:
        (clone / ".venv/installed").write_text(json.dumps(stamp))
    environment = os.environ | {"PYTHONPATH": str(clone)}
    done = subprocess.run(
        [sys.executable, "-c", ask, "-", *arguments],
        cwd=clone,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.partition(":")[0].strip()


def test_another_kind_of_pytorch_or_python_means_a_new_environment(stamped):
    mine = ".".join(map(str, sys.version_info[:2]))
    stamp = {"folder": str(stamped), "python": mine, "torch": "", "sources": "other"}
    assert reason(stamped, stamp) == "Installed"
    assert reason(stamped, stamp, "--torch=cpu") == ".venv has PyTorch as the package index has it"
    stamp["torch"] = "cpu"
    assert reason(stamped, stamp) == "Installed", "what is not asked for stays"
    assert reason(stamped, stamp, "--torch=") == ".venv has PyTorch cpu"
    stamp["python"] = "3.99"
    assert reason(stamped, stamp) == "Installed", "found with another Python than it was made with"
    (stamped / ".venv/bin/python").write_text("#!/nowhere\n")
    assert reason(stamped, stamp) == ".venv is for a Python that is gone"


def test_a_linked_environment_is_left_to_its_owner(stamped, tmp_path):
    second = tmp_path / "second"
    shutil.copytree(stamped, second, ignore=shutil.ignore_patterns(".venv"))
    (second / ".venv").symlink_to(stamped / ".venv")
    assert reason(second) == ".venv is from elsewhere"
    remove = "import install; install._remove()"
    subprocess.run([sys.executable, "-c", remove], cwd=second, check=True)
    assert not (second / ".venv").exists()
    assert (stamped / ".venv/bin/python").is_file()


@pytest.mark.parametrize("content", ["", "[]", '{"folder": 1}', "half a st"])
def test_an_unfinished_environment_is_built_upon_if_it_was_made_here(stamped, content):
    (stamped / ".venv/installed").write_text(content)
    assert reason(stamped) == ".venv is from elsewhere"
    (stamped / ".venv/bin/pip").write_text(f"#!{stamped}/.venv/bin/python\n")
    assert reason(stamped) == "Installed"
    (stamped / ".venv/bin/pip").write_text(f"#!/else{stamped}/.venv/bin/python\n")
    assert reason(stamped) == ".venv is from elsewhere"


def test_another_build_of_pytorch_than_cpu_is_refused(clone):
    done = subprocess.run(
        ["make", "install", "TORCH=gpu", f"PYTHON={sys.executable}"],
        cwd=clone,
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "invalid choice: 'gpu'" in done.stderr
    assert not (clone / ".venv").exists()


def test_the_lock_is_taken_apart_by_package():
    ask = "import install; print(install._pins(open('requirements.lock').read()))"
    done = subprocess.run([sys.executable, "-c", ask], cwd=ROOT, capture_output=True, text=True)
    pins = ast.literal_eval(done.stdout)  # some twice, for two ranges of Python
    assert {"torch", "torchvision", "uv", "numpy"} <= {name for name, _ in pins}
    assert all("--hash=sha256:" in pin for _, pin in pins)
    assert "".join(pin for _, pin in pins) == (ROOT / "requirements.lock").read_text()


def test_a_clone_has_the_same_line_ends_whatever_git_is_told(tmp_path):
    if not shutil.which("git"):
        pytest.skip("git is not installed")
    names = (".ci/run", "Makefile", "install.py", "data/digits.js", "bnbook/lab/engine/engine.wasm")
    for name in (*names, ".gitattributes"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    git = ["git", "-c", "core.autocrlf=true", "-c", "user.name=x", "-c", "user.email=x@example.org"]
    for command in ("init -q", "add .", "commit -q -m x", "rm -q -r .", "checkout -q HEAD ."):
        subprocess.run([*git, *command.split()], cwd=tmp_path, check=True, capture_output=True)
    for name in names:
        assert (tmp_path / name).read_bytes() == (ROOT / name).read_bytes(), name
