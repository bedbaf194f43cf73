"""Recorded runs on disk: a spool while a sweep runs, then one Parquet table per experiment.

A record is the JSON-able account of one finished run: key, run, outcome, environment, rows.
Every file is written under a temporary name and then renamed, so no reader ever meets half a
file, and checksums in it tell when a byte has changed since. Reading never executes anything.
"""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import filelock
import pandas as pd
import pyarrow as pa

from bnbook import data, tables
from bnbook.errors import BookError
from bnbook.run import Run
from bnbook.training import History

SCHEMA_VERSION = 1

Record = dict[str, Any]
Row = dict[str, Any]

_NUMBERS = pa.list_(pa.float32())
#: One row per run and evaluated epoch. The first seven columns are the run's and repeat.
SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("run", pa.string()),  # JSON of the fields that differ from their defaults
        ("outcome", pa.string()),
        ("machine", pa.string()),
        ("torch", pa.string()),
        ("bnbook", pa.string()),
        ("date", pa.string()),
        ("epoch", pa.int32()),
        ("step", pa.int32()),
        ("train_loss", pa.float64()),
        ("val_loss", pa.float64()),
        ("val_correct", pa.int32()),
        ("val_correct_running", pa.int32()),
        ("val_images", pa.int32()),
        ("test_correct", pa.int32()),
        ("test_correct_running", pa.int32()),
        ("test_images", pa.int32()),
        ("seconds", pa.float32()),
        ("square_before", _NUMBERS),
        ("square_normed", _NUMBERS),
        ("square_activated", _NUMBERS),
        ("gradient_norm", _NUMBERS),
        ("gamma", pa.list_(_NUMBERS)),
        ("beta", pa.list_(_NUMBERS)),
        ("first_losses", pa.list_(pa.float64())),
        # Of runs with `record_fit` alone; older tables lack the columns.
        ("train_correct", pa.int32()),
        ("train_images", pa.int32()),
        ("weight_norm", _NUMBERS),
    ],
    metadata={"bnbook_schema": str(SCHEMA_VERSION)},
)
_RUN_COLUMNS = SCHEMA.names[:7]
_LATER_COLUMNS = SCHEMA.names[-3:]
#: The same of a study, whose other columns are its own.
_STUDY_COLUMNS = ("key", "run", "study", "machine", "torch", "bnbook", "date")
#: The version of this package that made the records which do not name one.
FIRST_VERSION = "0.1.0"
#: What one changed byte in a table can spoil; fewer would make the tables larger.
RUNS_PER_GROUP = 64
#: What reading something else than a record raises.
_FAULTS = (ValueError, LookupError, TypeError, RecursionError, pa.ArrowException)


def record(history: History, environment: dict[str, str]) -> Record:
    """Turn a history into a record; `environment` holds machine, versions and date."""
    rows = [dict(row) for row in history.rows]
    rows[-1]["first_losses"] = history.first_losses
    return {
        "key": history.run.key,
        "run": history.run.changes(),
        "outcome": history.outcome,
        **environment,
        "rows": rows,
    }


def study_record(name: str, run: Run, rows: list[Row], environment: dict[str, str]) -> Record:
    """Turn what the study `name` measured of `run` into a record; `environment` as in `record`.

    Raises ValueError for a row that repeats a name of the run's.
    """
    taken = {*_fields("{}"), *_STUDY_COLUMNS} & {column for row in rows for column in row}
    if taken:
        raise ValueError(f"the rows of {name} measure {', '.join(sorted(taken))}, as the run does")
    return {
        "key": run.key, "run": run.changes(), "study": name, **environment, "rows": rows,
    }  # fmt: skip


def results_folder() -> Path:
    """Return the folder of the merged tables."""
    return data.bundled_folder() / "results"


def spool_folder(study: str = "") -> Path:
    """Return the folder of finished runs that no table holds yet; each study has its own."""
    return data.bundled_folder() / "spool" / study


def spool_state(key: str, study: str = "") -> Path:
    """Return the path of the state in which a run is kept while it trains."""
    return spool_folder(study) / f"{key}.state"


def table_path(name: str) -> Path:
    """Return the path of an experiment's table."""
    return results_folder() / f"{name}.parquet"


