"""Recorded runs: a changed byte is noticed, a full disk spoils nothing, nothing is executed."""

import itertools
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

from bnbook import chapters, cli, data, origin, spool, store, sweep, tables, training
from bnbook.data import files
from bnbook.errors import BookError
from bnbook.experiment import Experiment, grid
from bnbook.run import Run

TINY = Run(dataset="digits", epochs=1, train_size=256, lr=0.5)


def tiny(seeds):
    def plan(one, _):
        return grid(one.arms.values(), [0.5], range(seeds))

    return Experiment("tiny", "?", {"without BN": TINY}, plan)


@pytest.fixture(scope="module")
def records():
    """Real records of the six runs of the tiny experiment."""
    runs = [replace(TINY, seed=seed) for seed in range(6)]
    return [store.record(training.train(run), origin.environment()) for run in runs]


@pytest.fixture
def table(folder, records):
    """Give the test a table of six runs with its provenance; return its path."""
    store.merge("tiny", records, origin.account(tiny(6), records))
    return store.table_path("tiny")


def flip(path, position, mask=0xFF):
    content = bytearray(path.read_bytes())
    content[position] ^= mask
    path.write_bytes(content)


def damaged(content, draw):
    """Yield 651 contents that are not `content`: bits and bytes changed, parts lost or put in."""
    n = len(content)
    bits = [(draw.randrange(n), 1 << draw.randrange(8)) for _ in range(300)]
    # The footer says where everything is.
    bits += [(draw.randrange(n - n // 8, n), draw.randrange(1, 256)) for _ in range(150)]
    for place, mask in bits:
        yield content[:place] + bytes([content[place] ^ mask]) + content[place + 1 :]
    for _ in range(100):
        yield content[: draw.randrange(n)]
    for _ in range(50):
        first, last = sorted(draw.sample(range(n), 2))
        yield content[:first] + content[last:]
    for _ in range(50):
        place = draw.randrange(n)
        yield content[:place] + draw.randbytes(draw.randrange(1, 5000)) + content[place:]
    yield content + b"\n"


def test_no_damage_to_a_table_gets_through(table):
    content = table.read_bytes()
    harms = list(damaged(content, random.Random(7)))
    assert len(harms) == 651
    for harm in harms:
        assert harm != content
        table.write_bytes(harm)
        with pytest.raises(BookError, match=r"tiny\.parquet is damaged, or not as it was recorded"):
            store.read("tiny")


def test_no_damage_to_a_provenance_gets_through(table):
    path, told = store.provenance_path("tiny"), store.read_provenance("tiny")
    content = path.read_bytes()
    said = []
    for harm in damaged(content, random.Random(8)):
        path.write_bytes(harm)
        try:
            assert repr(store.read_provenance("tiny")) == repr(told), "more than a blank"
        except BookError as error:
            said.append(str(error))
    assert len(said) > 600
    assert all("(tiny.json: " in line and "\n" not in line for line in said)


@pytest.mark.parametrize("column", ["train_loss", "gradient_norm", "test_images", "gamma"])
def test_a_rewritten_table_is_no_longer_the_one_that_was_recorded(table, column):
    other = parquet.read_table(table)
    place, first = other.column_names.index(column), other[column].take([0] * len(other))
    parquet.write_table(other.set_column(place, column, first), table)
    for load in (store.read, store.recorded, store.read_provenance):
        with pytest.raises(BookError, match=r"\(tiny\.json: it describes another table\)"):
            load("tiny")


@pytest.mark.parametrize("name", ["seeds", "machines", "python", "packages", "dates"])
def test_an_edited_provenance_is_not_believed(table, name):
    path = store.provenance_path("tiny")
    path.write_text(json.dumps(json.loads(path.read_text()) | {name: "other"}))
    with pytest.raises(BookError, match=r"\(tiny\.json: it has changed\)"):
        store.read_provenance("tiny")


@pytest.mark.parametrize("name", ["tiny.json", "tiny.parquet"])
def test_a_deleted_half_of_a_pair_is_a_way_that_ends(table, name, capsys):
    (table.parent / name).unlink()
    says = "restore both with `git checkout .* or delete both and run `bnbook sweep tiny`"
    for use in (store.read, lambda _: sweep.sweep(tiny(1), workers=1)):
        with pytest.raises(BookError, match=says):
            use("tiny")
    for path in (table, store.provenance_path("tiny")):  # the advice
        path.unlink(missing_ok=True)
    assert sweep.sweep(tiny(1), workers=1) == 1
    assert len(store.recorded("tiny")) == 1
    assert store.read_provenance("tiny")["runs"] == 1


@pytest.mark.parametrize("moment", range(4))
def test_a_sweep_killed_while_it_writes_leaves_a_pair_that_belongs_together(table, records, moment):
    before = repr(store.read_provenance("tiny"))
    child = os.fork()
    if not child:
        renames = itertools.count()
        rename = Path.replace

        def killed(path, target):
            if next(renames) == moment:
                os._exit(9)
            return rename(path, target)

        Path.replace = killed
        store.merge("tiny", records[:3], {"second": True})
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == (9 if moment < 3 else 0)
    for _ in range(2):
        if moment < 2:
            assert len(store.recorded("tiny")) == 6
            assert repr(store.read_provenance("tiny")) == before
        else:
            assert len(store.recorded("tiny")) == 3
            assert store.read_provenance("tiny")["second"]
        store.settle("tiny")  # as the next sweep does
        assert sorted(p.name for p in table.parent.iterdir()) == ["tiny.json", "tiny.parquet"]


def test_what_is_damaged_of_others_is_named_and_passed_over(table, records, capsys):
    flip(table, 1000)
    (table.parent / "notes.parquet").write_bytes(b"not a table")
    os.mkfifo(table.parent / "pipe.parquet")
    spool.folder().mkdir()
    os.mkfifo(spool.folder() / "pipe.json")
    (spool.folder() / "0123.json").write_text("{}")
    other = replace(tiny(1), name="other")
    assert sweep.sweep(other, workers=1) == 1
    said = capsys.readouterr().out
    for name in ("tiny.parquet", "notes.parquet", "pipe.parquet", "pipe.json", "0123.json"):
        assert len([line for line in said.splitlines() if f"{name} is damaged" in line]) == 1
    assert said.count("passed over") == 5


@pytest.mark.parametrize("name", [n for n in chapters.EXPERIMENTS if store.table_path(n).exists()])
def test_the_books_own_tables_are_what_their_provenance_says(name):
    assert origin.contradictions(chapters.experiment(name), store.read_provenance(name)) == []


def test_any_changed_letter_of_a_spooled_run_is_noticed(folder, records, capsys):
    spool.write(records[0])
    path = next(spool.folder().glob("*.json"))
    content = path.read_bytes()
    draw = random.Random(3)
    for place in (draw.randrange(len(content) - 1) for _ in range(200)):
        flip(path, place, 1 << draw.randrange(8))
        assert spool.read() == {}
        path.write_bytes(content)
    assert capsys.readouterr().out.count(f"{path} is damaged") == 200
    assert repr(spool.read()) == repr({records[0]["key"]: records[0]})


def test_a_run_without_its_checksum_is_not_believed(folder, records, capsys):
    spool.write(records[0])
    path = next(spool.folder().glob("*.json"))
    path.write_text(path.read_text().partition("\n")[0])
    assert spool.read() == {}
    assert "its checksum differs" in capsys.readouterr().out


def test_records_that_go_by_anothers_name_are_not_believed(table):
    for path in (table, store.provenance_path("tiny")):
        path.rename(path.with_stem("other"))
    with pytest.raises(BookError, match="it is that of tiny"):
        store.read("other")


# A full disk

#: What a sweep does on a small file system: one run after another is written, then the table.
FILL = """
import sys, json
sys.path.insert(0, sys.argv[1])
from bnbook import chapters, cli, store, sweep
from test_robust_store import tiny
chapters.EXPERIMENTS["tiny"] = tiny(6)
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
        "mount -t tmpfs -o size=32k small small || exit 77; mkdir out;"
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
    fields = [column, *list(tables.SCHEMA)[1:]]
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
    spool.folder().mkdir()
    path = store.table_path("tiny")
    refused = []
    for write in (lambda: path.write_bytes(payload), lambda: hostile_table(path, payload)):
        write()
        for load in (store.read, store.recorded):
            with pytest.raises(BookError) as error:
                load("tiny")
            refused.append(str(error.value))
    path.unlink()
    finished = spool.folder() / f"{TINY.key}.json"
    deep = b"[" * 100_000
    another = json.dumps({"key": "../../x", "run": {}, "rows": []}).encode()
    for content in (payload, deep, another, b"null", b'{"key": {}, "run": []}', b"\xff\xfe"):
        finished.write_bytes(content)
        capsys.readouterr()
        assert spool.read() == {}
        refused.append(capsys.readouterr().out.strip())
        assert "is damaged" in refused[-1]
    hostile_table(path, payload)
    for content in (payload, deep, b"[]", b"null", b"3", b'"table"', b"NaN"):
        store.provenance_path("tiny").write_bytes(content)
        with pytest.raises(BookError) as error:
            store.read_provenance("tiny")
        refused.append(str(error.value))
    account = {"table": tables.digest(path.read_bytes())}
    account["checksum"] = store._checksum(account)
    store.provenance_path("tiny").write_text(json.dumps(account))
    for load in (store.read, store.recorded):
        with pytest.raises(BookError, match="is damaged") as error:
            load("tiny")
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
