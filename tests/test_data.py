import dataclasses
import gzip
import hashlib
import io
import pickle
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from PIL import Image
from torchvision.datasets import CIFAR10, SVHN, FashionMNIST

from bnbook import data
from bnbook.data import catalog
from bnbook.errors import BookError

RAW = data.bundled_folder() / "MNIST/raw"


def md5(path):
    return hashlib.md5(path.read_bytes()).hexdigest()


def write_idx(path, array):
    """Write the idx format: 0, 0, type 8 (bytes), number of sizes, sizes, values."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    path.write_bytes(bytes([0, 0, 8, array.ndim]) + sizes + array.astype(np.uint8).tobytes())


def tiny(n, shape, seed):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, *shape), dtype=np.uint8), rng.integers(0, 10, n)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BNBOOK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def offline(monkeypatch):
    """Make every attempt to reach the network fail at once, as without one."""

    def refuse(*_args, **_kwargs):
        raise OSError("network is unreachable")

    monkeypatch.setattr("socket.getaddrinfo", refuse)


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
    assert mnist.train_images.shape == (60_000, 1, 28, 28)
    assert mnist.test_images.shape == (10_000, 1, 28, 28)
    assert mnist.train_images.dtype == torch.uint8
    assert mnist.train_labels.dtype == torch.int64
    train = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    test = [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert mnist.train_labels.bincount().tolist() == train
    assert mnist.test_labels.bincount().tolist() == test
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
    assert splits.train.images.equal(mnist.train_images[train])
    assert splits.train.labels.equal(mnist.train_labels[train])
    assert splits.validation.images.equal(mnist.train_images[validation])
    assert splits.validation.labels.equal(mnist.train_labels[validation])
    assert splits.test.images.equal(mnist.test_images)
    assert len(splits.train) == 50_000


def test_splits_are_loaded_once_per_process():
    assert data.splits("mnist") is data.splits("mnist")


def test_to_float_is_what_torchvision_makes_of_an_image():
    from torchvision.transforms.functional import to_tensor

    image = data.load("mnist").test_images[:1]
    assert data.to_float(image)[0].equal(to_tensor(image[0, 0].numpy()))


# The cache, and damaged copies of MNIST


def test_every_value_of_a_packed_idx_file_arrives(cache, tiny_mnist):
    _, arrays = tiny_mnist
    loaded = data.load("mnist")
    assert (loaded.train_images[:, 0].numpy() == arrays["train-images-idx3-ubyte"]).all()
    assert (loaded.train_labels.numpy() == arrays["train-labels-idx1-ubyte"]).all()
    assert (loaded.test_images[:, 0].numpy() == arrays["t10k-images-idx3-ubyte"]).all()
    assert (loaded.test_labels.numpy() == arrays["t10k-labels-idx1-ubyte"]).all()
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
    assert after.train_images.equal(before.train_images)
    assert md5(victim) == catalog.MNIST_MD5[victim.name]


@pytest.mark.parametrize(
    ("harm", "says"),
    [("truncate", "damaged"), ("flip", "damaged"), ("delete", "missing"), ("text", "damaged")],
)
@pytest.mark.parametrize("name", ["train-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"])
def test_a_damaged_bundled_file_is_named_with_the_way_out(cache, tiny_mnist, name, harm, says):
    victim = tiny_mnist[0] / name
    content = bytearray(victim.read_bytes())
    if harm == "delete":
        victim.unlink()
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
    assert "git checkout" in message
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
    assert all(one.train_images.equal(loaded[0].train_images) for one in loaded)
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
    assert len(data.load("mnist").train_labels) == 30


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(BookError, match=r"'minst'.*mnist, fashion_mnist, svhn, cifar10"):
        data.load("minst")


@pytest.mark.usefixtures("tiny_mnist")
def test_describe_gives_sizes_shape_and_place(cache):
    line = data.describe("mnist")
    assert line == (
        f"mnist: 30 training and 20 test images, 1 x 28 x 28, 10 classes, in {cache / 'mnist'}"
    )


# Fashion-MNIST: idx files, of which only the archives have published checksums


def write_fashion(folder, n_labels=30):
    raw = folder / "FashionMNIST/raw"
    images, labels = tiny(30, (28, 28), 1)
    test_images, test_labels = tiny(20, (28, 28), 2)
    write_idx(raw / "train-images-idx3-ubyte", images)
    write_idx(raw / "train-labels-idx1-ubyte", labels[:n_labels])
    write_idx(raw / "t10k-images-idx3-ubyte", test_images)
    write_idx(raw / "t10k-labels-idx1-ubyte", test_labels)
    return raw, images, labels


@pytest.mark.usefixtures("offline")
def test_fashion_mnist_is_read_from_idx_files(cache):
    _, images, labels = write_fashion(cache / "fashion_mnist")
    loaded = data.load("fashion_mnist")
    assert (loaded.train_images[:, 0].numpy() == images).all()
    assert (loaded.train_labels.numpy() == labels).all()
    assert loaded.test_images.shape == (20, 1, 28, 28)
    assert loaded.classes[9] == "Ankle boot"


@pytest.mark.usefixtures("offline")
def test_archives_put_there_by_hand_are_unpacked_without_a_network(cache, monkeypatch):
    raw, images, _ = write_fashion(cache / "fashion_mnist")
    resources = []
    for file in sorted(raw.iterdir()):
        packed = file.with_name(f"{file.name}.gz")
        packed.write_bytes(gzip.compress(file.read_bytes()))
        file.unlink()
        resources.append((packed.name, md5(packed)))
    monkeypatch.setattr(FashionMNIST, "resources", resources)
    assert (data.load("fashion_mnist").train_images[:, 0].numpy() == images).all()


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (bytes([0, 0, 8, 3, 0, 0]), "of 0 values"),
        (b"", "no idx file"),
        (b"<html>404</html>", "no idx file"),
        (bytes([0, 0, 8, 1, 0, 0, 0, 30]) + bytes(20), "20 of 30 values"),
    ],
)
def test_a_damaged_idx_file_is_named_with_what_is_wrong(cache, content, says):
    raw, _, _ = write_fashion(cache / "fashion_mnist")
    (raw / "train-labels-idx1-ubyte").write_bytes(content)
    with pytest.raises(BookError, match=rf"train-labels-idx1-ubyte is damaged.*{says}.*delete it"):
        data.load("fashion_mnist")


@pytest.mark.usefixtures("offline")
def test_files_of_different_lengths_are_refused(cache):
    write_fashion(cache / "fashion_mnist", n_labels=29)
    with pytest.raises(BookError, match="30 images, 29 labels"):
        data.load("fashion_mnist")


# SVHN: MATLAB files


@pytest.fixture
def tiny_svhn(cache, monkeypatch):
    """Write the .mat files: X `(32, 32, 3, n)`, y `(n, 1)` in 1..10, where 10 is the digit 0."""
    folder = cache / "svhn"
    folder.mkdir(parents=True)
    table = dict(SVHN.split_list)
    arrays = {}
    for split, n in (("train", 30), ("test", 20)):
        images, labels = tiny(n, (32, 32, 3), n)
        url, name, _ = table[split]
        y = np.where(labels == 0, 10, labels).astype(np.uint8)[:, None]
        scipy.io.savemat(folder / name, {"X": images.transpose(1, 2, 3, 0), "y": y})
        table[split] = [url, name, md5(folder / name)]
        arrays[split] = images, labels
    monkeypatch.setattr(SVHN, "split_list", table)
    return folder, arrays


def test_svhn_is_read_with_channels_first_and_ten_as_zero(tiny_svhn):
    _, arrays = tiny_svhn
    loaded = data.load("svhn")
    images, labels = arrays["train"]
    assert (loaded.train_images.numpy() == images.transpose(0, 3, 1, 2)).all()
    assert (loaded.train_labels.numpy() == labels).all()
    assert (loaded.test_labels.numpy() == arrays["test"][1]).all()
    assert loaded.train_images.is_contiguous()


def test_a_truncated_mat_file_is_named(tiny_svhn):
    victim = tiny_svhn[0] / "train_32x32.mat"
    victim.write_bytes(victim.read_bytes()[:-100])
    with pytest.raises(BookError, match=r"train_32x32\.mat is damaged.*delete it"):
        data.load("svhn")


# CIFAR-10: pickled batches


@pytest.fixture
def tiny_cifar(cache, monkeypatch):
    """Write the five batches, the test batch and the names, in the pickles' own layout."""
    folder = cache / "cifar10/cifar-10-batches-py"
    folder.mkdir(parents=True)
    names = [f"thing {i}" for i in range(10)]
    arrays = {}

    def write(name, content):
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))
        return [name, md5(folder / name)]

    def batch(name, seed):
        arrays[name] = tiny(6, (3, 32, 32), seed)
        images, labels = arrays[name]
        return write(name, {"data": images.reshape(6, 3072), "labels": labels.tolist()})

    train = [batch(f"data_batch_{i}", i) for i in range(1, 6)]
    monkeypatch.setattr(CIFAR10, "train_list", train)
    monkeypatch.setattr(CIFAR10, "test_list", [batch("test_batch", 6)])
    _, meta = write("batches.meta", {"label_names": names})
    monkeypatch.setattr(CIFAR10, "meta", CIFAR10.meta | {"md5": meta})
    return folder, arrays