def provenance_path(name: str) -> Path:
    """Return the path of an experiment's provenance."""
    return results_folder() / f"{name}.json"


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Let one sweep of an experiment at a time go on; another one waits, and says so.

    The system frees the lock of a process that dies. Raises BookError where there is no writing.
    """
    path = spool_folder() / f"{name}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(path)
        try:
            lock.acquire(blocking=False)
        except filelock.Timeout:
            print(f"another sweep of {name} is under way: waiting for its end", flush=True)
            lock.acquire()
    except OSError as error:
        raise BookError(f"cannot write {path} ({error.strerror or error})") from error
    try:
        for leftover in results_folder().glob(f".{name}.*"):
            leftover.unlink()  # of a sweep that was killed while it wrote
        yield
    finally:
        lock.release()


def spool(finished: Record) -> None:
    """Write one finished run to the spool, atomically. Raises BookError if it can't be written."""
    text = json.dumps(finished)
    folder = spool_folder(finished.get("study", ""))
    with replacing(folder / f"{finished['key']}.json") as temporary:
        temporary.write_text(f"{text}\n{_digest(text)}\n")
    spool_state(finished["key"], finished.get("study", "")).unlink(missing_ok=True)


def spooled(study: str = "") -> dict[str, Record]:
    """Read all spooled records, of training or of a study, by key.

    Raises BookError for one that is damaged.
    """
    found = {}
    for path in sorted(spool_folder(study).glob("*.json")):
        # Gone since: another sweep has moved it into its table.
        with contextlib.suppress(FileNotFoundError):
            found[path.stem] = _spooled(path)
    return found


def _spooled(path: Path) -> Record:
    try:
        text, _, digest = path.read_text().partition("\n")
        # Older files have no second line.
        if digest and digest.strip() != _digest(text):
            raise ValueError("its checksum differs")
        one: Record = json.loads(text)
        if not one["key"] == Run.from_changes(one["run"]).key == path.stem:
            raise ValueError("it holds another run")
        _table([one])
    except (*_FAULTS, BookError) as error:
        raise BookError(
            f"{path} is damaged ({_reason(error)}): delete it, its run will be repeated"
        ) from None
    return one


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def recorded(name: str) -> dict[str, Record]:
    """Read the records of an experiment's table, by key; empty if there is no table yet.

    Raises BookError where any of it is damaged.
    """
    return _records(_read_table(name)) if table_path(name).exists() else {}


def salvaged(name: str) -> dict[str, Record]:
    """Read the records in the intact row groups of an experiment's table, by key.

    Raises BookError where nothing of the table can be trusted.
    """
    return _records(_contents(name).table) if table_path(name).exists() else {}


def _records(table: pa.Table) -> dict[str, Record]:
    found: dict[str, Record] = {}
    columns = _STUDY_COLUMNS if "study" in table.column_names else _RUN_COLUMNS
    for row in table.to_pylist():
        run_level = {column: row.pop(column) for column in columns}
        run_level["run"] = json.loads(run_level["run"])
        one = found.setdefault(run_level["key"], run_level | {"rows": []})
        one["rows"].append({k: v for k, v in row.items() if v is not None})
    return found


def everything() -> dict[str, Record]:
    """Read every intact record of training of every table and the spool, by key."""
    # The spool first: what another sweep moves into its table meanwhile is then met there.
    spool = spooled()
    found: dict[str, Record] = {}
    for path in sorted(results_folder().glob("*.parquet")):
        found |= {key: one for key, one in salvaged(path.stem).items() if "study" not in one}
    return found | spool


def merge(name: str, records: Iterable[Record], provenance: dict[str, Any]) -> Path:
    """Write an experiment's table and its provenance, atomically each; return the table's path."""
    groups = list(_groups(list(records)))
    with replacing(table_path(name)) as temporary:
        tables.write(temporary, groups)
    with replacing(provenance_path(name)) as temporary:
        temporary.write_text(json.dumps(provenance, indent=1, sort_keys=True) + "\n")
    return table_path(name)


def _groups(records: list[Record]) -> Iterator[pa.Table]:
    """Yield the records' table in row groups of whole runs."""
    table, start = _table(records), 0
    for first in range(0, len(records), RUNS_PER_GROUP):
        length = sum(len(one["rows"]) for one in records[first : first + RUNS_PER_GROUP])
        yield table.slice(start, length)
        start += length


def clear_spool(keys: Iterable[str], study: str = "") -> None:
    """Delete the spool files of runs that a table holds now."""
    for key in keys:
        (spool_folder(study) / f"{key}.json").unlink(missing_ok=True)


def read(name: str) -> pd.DataFrame:
    """Read an experiment's table: one row per run and evaluated epoch, or what a study measured.

    Columns: `SCHEMA`'s, every field of `Run` (`norms` joined by commas) and the accuracies
    `val_accuracy`, `test_accuracy` (re-estimated statistics), `…_running` and `train_accuracy`
    (re-estimated; NaN in runs without `record_fit`), as fractions. Of a study: key, run, machine,
    torch, bnbook, date, every field of `Run` and the columns that it measured.
    Raises BookError where the table is missing or damaged.
    """
    if not table_path(name).exists():
        raise BookError(f"no records of {name} in {results_folder()}: run `bnbook sweep {name}`")
    return to_frame(_read_table(name))


