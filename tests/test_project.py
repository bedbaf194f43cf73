"""The files around the package agree with each other and with the plan of the house."""

import ast
import os
import re
import shutil
import subprocess
import tomllib
from graphlib import TopologicalSorter
from importlib.util import resolve_name
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from setuptools import find_packages

import bnbook
from bnbook import reference

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "bnbook"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

#: A module imports from its own floor or from below.
FLOORS = {name: number for number, names in reference.FLOORS.items() for name in names}

#: What conda-forge calls a package, where it differs from the package index's name.
CONDA_NAMES = {
    "jupyter-client": ["jupyter_client"],
    "quarto-cli": ["quarto"],
    "torch": ["pytorch"],
}
#: In environment.yml, but no dependency of the package: the ground it stands on.
CONDA_ONLY = {"python", "pip"}


def requirements(*extras):
    lines = list(PROJECT["dependencies"])
    for extra in extras:
        lines += PROJECT["optional-dependencies"][extra]
    return [Requirement(line) for line in lines]


def written(requirement):
    """Name with its extras, as in pyproject.toml."""
    extras = ",".join(sorted(requirement.extras))
    return f"{requirement.name}[{extras}]" if extras else requirement.name


def lock():
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = [Requirement(line.rstrip("\\")) for line in lines if not line.startswith(" ")]
    return {name: [p for p in pins if p.name == name] for name in {p.name for p in pins}}


# Packages


def test_environment_yml_names_the_packages_of_pyproject():
    text = (ROOT / "environment.yml").read_text()
    entries = re.findall(r"^\s+- ([^:#\n]+)$", text.partition("dependencies:")[2], re.MULTILINE)
    assert entries.pop() == "-e ."
    found = {r.name: str(r.specifier) for r in map(Requirement, entries)}
    expected = {}
    for requirement in requirements("quarto"):
        name, *helpers = CONDA_NAMES.get(written(requirement), [requirement.name])
        expected[name] = str(requirement.specifier)
        expected |= dict.fromkeys(helpers, "")
    assert found.pop("python") == PROJECT["requires-python"]
    assert {k: v for k, v in found.items() if k not in CONDA_ONLY} == expected


def test_the_lock_pins_every_dependency_within_its_bounds():
    pins = lock()
    for requirement in requirements("test", "cluster"):
        if requirement.name == PROJECT["name"]:
            continue  # an extra that asks for another one
        name = re.sub(r"[-_.]+", "-", requirement.name).lower()
        assert name in pins, f"{name} is not in requirements.lock: make lock"
        for pin in pins[name]:
            (version,) = pin.specifier
            assert version.operator == "=="
            assert requirement.specifier.contains(version.version), f"{pin}: make lock"


def test_the_lock_has_hashes_for_every_pin_and_names_no_address():
    text = (ROOT / "requirements.lock").read_text()
    pin = r"[a-z0-9-]+==\S+( ; [^\\\n]+)?( \\\n    --hash=sha256:[0-9a-f]{64})+\n"
    assert re.fullmatch(f"(?:{pin})+", text)


def test_every_folder_with_code_is_a_packaged_one():
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    found = find_packages(str(ROOT), **tools["setuptools"]["packages"]["find"])
    folders = {
        ".".join(file.parent.relative_to(ROOT).parts) for file in PACKAGE.rglob("__init__.py")
    }
    assert folders == set(found)


def test_every_other_file_of_the_package_is_packaged_too():
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    patterns = tools["setuptools"]["package-data"]["bnbook"]
    packaged = {file for pattern in patterns for file in PACKAGE.glob(pattern)}
    compiled = {".py", ".pyc", ".c", ".h"}  # and what the engine is compiled from
    files = {file for file in PACKAGE.rglob("*") if file.is_file() and file.suffix not in compiled}
    files -= set((PACKAGE / "lab/web").rglob("*"))  # what bnbook/lab/built/ is made from
    assert files - packaged == set()