def test_cifar10_is_read_in_the_order_of_its_batches(tiny_cifar):
    _, arrays = tiny_cifar
    loaded = data.load("cifar10")
    images = np.concatenate([arrays[f"data_batch_{i}"][0] for i in range(1, 6)])
    labels = np.concatenate([arrays[f"data_batch_{i}"][1] for i in range(1, 6)])
    assert (loaded.train_images.numpy() == images).all()
    assert (loaded.train_labels.numpy() == labels).all()
    assert (loaded.test_images.numpy() == arrays["test_batch"][0]).all()
    assert loaded.classes[3] == "thing 3"


@pytest.mark.usefixtures("offline")
def test_a_cifar10_archive_put_there_by_hand_is_unpacked(tiny_cifar, monkeypatch):
    folder, arrays = tiny_cifar
    archive = folder.parent / CIFAR10.filename
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder, arcname=folder.name)
    for file in folder.iterdir():
        file.unlink()
    monkeypatch.setattr(CIFAR10, "tgz_md5", md5(archive))
    loaded = data.load("cifar10")
    assert (loaded.test_images.numpy() == arrays["test_batch"][0]).all()


@pytest.mark.parametrize("name", ["data_batch_3", "batches.meta"])
def test_a_damaged_cifar10_file_is_named(tiny_cifar, name):
    victim = tiny_cifar[0] / name
    victim.write_bytes(victim.read_bytes()[:-1])
    with pytest.raises(BookError, match=rf"{name} is damaged.*delete it"):
        data.load("cifar10")


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(
    ("name", "archive", "place"),
    [
        ("fashion_mnist", "train-images-idx3-ubyte.gz", "fashion_mnist/FashionMNIST/raw"),
        ("svhn", "http://ufldl.stanford.edu/housenumbers/train_32x32.mat", "svhn"),
        ("cifar10", "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz", "cifar10"),
    ],
)
def test_without_a_network_we_say_what_to_get_and_where_to_put_it(cache, name, archive, place):
    with pytest.raises(BookError) as caught:
        data.load(name)
    message = str(caught.value)
    assert message.startswith(f"cannot download {name}")
    assert archive in message
    assert str(cache / place) in message
    assert "\n" not in message