def to_frame(table: pa.Table) -> pd.DataFrame:
    """Turn a table of `SCHEMA`, or a study's, into the data frame that `read` describes."""
    frame: pd.DataFrame = table.to_pandas()
    fields = {text: _fields(text) for text in frame["run"].unique()}
    names = list(_fields("{}"))
    runs = pd.DataFrame([fields[text] for text in frame["run"]], columns=names, index=frame.index)
    frame = pd.concat([frame, runs], axis="columns")
    if "study" in frame:
        return frame.drop(columns="study")
    for part in ("val", "test"):
        for kind in ("", "_running"):
            correct = frame[f"{part}_correct{kind}"]
            frame[f"{part}_accuracy{kind}"] = correct / frame[f"{part}_images"]
    frame["train_accuracy"] = frame["train_correct"] / frame["train_images"]
    return frame


def _fields(text: str) -> dict[str, Any]:
    """Spell out every field of a run; where it is evaluated shows in the rows themselves."""
    values = asdict(Run.from_changes(json.loads(text)))
    del values["eval_epochs"]
    return values | {"norms": ",".join(values["norms"])}


def records_frame(records: Iterable[Record]) -> pd.DataFrame:
    """Turn records into the data frame that `read` describes; may be empty."""
    return to_frame(_table(records))


def _table(records: Iterable[Record]) -> pa.Table:
    rows = [
        {"bnbook": FIRST_VERSION} | one | {"run": json.dumps(one["run"], sort_keys=True)} | row
        for one in records
        for row in one["rows"]
    ]
    if not any("study" in row for row in rows):
        return pa.Table.from_pylist(rows, schema=SCHEMA)
    names = dict.fromkeys([*_STUDY_COLUMNS, *(name for row in rows for name in row)])
    del names["rows"]
    table = pa.table({name: [row.get(name) for row in rows] for name in names})
    return table.replace_schema_metadata(SCHEMA.metadata)


def read_provenance(name: str) -> dict[str, Any]:
    """Read an experiment's provenance. Raises BookError where it is missing or damaged."""
    path = provenance_path(name)
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        raise BookError(f"{path} is missing: run `bnbook sweep {name}`") from None
    except _FAULTS as error:
        raise _damaged(path, error, f"delete it and run `bnbook sweep {name}`") from None
    return found


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that takes its place when the block succeeds.

    Raises BookError, leaving what was there before, when the disk refuses.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        os.close(handle)
        temporary = Path(name)
        yield temporary
        temporary.chmod(0o644)  # mkstemp's files are for their owner alone
        temporary.replace(path)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else error  # pyarrow's has other words
        raise BookError(f"cannot write {path} ({reason}): nothing there was changed") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _read_table(name: str) -> pa.Table:
    found = _contents(name)
    if found.lost:
        lost = f"row group {', '.join(map(str, found.lost))} of {found.groups}"
        raise _damaged(
            table_path(name),
            ValueError(f"{lost} changed"),
            f"run `bnbook sweep {name}`, which repeats the runs that were in it",
        )
    return found.table


def _contents(name: str) -> tables.Contents:
    """Read what is intact of a table, with the columns of `SCHEMA` or a study's own."""
    path = table_path(name)
    instead = f"delete it and run `bnbook sweep {name}`"
    try:
        found = tables.read(path)
        version = (found.table.schema.metadata or {}).get(b"bnbook_schema", b"?").decode()
        if version != str(SCHEMA_VERSION):
            raise BookError(
                f"{path} has schema {version}, this bnbook reads {SCHEMA_VERSION}: "
                f"update bnbook, or delete the file and run `bnbook sweep {name}`"
            )
        table = _columns(found.table)
        for text in table["run"].unique().to_pylist():
            Run.from_changes(json.loads(text))
    except (*_FAULTS, tables.DamagedError, OSError) as error:
        raise _damaged(path, error, instead) from None
    return replace(found, table=table)


def _columns(table: pa.Table) -> pa.Table:
    """Check that a table has the columns of a study, or bring it into `SCHEMA`."""
    if "bnbook" not in table.column_names:
        table = table.append_column("bnbook", pa.array([FIRST_VERSION] * len(table), pa.string()))
    if "study" in table.column_names:
        table.select(_STUDY_COLUMNS)  # raises KeyError
        return table
    # Columns that came later are missing in older tables: there they are empty.
    later = SCHEMA.empty_table().select(_LATER_COLUMNS)
    table = pa.concat_tables([later, table], promote_options="default")
    return table.select(SCHEMA.names).cast(SCHEMA)


def _damaged(path: Path, error: Exception, instead: str) -> BookError:
    return BookError(
        f"{path} is damaged ({_reason(error)}): restore it with `git checkout -- {path.name}` in "
        f"its folder, or {instead}"
    )


def _reason(error: Exception) -> str:
    """Say in one line what was wrong."""
    return (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