def test_the_version_is_the_same_everywhere():
    citation = (ROOT / "CITATION.cff").read_text()
    changes = (ROOT / "CHANGELOG.md").read_text()
    versions = {
        "pyproject.toml": PROJECT["version"],
        "bnbook.__version__": bnbook.__version__,
        "CITATION.cff": re.search(r"^version: (\S+)$", citation, re.MULTILINE)[1],
        "CHANGELOG.md": re.search(r"^## (\d\S*)", changes, re.MULTILINE)[1],
    }
    assert len(set(versions.values())) == 1, versions


# The house


def modules():
    """Map the dotted name of each module of the package to its file."""
    found = {}
    for file in PACKAGE.rglob("*.py"):
        parts = file.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imports(name, known):
    """Modules of the package that `name` imports, wherever in its file."""
    file = known[name]
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            source = resolve_name("." * node.level + (node.module or ""), package)
            for alias in node.names:
                inner = f"{source}.{alias.name}"
                found.add(inner if inner in known else source)
    return {module for module in found if module in known} - {name}


def part(name):
    """The module or subpackage of bnbook that a dotted name belongs to."""
    return name.split(".")[1]


def test_imports_go_down_the_floors_or_stay():
    known = modules()
    for name in known:
        if name == "bnbook":
            continue
        assert part(name) in FLOORS, f"{name} has no floor yet: give it one in FLOORS"
        for other in imports(name, known) - {"bnbook"}:
            assert FLOORS[part(other)] <= FLOORS[part(name)], f"{name} imports {other}, from above"


def test_imports_go_in_no_circle():
    known = modules()
    order = list(TopologicalSorter({name: imports(name, known) for name in known}).static_order())
    assert len(order) == len(known)


def test_no_file_of_the_package_passes_400_lines():
    kinds = {".py", ".js", ".css", ".html", ".c"}
    files = (f for f in PACKAGE.rglob("*") if "node_modules" not in f.parts)
    code = (f for f in files if f.suffix in kinds)
    lengths = {f.relative_to(ROOT): len(f.read_text().splitlines()) for f in code}
    assert not {f: n for f, n in lengths.items() if n > 400}


# Commands


def test_every_command_that_the_documents_name_exists():
    documents = " ".join((ROOT / name).read_text() for name in ("README.md", "CONTRIBUTING.md"))
    makefile = (ROOT / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    named = {a or b for a, b in re.findall(r"`make ([a-z]+)|^ +make ([a-z]+)", documents, re.M)}
    assert named
    assert named <= targets
    helped = set(re.findall(r"@echo 'make ([a-z]+) ", makefile))
    assert helped == targets - {"help"}


@pytest.fixture
def elsewhere(tmp_path):
    """Provide a folder with the Makefile, and a way to run it with a Python of our choice."""
    if not shutil.which("make"):
        pytest.skip("make is not installed")
    for name in ("Makefile", "install.py", "requirements.lock", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)

    def make(python):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
        return subprocess.run(
            ["make", "book", f"PYTHON={python}"],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )

    return make


def test_an_old_python_is_refused_with_the_way_out(elsewhere, tmp_path):
    old = tmp_path / "old-python"
    old.write_text(
        "#!/bin/sh\n"
        'exec python3 -c "import sys; sys.version_info = (3, 9, 2); exec(sys.argv[1])" "$2"\n'
    )
    old.chmod(0o755)
    done = elsewhere(old)
    assert done.returncode != 0
    assert "is Python 3.9, the book needs 3.11 or newer" in done.stderr
    assert not (tmp_path / ".venv").exists()


def test_a_missing_python_is_named(elsewhere, tmp_path):
    done = elsewhere("python-that-is-not-there")
    assert done.returncode != 0
    assert "python-that-is-not-there not found" in done.stderr
    assert not (tmp_path / ".venv").exists()
