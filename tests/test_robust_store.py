"""Recorded runs: a changed byte is noticed, a full disk spoils nothing, nothing is executed."""

import json
import os
import pickle
import random
import resource
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from bnbook import cli, data, experiments, store, sweep, tables
from bnbook.data import files
from bnbook.errors import BookError
from bnbook.experiments import Experiment, grid
from bnbook.run import Run

TINY = Run(dataset="digits", epochs=1, train_size=256, lr=0.5)


def tiny(seeds):
    def plan(one, _):
        return grid(one.arms.values(), [0.5], range(seeds))

    return Experiment("tiny", 0, "?", {"without BN": TINY}, plan)


@pytest.fixture(scope="module")
def records():
    """Six real records of the book, as runs of the tiny experiment."""
    real = list(store.recorded("bias-removal").values())[:6]
    runs = [replace(TINY, seed=seed) for seed in range(6)]
    return [one | {"key": r.key, "run": r.changes()} for one, r in zip(real, runs, strict=True)]


@pytest.fixture
def table(folder, records, monkeypatch):
    """Give the test a table of three row groups with two runs each; return its path."""
    monkeypatch.setattr(store, "RUNS_PER_GROUP", 2)
    store.merge("tiny", records, sweep.provenance(tiny(6), records))
    return store.table_path("tiny")


def flip(path, position, mask=0xFF):
    content = bytearray(path.read_bytes())
    content[position] ^= mask
    path.write_bytes(content)


def values(table):
    """All values as text, in which NaN equals NaN."""
    return repr(table.to_pylist())


def within_second_group(path):
    return parquet.read_metadata(path).row_group(1).column(9).data_page_offset + 40


def test_any_flipped_bit_is_noticed_or_leaves_every_value_as_it_was(table):
    content, whole = table.read_bytes(), values(tables.read(table).table)
    draw = random.Random(7)
    footer = content.rindex(b"bnbook seal")
    places = [draw.randrange(len(content)) for _ in range(200)]
    for place in [*places, *(draw.randrange(footer, len(content)) for _ in range(200))]:
        flip(table, place, 1 << draw.randrange(8))
        try:
            found = tables.read(table)
            assert found.lost or values(found.table) == whole, place
        except tables.DamagedError:
            assert place >= footer, "more is lost than the row group"
        table.write_bytes(content)


def test_bits_that_parquet_does_not_guard_are_noticed(table):
    """Some bits of page headers are such: the seal is there for a reason."""
    content, whole = table.read_bytes(), values(tables.read(table).table)
    assert values(parquet.read_table(table)) == whole  # others read sealed tables too
    first = parquet.read_metadata(table).row_group(0).column(0)
    unguarded = 0
    for place in range(first.dictionary_page_offset, first.dictionary_page_offset + 30):
        flip(table, place, 1)
        assert tables.read(table).lost == (1,)
        try:
            parquet.read_table(table, page_checksum_verification=True)
            unguarded += 1
        except (pa.ArrowException, OSError):
            pass
        table.write_bytes(content)
    assert unguarded


def test_a_flipped_byte_is_named_and_the_other_row_groups_are_kept(table, records, capsys):
    flip(table, within_second_group(table))
    with pytest.raises(BookError, match=r"tiny\.parquet is damaged \(row group 2 of 3 changed\)"):
        store.read("tiny")
    kept = store.salvaged("tiny")
    lost = [one["key"] for one in records[2:4]]
    assert set(kept) == {one["key"] for one in records} - set(lost)
    assert sweep.sweep(tiny(6), workers=1) == 2
    assert "tiny.parquet is damaged: 4 intact runs are kept" in capsys.readouterr().out
    after = store.recorded("tiny")
    assert set(after) == set(kept) | set(lost)
    assert repr({key: after[key] for key in kept}) == repr(kept)  # as text, NaN equals NaN


def test_a_damaged_table_of_one_experiment_does_not_stop_another(table):
    flip(table, within_second_group(table))
    other = replace(tiny(1), name="other")
    assert sweep.sweep(other, workers=1) == 0  # its run is in an intact row group


def test_a_table_that_lost_its_footer_is_not_silently_made_anew(table):
    flip(table, table.stat().st_size - 100)
    with pytest.raises(BookError, match=r"footer has changed\): restore it .* or delete it"):
        sweep.sweep(tiny(6), workers=1)


@pytest.mark.parametrize(
    "name", [n for n in experiments.EXPERIMENTS if store.table_path(n).exists()]
)
def test_the_books_own_tables_are_sealed_in_small_row_groups(name):
    content = store.table_path(name).read_bytes()
    anew = "store.merge(name, store.recorded(name).values(), store.read_provenance(name))"
    assert b"\nbnbook seal: " in content, f"written before there were seals; write it anew: {anew}"
    runs = store.read(name)["key"].nunique()
    assert tables.read(store.table_path(name)).groups >= runs / store.RUNS_PER_GROUP


def test_any_changed_letter_of_a_spooled_run_is_noticed(folder, records):
    store.spool(records[0])
    path = next(store.spool_folder().glob("*.json"))
    content = path.read_bytes()
    draw = random.Random(3)
    for place in (draw.randrange(len(content) - 1) for _ in range(200)):
        flip(path, place, 1 << draw.randrange(8))
        with pytest.raises(BookError, match=r"json is damaged .*delete it, its run will be"):
            store.spooled()
        path.write_bytes(content)
    assert repr(store.spooled()) == repr({records[0]["key"]: records[0]})


# A full disk

