"""From a rendered site to the folder that its readers see, which may hold other things as well."""

import filecmp
import os
import shutil
from collections.abc import Set
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath

from bnbook import atomic
from bnbook.errors import BookError

#: Names the files of the site, one a line: whatever else lies in the folder is somebody else's.
MANIFEST = ".bnbook-site"
_SCRATCH = ".bnbook-new"
_LOCK = ".bnbook-lock"
#: What may lie in a folder that holds no site yet, besides names with a dot in front.
_HARMLESS = frozenset({"CNAME", "lost+found"})


def alone(lock: Path) -> AbstractContextManager[None]:
    """Hold the file `lock`; where another render does, say so and wait."""
    return atomic.alone(lock, f"another render is at work in {lock.parent}")


def cannot_write(error: OSError, output: Path) -> BookError:
    """Make one line of what went wrong; `shutil` gathers several errors into one without a name."""
    if isinstance(error, shutil.Error) and error.args and isinstance(error.args[0], list):
        _, target, reason = error.args[0][0]
        return BookError(f"cannot write {target}: {reason}")
    return BookError(f"cannot write {error.filename or output}: {error.strerror or error}")


def check_output(output: Path) -> None:
    """Refuse early, before minutes of execution, a folder that a site cannot or must not go to."""
    try:
        resolved = output.resolve()
        circles = any(part.is_symlink() for part in (resolved, *resolved.parents))
    except RuntimeError:  # before Python 3.13
        circles = True
    if circles:
        raise BookError(f"cannot write the site to {output}: a link to itself")
    output = resolved
    nearest = next(p for p in (output, *output.parents) if p.exists())
    if not nearest.is_dir():
        raise BookError(f"cannot write the site to {output}: {nearest} is not a folder")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise BookError(f"cannot write the site to {output}: no permission to write in {nearest}")
    if not output.exists() or _files_of(output) is not None or _is_site(output):
        return
    names = sorted(path.name for path in output.iterdir())
    for name in names:
        if not name.startswith(".") and name not in _HARMLESS:
            raise BookError(
                f"{output} holds something else than a site ({name}): choose an empty folder"
            )


def publish(site: Path, output: Path) -> None:
    """Put the site's files in the place of those that were published before.

    Each is moved as a whole, pages last, from a folder beside them, so that a full disk or a kill
    leaves the old site. The folder itself stays, be it a mount point or a link, and so does what
    else lies in it; BookError, before anything is changed, where that is in the way.
    """
    output = output.resolve()
    lock, scratch = output / _LOCK, output / _SCRATCH
    with alone(lock):
        try:
            shutil.rmtree(scratch, ignore_errors=True)
            shutil.copytree(site, scratch / "site")
            _exchange(scratch, output)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
            lock.unlink(missing_ok=True)


def _exchange(scratch: Path, output: Path) -> None:
    fresh = scratch / "site"
    new = {path.relative_to(fresh).as_posix() for path in fresh.rglob("*") if path.is_file()}
    listed = _files_of(output)
    # A site without a list, made by another program, is overwritten; nothing is deleted.
    old = new if listed is None and _is_site(output) else listed or set()
    for name in sorted(new):
        if other := _in_the_way(name, fresh, output, old):
            raise BookError(f"{other} is no file of the site and in its way: move it elsewhere")
    _list(old | new, scratch, output)
    for name in sorted(new, key=lambda name: (name.endswith(".html"), name)):
        _make_room(name, output)
        (output / name).parent.mkdir(parents=True, exist_ok=True)
        (fresh / name).replace(output / name)
    for name in old - new:
        _delete(name, output)
    _list(new, scratch, output)


def _is_site(output: Path) -> bool:
    return (output / "search.json").is_file() and (output / "index.html").is_file()


def _files_of(output: Path) -> set[str] | None:
    """Read which files in a folder are the site's; None where no list lies there."""
    try:
        lines = (output / MANIFEST).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return None
    paths = map(PurePosixPath, lines)
    # Whoever damages the list shall not make us delete elsewhere.
    return {str(path) for path in paths if not path.is_absolute() and ".." not in path.parts}


def _list(names: Set[str], scratch: Path, output: Path) -> None:
    """Write the list, whole. While files are exchanged it names the old and the new ones."""
    part = scratch / "list"
    part.write_text("".join(f"{name}\n" for name in sorted(names)), encoding="utf-8")
    part.replace(output / MANIFEST)


def _in_the_way(name: str, fresh: Path, output: Path, old: Set[str]) -> Path | None:
    """Find somebody else's file where a file of the new site, or one of its folders, has to go."""
    target = output / name
    for folder in PurePosixPath(name).parents[:-1]:
        if (output / folder).is_file() and str(folder) not in old:
            return output / folder
    if target.is_dir() and not target.is_symlink():
        inside = (path for path in target.rglob("*") if not path.is_dir())
        return next((p for p in inside if p.relative_to(output).as_posix() not in old), None)
    if target.is_file() and name not in old:
        return None if filecmp.cmp(target, fresh / name, shallow=False) else target
    return None


def _make_room(name: str, output: Path) -> None:
    """Delete an old file where a folder goes, and an old folder where a file goes."""
    for folder in PurePosixPath(name).parents[:-1]:
        if (output / folder).is_file():
            (output / folder).unlink()
    if (output / name).is_dir() and not (output / name).is_symlink():
        shutil.rmtree(output / name)


def _delete(name: str, output: Path) -> None:
    """Delete an old file, and the folders that it leaves empty."""
    if (output / name).is_symlink() or (output / name).is_file():
        (output / name).unlink()
    for folder in PurePosixPath(name).parents[:-1]:
        if (output / folder).is_dir() and not any((output / folder).iterdir()):
            (output / folder).rmdir()
