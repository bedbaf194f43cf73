"""The data that users download or name: MATLAB files, pickled batches, JPEG images."""

import io
import os
import pickle
import tarfile

import numpy as np
import pytest
import scipy.io
import torch
from PIL import Image
from small_data import md5, tiny
from torchvision.datasets import CIFAR10, SVHN

from bnbook import data
from bnbook.errors import BookError

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
    assert (loaded.train.images.numpy() == images.transpose(0, 3, 1, 2)).all()
    assert (loaded.train.labels.numpy() == labels).all()
    assert (loaded.test.labels.numpy() == arrays["test"][1]).all()
    assert loaded.train.images.is_contiguous()


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
    assert (loaded.train.images.numpy() == images).all()
    assert (loaded.train.labels.numpy() == labels).all()
    assert (loaded.test.images.numpy() == arrays["test_batch"][0]).all()
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
    assert (loaded.test.images.numpy() == arrays["test_batch"][0]).all()


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
    """Write 30 and 20 images of one color each, which JPEG keeps, and name the file."""
    arrays, colors = {}, {}
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
        colors[part] = pixels[:, 0, 0], labels
    named = tmp_path / "images.npz"
    np.savez(named, **arrays)
    monkeypatch.setenv("BNBOOK_CIFAR10_JPEG", str(named))
    return named, arrays, colors


def test_jpeg_images_are_decoded_in_their_order_with_their_labels(tiny_jpegs):
    loaded = data.load("cifar10-jpeg")
    for name, part in (("train", loaded.train), ("test", loaded.test)):
        colors, labels = tiny_jpegs[2][name]
        images = part.images.int()
        assert images.shape == (len(labels), 3, 32, 32)
        assert (images - torch.from_numpy(colors).int()[:, :, None, None]).abs().max() <= 4
        assert (part.labels.numpy() == labels).all()
    assert loaded.classes[3] == "cat"


def test_jpeg_images_are_decoded_once(tiny_jpegs, monkeypatch):
    first = data.load("cifar10-jpeg")
    tiny_jpegs[0].unlink()
    monkeypatch.delenv("BNBOOK_CIFAR10_JPEG")
    assert data.load("cifar10-jpeg").train.images.equal(first.train.images)


def test_images_decoded_from_another_file_are_decoded_anew(tiny_jpegs):
    named, arrays, _ = tiny_jpegs
    first = data.load("cifar10-jpeg").train.labels
    np.savez(named, **{**arrays, "train_label": arrays["train_label"][::-1]})
    assert data.load("cifar10-jpeg").train.labels.equal(first.flip(0))
    assert not first.equal(first.flip(0))


def test_a_pipe_is_no_file_of_jpeg_images(cache, tmp_path, monkeypatch):
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setenv("BNBOOK_CIFAR10_JPEG", str(tmp_path / "pipe"))
    with pytest.raises(BookError, match=r"\(pipe is no file\): name the file"):
        data.load("cifar10-jpeg")


def test_an_unnamed_file_of_jpeg_images_says_how_to_name_it(cache):
    with pytest.raises(BookError, match=r"name the file .* BNBOOK_CIFAR10_JPEG$") as error:
        data.load("cifar10-jpeg")
    assert "\n" not in str(error.value)


def altered(**changes):
    return lambda path, arrays: np.savez(path, **{**arrays, **changes})


def claiming(side):
    """Let the first image say that it is as large as that."""

    def harm(path, arrays):
        content = arrays["train_jpeg"].tobytes()
        place = content.index(b"\xff\xc0") + 5  # height and width in the frame's header
        size = side.to_bytes(2, "big") * 2
        content = content[:place] + size + content[place + 4 :]
        np.savez(path, **{**arrays, "train_jpeg": np.frombuffer(content, np.uint8)})

    return harm


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
        (altered(test_label=np.full(20, -1)), "labels that are not 0 to 9"),
        (altered(test_label=np.full(20, 10)), "labels that are not 0 to 9"),
        (altered(test_label=np.full(20, 0.5)), "labels that are not 0 to 9"),
        (altered(test_label=np.zeros(19, int)), "20 images with labels of shape"),
        (altered(test_label=np.zeros((20, 1), int)), "20 images with labels of shape"),
        (claiming(65_000), "pixels"),
        (claiming(12_000), "pixels"),
        (claiming(33), "33 x 33 pixels, not 32 x 32"),
    ],
    ids=[
        *("missing", "cut", "empty", "another kind", "without lengths", "wrong lengths", "no JPEG"),
        *(
            "label -1",
            "label 10",
            "half a label",
            "too few",
            "a table",
            "4 billion pixels",
            "many pixels",
            "33 pixels",
        ),
    ],
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
    before = data.load("cifar10-jpeg").train.images
    victim = data.cache_folder() / "cifar10-jpeg/train_images.npy"
    victim.write_bytes(victim.read_bytes()[:-1])
    assert data.load("cifar10-jpeg").train.images.equal(before)
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


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"{", b","), (b"'|u1'", b",'u1'"), (b"(30, ", b"(True"), (b"(30, ", b"(9e9,")],
)
def test_cached_arrays_with_an_odd_head_are_made_anew(tiny_jpegs, old, new):
    whole = data.load("cifar10-jpeg")
    path = data.cache_folder() / "cifar10-jpeg/train_images.npy"
    raw = path.read_bytes()
    assert old in raw[:128]
    path.write_bytes(raw.replace(old, new, 1))
    assert data.load("cifar10-jpeg").train.images.equal(whole.train.images)


@pytest.mark.parametrize(
    ("name", "array"),
    [
        ("train_images", np.zeros((30, 32, 32), np.uint8)),
        ("train_images", np.zeros((30, 3, 32, 32), np.float32)),
        ("train_images", np.zeros((0, 3, 32, 32), np.uint8)),
        ("test_images", np.zeros((19, 3, 32, 32), np.uint8)),
        ("test_labels", np.zeros((20, 1), np.int64)),
        ("test_labels", np.zeros(20)),
        ("test_labels", np.full(20, -1)),
        ("test_labels", np.array(3)),
        ("test_labels", np.array(["a"] * 20)),
    ],
)
def test_cached_arrays_of_another_kind_are_refused_in_one_line(tiny_jpegs, name, array):
    data.load("cifar10-jpeg")
    np.save(data.cache_folder() / "cifar10-jpeg" / f"{name}.npy", array)
    with pytest.raises(BookError, match="delete the folder, and they will be") as error:
        data.load("cifar10-jpeg")
    assert "\n" not in str(error.value)