#: What a sweep does on a small file system: one run after another is written, then the table.
FILL = """
import sys, json
sys.path.insert(0, sys.argv[1])
from bnbook import cli, experiments, store, sweep
from test_robust_store import tiny
experiments.EXPERIMENTS["tiny"] = tiny(6)
records = json.load(open(sys.argv[2]))
store.merge("tiny", records[:1], {"first": True})
sweep.execute = lambda runs, *_: (r for r in records if r["key"] in {run.key for run in runs})
sys.exit(cli.main(["sweep", "tiny"]))
"""


@pytest.mark.skipif(not shutil.which("unshare"), reason="no unshare: no small file system")
def test_on_a_full_disk_every_file_is_whole_and_one_line_says_so(tmp_path, records, monkeypatch):
    (tmp_path / "records.json").write_text(json.dumps(records))
    (tmp_path / "small").mkdir()
    script = (
        "mount -t tmpfs -o size=96k small small || exit 77; mkdir out;"
        f'"{sys.executable}" -c "$1" "{Path(__file__).parent}" records.json;'
        "code=$?; cp -r small/. out; exit $code"
    )
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", FILL],
        cwd=tmp_path,
        env=os.environ | {"BNBOOK_DATA": str(tmp_path / "small")},
        capture_output=True,
        text=True,
    )
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip(f"no small file system here: {done.stderr.strip()}")
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("bnbook: cannot write ")
    assert last.endswith("(No space left on device): nothing there was changed")
    monkeypatch.setenv("BNBOOK_DATA", str(tmp_path / "out"))
    assert store.recorded("tiny").keys() >= {records[0]["key"]}  # the old table, or a later one
    kept = store.everything()
    assert 1 < len(kept) < 6
    assert not [*(tmp_path / "out").rglob(".*")], "half a file is left"


def test_a_file_that_grows_too_large_leaves_the_old_one_whole(table, records):
    before = table.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(BookError, match=r"cannot write .*tiny.parquet \(File too large\)"):
            store.merge("tiny", records[:4], {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert table.read_bytes() == before
    assert sorted(p.name for p in table.parent.iterdir()) == ["tiny.json", "tiny.parquet"]


# Nothing is executed


class Canary:
    """Unpickling it leaves a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


def hostile_table(path, payload):
    """A table with the name and the schema of ours, and a type that older readers unpickled."""
    extension = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": payload,
    }
    column = pa.field("key", pa.string(), metadata=extension)
    fields = [column, *list(store.SCHEMA)[1:]]
    rows = [{"key": "a", "run": "__import__('os').mkdir('x')", "epoch": 0}]
    schema = pa.schema(fields, metadata={"bnbook_schema": "1", "pandas": payload.hex()})
    parquet.write_table(pa.Table.from_pylist(rows, schema=schema), path)


def test_a_pickle_in_place_of_a_record_is_refused_unopened(folder, tmp_path, capsys):
    canary = tmp_path / "executed"
    payload = pickle.dumps(Canary(canary))
    pickle.loads(payload)
    assert canary.exists()  # the trap works
    canary.rmdir()

    store.results_folder().mkdir()
    store.spool_folder().mkdir()
    path = store.table_path("tiny")
    refused = []
    for write in (lambda: path.write_bytes(payload), lambda: hostile_table(path, payload)):
        write()
        for load in (store.read, store.recorded, store.salvaged):
            with pytest.raises(BookError) as error:
                load("tiny")
            refused.append(str(error.value))
    path.unlink()
    spooled = store.spool_folder() / f"{TINY.key}.json"
    deep = b"[" * 100_000
    another = json.dumps({"key": "../../x", "run": {}, "rows": []}).encode()
    for content in (payload, deep, another, b"null", b'{"key": {}, "run": []}', b"\xff\xfe"):
        spooled.write_bytes(content)
        with pytest.raises(BookError, match="is damaged") as error:
            sweep.sweep(tiny(1), workers=1)
        refused.append(str(error.value))
    for content in (payload, deep):
        store.provenance_path("tiny").write_bytes(content)
        with pytest.raises(BookError) as error:
            store.read_provenance("tiny")
        refused.append(str(error.value))
    assert not canary.exists()
    assert not [line for line in refused if "\n" in line]


def test_a_pickle_in_place_of_data_is_refused_unopened(tmp_path, monkeypatch, capsys):
    canary = tmp_path / "executed"
    monkeypatch.setenv("BNBOOK_CACHE", str(tmp_path))
    payload = pickle.dumps(Canary(canary))
    jpeg = tmp_path / "cifar10-jpeg"
    jpeg.mkdir()
    (tmp_path / "named.npz").write_bytes(payload)
    monkeypatch.setenv("BNBOOK_CIFAR10_JPEG", str(tmp_path / "named.npz"))
    assert cli.main(["data", "cifar10-jpeg"]) == 2
    np.save(jpeg / "objects.npy", np.array([Canary(canary)], dtype=object), allow_pickle=True)
    for part in ("train_images", "train_labels", "test_images", "test_labels"):
        (jpeg / f"{part}.npy").write_bytes((jpeg / "objects.npy").read_bytes())
    assert cli.main(["data", "cifar10-jpeg"]) == 2
    source = data.SOURCES["cifar10"]()  # torchvision would unpickle its files
    for file in source.files:
        (tmp_path / "cifar10" / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "cifar10" / file).write_bytes(payload)
    assert set(files.faults(source, tmp_path / "cifar10")) == set(source.files)
    assert cli.main(["data", "cifar10"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 3
    assert all(line.startswith("bnbook: ") for line in said)
    assert not canary.exists()
