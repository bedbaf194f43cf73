"""The data that come with the book: MNIST, its split, its cache."""

import dataclasses
import gzip
import hashlib
import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch
from small_data import md5, tiny, write_idx

from bnbook import cli, data
from bnbook.data import catalog
from bnbook.errors import BookError

RAW = data.bundled_folder() / "MNIST/raw"


@pytest.fixture
def tiny_mnist(tmp_path, monkeypatch):
    """Put a small MNIST, packed as the bundled one is, in place of the bundled one."""
    raw = tmp_path / "bundled/MNIST/raw"
    arrays = {}
    sums = {}
    for part, n in (("train", 30), ("t10k", 20)):
        images, labels = tiny(n, (28, 28), n)
        for name, array in (
            (f"{part}-images-idx3-ubyte", images),
            (f"{part}-labels-idx1-ubyte", labels),
        ):
            arrays[name] = array
            write_idx(raw / name, array)
            sums[name] = md5(raw / name)
            (raw / f"{name}.gz").write_bytes(gzip.compress((raw / name).read_bytes()))
            (raw / name).unlink()
    monkeypatch.setenv("BNBOOK_DATA", str(tmp_path / "bundled"))
    monkeypatch.setattr(catalog, "MNIST_MD5", sums)
    return raw, arrays


# The MNIST that comes with the book


def test_bundled_mnist_is_the_original():
    for name, expected in catalog.MNIST_MD5.items():
        content = gzip.decompress((RAW / f"{name}.gz").read_bytes())
        assert hashlib.md5(content).hexdigest() == expected


def test_bundled_archives_carry_no_time_and_no_name():
    for packed in RAW.glob("*.gz"):
        header = packed.read_bytes()[:10]
        assert header[3] == 0
        assert header[4:8] == bytes(4)


def test_mnist_has_its_published_class_counts():
    mnist = data.load("mnist")
    assert mnist.train.images.shape == (60_000, 1, 28, 28)
    assert mnist.test.images.shape == (10_000, 1, 28, 28)
    assert mnist.train.images.dtype == torch.uint8
    assert mnist.train.labels.dtype == torch.int64
    train = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    test = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert mnist.train.labels.bincount().tolist() == train
    assert mnist.test.labels.bincount().tolist() == test
    assert mnist.classes[7].startswith("7")


def test_loading_mnist_leaves_the_clone_clean():
    before = sorted(RAW.iterdir())
    data.load("mnist")
    assert sorted(RAW.iterdir()) == before


# The split


def test_the_split_is_the_one_the_records_were_made_with():
    train, validation = data.split_indices(60_000)
    digest = hashlib.sha256(torch.cat([train, validation]).numpy().astype("<i8").tobytes())
    assert digest.hexdigest() == (
        "d6937ed8cbac875d008dcb47d871e15fd4b397e0f8b49910dde877a45a208c45"
    )


@pytest.mark.parametrize(("n", "n_train"), [(60_000, 50_000), (50_000, 40_000), (73_257, 63_257)])
def test_train_and_validation_are_disjoint_and_exhaustive(n, n_train):
    train, validation = data.split_indices(n)
    assert (len(train), len(validation)) == (n_train, 10_000)
    assert torch.cat([train, validation]).sort().values.equal(torch.arange(n))


def test_splits_keep_images_with_their_labels():
    mnist, splits = data.load("mnist"), data.splits("mnist")
    train, validation = data.split_indices(60_000)
    assert splits.train.images.equal(mnist.train.images[train])
    assert splits.train.labels.equal(mnist.train.labels[train])
    assert splits.validation.images.equal(mnist.train.images[validation])
    assert splits.validation.labels.equal(mnist.train.labels[validation])
    assert splits.test.images.equal(mnist.test.images)
    assert len(splits.train) == 50_000


def test_splits_are_loaded_once_per_process():
    assert data.splits("mnist") is data.splits("mnist")


def test_to_float_is_what_torchvision_makes_of_an_image():
    from torchvision.transforms.functional import to_tensor

    image = data.load("mnist").test.images[:1]
    assert data.to_float(image)[0].equal(to_tensor(image[0, 0].numpy()))


# The cache, and damaged copies of MNIST


def test_every_value_of_a_packed_idx_file_arrives(cache, tiny_mnist):
    _, arrays = tiny_mnist
    loaded = data.load("mnist")
    assert (loaded.train.images[:, 0].numpy() == arrays["train-images-idx3-ubyte"]).all()
    assert (loaded.train.labels.numpy() == arrays["train-labels-idx1-ubyte"]).all()
    assert (loaded.test.images[:, 0].numpy() == arrays["t10k-images-idx3-ubyte"]).all()
    assert (loaded.test.labels.numpy() == arrays["t10k-labels-idx1-ubyte"]).all()
    assert [p.name for p in cache.iterdir()] == ["mnist"]