# CIFAR-10 as JPEG images, in a file that the user names


@pytest.fixture
def tiny_jpegs(cache, tmp_path, monkeypatch):
    """Write 30 and 20 images of one colour each, which JPEG keeps, and name the file."""
    arrays, colours = {}, {}
    for part, n in (("train", 30), ("test", 20)):
        pixels, labels = tiny(n, (1, 1, 3), n)
        encoded = []
        for pixel in pixels:
            buffer = io.BytesIO()
            Image.fromarray(np.tile(pixel, (32, 32, 1))).save(buffer, "JPEG", quality=95)
            encoded.append(np.frombuffer(buffer.getvalue(), np.uint8))
        arrays[f"{part}_jpeg"] = np.concatenate(encoded)
        arrays[f"{part}_length"] = np.array([len(e) for e in encoded], np.int32)
        arrays[f"{part}_label"] = labels.astype(np.uint8)
        colours[part] = pixels[:, 0, 0], labels
    named = tmp_path / "images.npz"
    np.savez(named, **arrays)
    monkeypatch.setenv("BNBOOK_CIFAR10_JPEG", str(named))
    return named, arrays, colours


def test_jpeg_images_are_decoded_in_their_order_with_their_labels(tiny_jpegs):
    loaded = data.load("cifar10-jpeg")
    for part in ("train", "test"):
        colours, labels = tiny_jpegs[2][part]
        images = getattr(loaded, f"{part}_images").int()
        assert images.shape == (len(labels), 3, 32, 32)
        assert (images - torch.from_numpy(colours).int()[:, :, None, None]).abs().max() <= 4
        assert (getattr(loaded, f"{part}_labels").numpy() == labels).all()
    assert loaded.classes[3] == "cat"


