"""Fashion-MNIST: from Debian's package, or by a download."""

import gzip

import pytest
import torch
from small_data import md5, tiny, write_idx
from torchvision.datasets import FashionMNIST

from bnbook import data
from bnbook.data import catalog
from bnbook.errors import BookError

RAW = "fashion_mnist/FashionMNIST/raw"
PACKED = "train-labels-idx1-ubyte.gz"


@pytest.fixture
def tiny_clothes(tmp_path, monkeypatch):
    """A few random clothes, packed as Debian has them; its own are out of sight."""
    folder = tmp_path / "package"
    arrays, sums = {}, {}
    for part, n in (("train", 30), ("t10k", 20)):
        images, labels = tiny(n, (28, 28), n)
        for name, array in (("images-idx3", images), ("labels-idx1", labels)):
            file = f"{part}-{name}-ubyte"
            arrays[file] = array
            write_idx(folder / file, array)
            sums[file] = md5(folder / file)
            (folder / f"{file}.gz").write_bytes(gzip.compress((folder / file).read_bytes()))
            (folder / file).unlink()
    monkeypatch.setattr(catalog, "FASHION_MNIST_SYSTEM", folder)
    monkeypatch.setattr(catalog, "FASHION_MNIST_MD5", sums)
    return folder, arrays


@pytest.fixture
def no_package(tmp_path, monkeypatch):
    monkeypatch.setattr(catalog, "FASHION_MNIST_SYSTEM", tmp_path / "nowhere")


# The real files


@pytest.mark.usefixtures("clothes", "cache", "offline")
def test_debians_fashion_mnist_is_read_without_a_network():
    assert data.at_hand("fashion_mnist")
    loaded = data.load("fashion_mnist")
    assert loaded.train.images.shape == (60_000, 1, 28, 28)
    assert loaded.test.images.shape == (10_000, 1, 28, 28)
    assert loaded.train.labels.bincount().tolist() == [6000] * 10
    assert loaded.test.labels.bincount().tolist() == [1000] * 10
    assert loaded.classes[9] == "Ankle boot"


@pytest.mark.usefixtures("clothes")
def test_clothes_are_split_as_digits_are():
    loaded, splits = data.load("fashion_mnist"), data.splits("fashion_mnist")
    train, validation = data.split_indices(60_000)
    assert splits.train.images.equal(loaded.train.images[train])
    assert splits.validation.labels.equal(loaded.train.labels[validation])
    assert splits.test.labels.equal(loaded.test.labels)


# Files like them


@pytest.mark.usefixtures("offline")
def test_every_value_of_the_packages_files_arrives(cache, tiny_clothes):
    _, arrays = tiny_clothes
    loaded = data.load("fashion_mnist")
    assert (loaded.train.images[:, 0].numpy() == arrays["train-images-idx3-ubyte"]).all()
    assert (loaded.train.labels.numpy() == arrays["train-labels-idx1-ubyte"]).all()
    assert (loaded.test.images[:, 0].numpy() == arrays["t10k-images-idx3-ubyte"]).all()
    assert (loaded.test.labels.numpy() == arrays["t10k-labels-idx1-ubyte"]).all()
    assert [p.name for p in cache.iterdir()] == ["fashion_mnist"]


@pytest.mark.usefixtures("offline", "tiny_clothes")
def test_a_damaged_cached_file_heals_from_the_package(cache):
    before = data.load("fashion_mnist")
    victim = cache / RAW / "train-images-idx3-ubyte"
    victim.write_bytes(victim.read_bytes()[:-1])
    assert data.load("fashion_mnist").train.images.equal(before.train.images)


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda file: file.unlink(), "is missing"),
        (lambda file: file.write_bytes(file.read_bytes()[:-9]), "is damaged"),
        (lambda file: file.write_bytes(b"<html>404</html>"), "is damaged"),
        (lambda file: file.write_bytes(gzip.compress(b"no labels")), "unpacked, is damaged"),
    ],
    ids=["missing", "cut", "another kind", "other content"],
)
def test_a_damaged_file_of_the_package_is_named_with_the_way_out(cache, tiny_clothes, harm, says):
    victim = tiny_clothes[0] / PACKED
    harm(victim)
    with pytest.raises(BookError, match=rf"{PACKED}.*{says}.*reinstall.*dataset-fashion-mnist"):
        data.load("fashion_mnist")
    assert not list((cache / RAW).glob("*"))


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>404</html>",
        bytes([0, 0, 8, 3, 0, 0]),  # sizes are missing
        bytes([0, 0, 8, 1, 0, 0, 0, 30]) + bytes(20),  # 20 of 30 labels
        bytes([0, 0, 8, 1, 0, 0, 0, 0]),  # no labels
        bytes([0, 0, 8, 1, 0, 0, 0, 30]) + bytes(30),  # other labels
    ],
)
def test_a_damaged_download_is_named_with_the_way_out(cache, tiny_clothes, monkeypatch, content):
    data.load("fashion_mnist")
    monkeypatch.setattr(catalog, "FASHION_MNIST_SYSTEM", tiny_clothes[0] / "nowhere")
    (cache / RAW / "train-labels-idx1-ubyte").write_bytes(content)
    with pytest.raises(BookError, match=r"train-labels-idx1-ubyte is damaged.*delete it"):
        data.load("fashion_mnist")


@pytest.mark.usefixtures("offline")
def test_archives_put_there_by_hand_are_unpacked_without_a_network(
    cache, tiny_clothes, monkeypatch
):
    package, arrays = tiny_clothes
    (cache / RAW).parent.mkdir(parents=True)
    package.rename(cache / RAW)
    resources = [(file.name, md5(file)) for file in sorted((cache / RAW).iterdir())]
    monkeypatch.setattr(FashionMNIST, "resources", resources)
    loaded = data.load("fashion_mnist")
    assert (loaded.train.images[:, 0].numpy() == arrays["train-images-idx3-ubyte"]).all()
    assert loaded.test.labels.equal(torch.from_numpy(arrays["t10k-labels-idx1-ubyte"]))


@pytest.mark.usefixtures("offline", "no_package")
def test_without_package_and_network_we_say_what_to_get_and_where_to_put_it(cache):
    assert not data.at_hand("fashion_mnist")
    with pytest.raises(BookError) as caught:
        data.load("fashion_mnist")
    message = str(caught.value)
    assert message.startswith("cannot download fashion_mnist")
    assert "Debian's package dataset-fashion-mnist" in message
    assert "train-images-idx3-ubyte.gz" in message
    assert str(cache / RAW) in message
    assert "\n" not in message
