"""Recorded runs on disk: for each experiment a Parquet table and its provenance, one commit.

The provenance is JSON and holds the table's SHA-256 and a checksum of itself: what does not belong
together, or has changed since, is noticed. Reading never executes anything.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from bnbook import consistency, data, spool, tables
from bnbook.atomic import content, replacing
from bnbook.errors import BookError, NoRecordsError, reason
from bnbook.history import History, Row
from bnbook.run import Run
from bnbook.tables import Record


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
    names = {*tables.spelled_out("{}"), *tables.STUDY_COLUMNS}
    if taken := names & {column for row in rows for column in row}:
        raise ValueError(f"the rows of {name} measure {', '.join(sorted(taken))}, as the run does")
    return {
        "key": run.key, "run": run.changes(), "study": name, **environment, "rows": rows,
    }  # fmt: skip


def results_folder() -> Path:
    """Return the folder of the merged tables."""
    return data.bundled_folder() / "results"


def table_path(name: str) -> Path:
    """Return the path of an experiment's table."""
    return results_folder() / f"{name}.parquet"


def provenance_path(name: str) -> Path:
    """Return the path of an experiment's provenance."""
    return results_folder() / f"{name}.json"


def _pending_path(name: str) -> Path:
    """Return the path of a provenance whose table is about to take its place."""
    return results_folder() / f".{name}.json"


def is_recorded(name: str) -> bool:
    """Say whether there are records of an experiment, or what is left of them."""
    return table_path(name).exists() or provenance_path(name).exists()


def merge(name: str, records: Iterable[Record], provenance: dict[str, Any]) -> None:
    """Write an experiment's table and its provenance as one.

    Whatever happens meanwhile, a reader meets the two of before or the two of now: both are
    written beside those of before, and the new provenance counts from the moment in which the
    table that it names is there. Raises BookError when the disk refuses.
    """
    with replacing(table_path(name)) as table:
        account = provenance | {"table": tables.write(table, tables.to_table(records))}
        account["checksum"] = _checksum(account)
        with replacing(_pending_path(name)) as described:
            described.write_text(json.dumps(account, indent=1, sort_keys=True) + "\n")
    settle(name)


def settle(name: str) -> None:
    """Put away what a sweep that was stopped while it wrote has left.

    Raises BookError when the disk refuses.
    """
    pending = _pending_path(name)
    try:
        try:
            _account(name, pending, content(table_path(name)))
        except tables.FAULTS:
            pending.unlink(missing_ok=True)
        else:
            pending.replace(provenance_path(name))
        for hidden in (f".{name}.*", f"..{name}.*"):
            for leftover in results_folder().glob(hidden):
                leftover.unlink()
    except OSError as error:
        raise BookError(f"cannot write {provenance_path(name)} ({reason(error)})") from error


def recorded(name: str) -> dict[str, Record]:
    """Read the records of an experiment's table, by key; empty if there is no table yet.

    Raises BookError where it is damaged, or is not the one that its provenance describes.
    """
    return _parsed(name)[1] if is_recorded(name) else {}


def everything() -> dict[str, Record]:
    """Read every record of training of every table and the spool, by key.

    A table that is damaged is named and passed over.
    """
    # The spool first: what another sweep moves into its table meanwhile is then met there.
    finished = spool.read()
    found: dict[str, Record] = {}
    for name in sorted({path.stem for path in results_folder().glob("[!.]*")}):
        try:
            records = recorded(name)
        except BookError as error:
            print(f"passed over: {error}", flush=True)
        else:
            found |= {key: one for key, one in records.items() if "study" not in one}
    return found | finished


def read(name: str) -> pd.DataFrame:
    """Read an experiment's table: one row per run and evaluated epoch, or what a study measured.

    Columns: `SCHEMA`'s, every field of `Run` (`norms` joined by commas) and the accuracies
    `val_accuracy`, `test_accuracy` (re-estimated statistics), `…_running` and `train_accuracy`
    (re-estimated; NaN in runs without `record_fit`), as fractions. Of a study: key, run, machine,
    torch, bnbook, date, every field of `Run` and the columns that it measured.
    Raises BookError where the table is missing, damaged, or not the one that its provenance
    describes.
    """
    return tables.to_frame(_parsed(name)[0])


def records_frame(records: Iterable[Record]) -> pd.DataFrame:
    """Turn records into the data frame that `read` describes; may be empty."""
    return tables.to_frame(tables.to_table(records))


def read_provenance(name: str) -> dict[str, Any]:
    """Read an experiment's provenance. Raises BookError as `read` does."""
    return _pair(name)[1]


def _parsed(name: str) -> tuple[pa.Table, dict[str, Record]]:
    """Read an experiment's table, and what it holds as records, each of which a run may leave."""
    packed, _ = _pair(name)
    try:
        table = tables.parse(packed)
        records = tables.to_records(table)
        if not records:
            raise ValueError("it has no rows")
        for one in records.values():
            consistency.check(one)
        return table, records
    except tables.SchemaError as error:
        raise BookError(f"{table_path(name)} {error}: update bnbook, or {_anew(name)}") from None
    except (*tables.FAULTS, BookError) as error:
        raise _damaged(name, reason(error)) from None


def _pair(name: str) -> tuple[bytes, dict[str, Any]]:
    """Read a table's content and the provenance that describes it."""
    if not is_recorded(name):
        raise NoRecordsError(
            f"no records of {name} in {results_folder()}: run `bnbook sweep {name}`", name
        )
    fault = ""
    for _ in range(2):  # another process may write both between two of our looks
        try:
            packed = content(table_path(name))
        except OSError as error:
            raise _damaged(name, reason(error)) from None
        for path in (_pending_path(name), provenance_path(name)):
            try:
                return packed, _account(name, path, packed)
            except FileNotFoundError:
                fault = f"{path.name} is missing"
            except tables.FAULTS as error:
                fault = f"{path.name}: {reason(error)}"
    raise _damaged(name, fault)


def _account(name: str, path: Path, packed: bytes) -> dict[str, Any]:
    """Read the provenance of the table whose file is `packed`; raises one of `FAULTS`."""
    account: dict[str, Any] = json.loads(content(path))
    if account.get("experiment", name) != name:
        raise ValueError(f"it is that of {account['experiment']}")
    if account["checksum"] != _checksum(account):
        raise ValueError("it has changed")
    if account["table"] != tables.digest(packed):
        raise ValueError("it describes another table")
    return account


def _checksum(account: dict[str, Any]) -> str:
    """Return the SHA-256 of all that a provenance says besides."""
    said = {key: value for key, value in account.items() if key != "checksum"}
    return tables.digest(json.dumps(said, sort_keys=True).encode())


def _anew(name: str) -> str:
    return f"delete both and run `bnbook sweep {name}`"


def _damaged(name: str, why: str) -> BookError:
    path, described = table_path(name), provenance_path(name)
    return BookError(
        f"{path} is damaged, or not as it was recorded ({why}): restore both with `git checkout -- "
        f"{path.name} {described.name}` in their folder, or {_anew(name)}"
    )