@pytest.mark.usefixtures("tiny_mnist")
@pytest.mark.parametrize("harm", ["truncate", "flip", "delete"])
def test_a_damaged_cached_mnist_heals_from_the_bundled_one(cache, harm):
    before = data.load("mnist")
    victim = cache / "mnist/MNIST/raw/train-images-idx3-ubyte"
    content = bytearray(victim.read_bytes())
    if harm == "delete":
        victim.unlink()
    else:
        content[-1] ^= 1
        victim.write_bytes(content if harm == "flip" else content[: len(content) // 2])
    after = data.load("mnist")
    assert after.train.images.equal(before.train.images)
    assert md5(victim) == catalog.MNIST_MD5[victim.name]


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        *(("truncate", "damaged"), ("flip", "damaged"), ("delete", "missing"), ("text", "damaged")),
        ("pipe", "is no file"),
    ],
)
@pytest.mark.parametrize("name", ["train-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"])
def test_a_damaged_bundled_file_is_named_with_the_way_out(
    cache, tiny_mnist, tmp_path, name, harm, says
):
    victim = tiny_mnist[0] / name
    content = bytearray(victim.read_bytes())
    if harm in ("delete", "pipe"):
        victim.unlink()
        if harm == "pipe":
            os.mkfifo(victim)
    elif harm == "truncate":
        victim.write_bytes(content[: len(content) // 2])
    elif harm == "text":
        victim.write_text("<html>404</html>")
    else:
        content[len(content) // 2] ^= 1
        victim.write_bytes(content)
    with pytest.raises(BookError) as caught:
        data.load("mnist")
    message = str(caught.value)
    assert str(victim) in message
    assert says in message
    assert "BNBOOK_DATA" in message
    assert "git checkout" not in message, "not in a clone"
    (tmp_path / ".git").mkdir()
    with pytest.raises(BookError, match="git checkout"):
        data.load("mnist")
    assert "\n" not in message
    assert not list(cache.glob("mnist/MNIST/raw/*")), "a half-unpacked file was left behind"


@pytest.mark.usefixtures("cache")
def test_a_well_packed_file_with_other_content_is_refused(tiny_mnist):
    raw, _ = tiny_mnist
    victim = raw / "train-labels-idx1-ubyte.gz"
    victim.write_bytes(gzip.compress(b"not the labels"))
    with pytest.raises(BookError, match=r"train-labels-idx1-ubyte\.gz, unpacked, is damaged"):
        data.load("mnist")


def test_a_cache_that_cannot_be_written_names_the_variable(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("BNBOOK_CACHE", str(tmp_path / "file"))
    with pytest.raises(BookError, match="BNBOOK_CACHE"):
        data.load("mnist")


@pytest.mark.usefixtures("tiny_mnist")
def test_loaders_that_unpack_at_once_do_not_disturb_each_other(cache):
    with ThreadPoolExecutor(8) as pool:
        loaded = list(pool.map(lambda _: data.load("mnist"), range(16)))
    assert all(one.train.images.equal(loaded[0].train.images) for one in loaded)
    assert [p.name for p in cache.iterdir()] == ["mnist"]


@pytest.mark.usefixtures("tiny_mnist")
def test_an_interrupted_unpacking_leaves_nothing_behind(cache, monkeypatch):
    def interrupted(self, content, write=Path.write_bytes):
        write(self, content[: len(content) // 2])
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", interrupted)
        with pytest.raises(KeyboardInterrupt):
            data.load("mnist")
    assert not [p for p in cache.rglob("*") if p.is_file()]
    assert len(data.load("mnist").train.labels) == 30


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(BookError, match=r"'minst'.*mnist, fashion_mnist, svhn, cifar10"):
        data.load("minst")


@pytest.mark.usefixtures("tiny_mnist")
def test_describe_gives_sizes_shape_and_place(cache):
    line = data.describe("mnist")
    assert line == (
        f"mnist: 30 training and 20 test images, 1 x 28 x 28, 10 classes, in {cache / 'mnist'}"
    )


def test_data_values_cannot_be_rebound():
    with pytest.raises(dataclasses.FrozenInstanceError):
        data.splits("mnist").train = None


# Where the cache cannot be


def test_a_user_without_a_home_is_told_of_the_variable(monkeypatch):
    monkeypatch.delenv("BNBOOK_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # as without a password entry
    with pytest.raises(BookError, match=r"no home folder .* variable BNBOOK_CACHE"):
        data.load("mnist")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
@pytest.mark.parametrize("mode", [0o700, 0o755])
def test_the_cache_of_another_user_is_named_with_the_variable(monkeypatch, capsys, mode):
    data.load("mnist")  # imports, here, what somebody else may not read
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(mode)
        monkeypatch.setenv("BNBOOK_CACHE", folder)
        os.seteuid(65534)
        try:
            assert cli.main(["data", "mnist"]) == 2
        finally:
            os.seteuid(0)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("bnbook: cannot ")
    assert line.endswith("in the environment variable BNBOOK_CACHE")