def test_jpeg_images_are_decoded_once(tiny_jpegs, monkeypatch):
    first = data.load("cifar10-jpeg")
    tiny_jpegs[0].unlink()
    monkeypatch.delenv("BNBOOK_CIFAR10_JPEG")
    assert data.load("cifar10-jpeg").train_images.equal(first.train_images)


def test_an_unnamed_file_of_jpeg_images_says_how_to_name_it(cache):
    with pytest.raises(BookError, match=r"name the file .* BNBOOK_CIFAR10_JPEG$") as error:
        data.load("cifar10-jpeg")
    assert "\n" not in str(error.value)


def altered(**changes):
    return lambda path, arrays: np.savez(path, **{**arrays, **changes})


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda path, _: path.unlink(), "No such file"),
        (lambda path, _: path.write_bytes(path.read_bytes()[:-500]), "not a zip file"),
        (lambda path, _: path.write_bytes(b""), "No data left"),
        (lambda path, _: path.write_bytes(b"%PDF-1.4"), "pickle"),
        (lambda path, arrays: np.savez(path, train_jpeg=arrays["train_jpeg"]), "train_length"),
        (altered(test_length=np.array([5])), "bytes instead of 5"),
        (altered(test_jpeg=np.zeros(5, np.uint8), test_length=np.array([5])), "cannot identify"),
    ],
    ids=["missing", "cut", "empty", "another kind", "without lengths", "wrong lengths", "no JPEG"],
)
def test_a_file_of_jpeg_images_that_cannot_be_read_is_named(tiny_jpegs, harm, says):
    named, arrays, _ = tiny_jpegs
    harm(named, arrays)
    message = rf"cannot read .*images\.npz \(.*{says}.*BNBOOK_CIFAR10_JPEG"
    with pytest.raises(BookError, match=message) as error:
        data.load("cifar10-jpeg")
    assert "\n" not in str(error.value)
    assert not list(data.cache_folder().rglob("*.npy"))


def test_a_damaged_decoded_array_is_decoded_again_or_named(tiny_jpegs, monkeypatch):
    before = data.load("cifar10-jpeg").train_images
    victim = data.cache_folder() / "cifar10-jpeg/train_images.npy"
    victim.write_bytes(victim.read_bytes()[:-1])
    assert data.load("cifar10-jpeg").train_images.equal(before)
    victim.write_bytes(victim.read_bytes()[:-1])
    monkeypatch.delenv("BNBOOK_CIFAR10_JPEG")
    with pytest.raises(BookError, match=r"train_images\.npy is damaged.*delete it"):
        data.load("cifar10-jpeg")


def test_what_takes_no_download_is_at_hand(tiny_jpegs, monkeypatch):
    assert all(data.at_hand(name) for name in ("mnist", "mnist_60000", "digits", "cifar10-jpeg"))
    monkeypatch.delenv("BNBOOK_CIFAR10_JPEG")
    assert not data.at_hand("cifar10-jpeg")
    assert not data.at_hand("svhn")


def test_what_was_downloaded_is_at_hand(tiny_svhn):
    assert data.at_hand("svhn")


def test_data_values_cannot_be_rebound():
    with pytest.raises(dataclasses.FrozenInstanceError):
        data.splits("mnist").train = None
