"""Records as tables: their columns, in memory and as Parquet.

A record is the JSON-able account of one finished run: key, run, outcome, environment, rows.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from pyarrow import parquet

from bnbook.run import Run

SCHEMA_VERSION = 1

Record = dict[str, Any]

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
STUDY_COLUMNS = ("key", "run", "study", "machine", "torch", "bnbook", "date")
#: The version of this package that made the records which do not name one.
FIRST_VERSION = "0.1.0"
#: What reading something else than a record raises.
FAULTS = (
    *(ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError),
    *(OSError, pa.ArrowException),
)


class SchemaError(Exception):
    """A table of another version of the schema; the message says which."""


def to_table(records: Iterable[Record]) -> pa.Table:
    """Turn records into a table: of `SCHEMA`, or with a study's own columns."""
    rows = [
        {"bnbook": FIRST_VERSION} | one | {"run": json.dumps(one["run"], sort_keys=True)} | row
        for one in records
        for row in one["rows"]
    ]
    if not any("study" in row for row in rows):
        return pa.Table.from_pylist(rows, schema=SCHEMA)
    names = dict.fromkeys([*STUDY_COLUMNS, *(name for row in rows for name in row)])
    del names["rows"]
    table = pa.table({name: [row.get(name) for row in rows] for name in names})
    return table.replace_schema_metadata(SCHEMA.metadata)


def to_records(table: pa.Table) -> dict[str, Record]:
    """Turn a table back into records, by key. Raises ValueError where rows of one run disagree."""
    found: dict[str, Record] = {}
    columns = STUDY_COLUMNS if "study" in table.column_names else _RUN_COLUMNS
    for row in table.to_pylist():
        run_level = {column: row.pop(column) for column in columns}
        run_level["run"] = json.loads(run_level["run"])
        one = found.setdefault(run_level["key"], run_level | {"rows": []})
        if any(one[name] != value for name, value in run_level.items()):
            raise ValueError(f"the rows of run {one['key']} are of two")
        one["rows"].append({k: v for k, v in row.items() if v is not None})
    return found


def to_frame(table: pa.Table) -> pd.DataFrame:
    """Turn a table of `SCHEMA`, or a study's, into the data frame that `store.read` describes."""
    frame: pd.DataFrame = table.to_pandas()
    fields = {text: spelled_out(text) for text in frame["run"].unique()}
    names = list(spelled_out("{}"))
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


def spelled_out(text: str) -> dict[str, Any]:
    """Spell out every field of a run; where it is evaluated shows in the rows themselves."""
    values = asdict(Run.from_changes(json.loads(text)))
    del values["eval_epochs"]
    return values | {"norms": ",".join(values["norms"])}


def write(path: Path, table: pa.Table) -> str:
    """Write a table as Parquet, with page checksums for other readers; return its SHA-256."""
    parquet.write_table(table, path, compression="zstd", write_page_checksum=True)
    return digest(path.read_bytes())


def digest(content: bytes) -> str:
    """Return the SHA-256 of a file's content."""
    return hashlib.sha256(content).hexdigest()


def parse(content: bytes) -> pa.Table:
    """Read the content of a table's file, with the columns of `SCHEMA` or a study's own.

    Raises one of `FAULTS`, or BookError, for something else than records, and SchemaError.
    """
    table = parquet.read_table(pa.BufferReader(content), page_checksum_verification=True)
    version = (table.schema.metadata or {}).get(b"bnbook_schema", b"?").decode()
    if version != str(SCHEMA_VERSION):
        raise SchemaError(f"has schema {version}, this bnbook reads {SCHEMA_VERSION}")
    table = _columns(table)
    for text in table["run"].unique().to_pylist():
        Run.from_changes(json.loads(text))
    return table


def _columns(table: pa.Table) -> pa.Table:
    """Check that a table has the columns of a study, or bring it into `SCHEMA`."""
    if "bnbook" not in table.column_names:
        table = table.append_column("bnbook", pa.array([FIRST_VERSION] * len(table), pa.string()))
    if "study" in table.column_names:
        table.select(STUDY_COLUMNS)  # raises KeyError
        return table
    # Columns that came later are missing in older tables: there they are empty.
    later = SCHEMA.empty_table().select(_LATER_COLUMNS)
    table = pa.concat_tables([later, table], promote_options="default")
    return table.select(SCHEMA.names).cast(SCHEMA)
