"""The images that the page trains on: its files, and that they are the book's own."""

import dataclasses
import gzip
import re

import numpy as np
import pytest
from engine_jobs import read_images, unpack
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bnbook import data
from bnbook.lab import images
from bnbook.lab.presets import WITH_OR_WITHOUT
from bnbook.lab.settings import settings

#: Bytes of a file, gzipped, that a slow line may be asked for.
LIGHT = {"digits": 500_000, "clothes": 1_000_000}


@pytest.fixture(params=images.FILES)
def name(request):
    return request.param


def assert_equal_to_the_books(name):
    splits = data.splits(name)
    levels, labels = read_images(name)
    parts = splits.train, splits.validation
    assert (labels == np.concatenate([part.labels for part in parts])).all()
    assert (levels * 17 == np.concatenate([part.images for part in parts])[:, 0]).all()


def test_the_pages_digits_are_those_that_the_records_were_trained_on():
    assert_equal_to_the_books("digits")


@pytest.mark.usefixtures("clothes")
def test_the_pages_clothes_are_those_that_pytorch_trains_on():
    assert_equal_to_the_books("clothes")


@pytest.mark.usefixtures("clothes")
def test_clothes_are_the_first_of_fashion_mnist_as_digits_are_of_mnist():
    for name, whole in data.EXCERPTS.items():
        few, full = data.splits(name), data.splits(whole)
        for part, size in zip(("train", "validation", "test"), data.EXCERPT_SIZES, strict=True):
            mine, theirs = getattr(few, part), getattr(full, part)
            assert mine.labels.equal(theirs.labels[:size])
            assert mine.images.equal(data.coarsen(theirs.images[:size]))


def test_a_file_needs_no_other_copy_of_its_data(name, monkeypatch):
    monkeypatch.setattr(data, "splits", lambda _name: pytest.fail("the data set was read"))
    levels, labels = read_images(name)
    assert levels.shape == (5_000, 28, 28)
    assert levels.max() == data.GRAY_LEVELS - 1
    assert sorted(set(labels)) == list(range(10))


def test_a_file_is_a_script_that_sets_one_name(name):
    script = images.FILES[name].path.read_text()
    pattern = f'globalThis.{images.FILES[name].variable} = "[A-Za-z0-9+/=]+";\n'
    assert re.fullmatch(pattern, script)


def test_a_page_knows_the_images_that_it_trains_on(name):
    file = images.FILES[name]
    script = file.path.read_text()
    assert images.checksum(script) == file.checksum
    assert images.checksum(script.replace("A", "B", 1)) != file.checksum
    assert settings(WITH_OR_WITHOUT)["data"][name] == dataclasses.asdict(file)


def test_the_images_are_light_enough_to_be_fetched_over_a_slow_line(name):
    assert len(gzip.compress(images.FILES[name].path.read_bytes())) <= LIGHT[name]


@given(
    arrays(np.uint8, (3, 28, 28), elements=st.integers(0, 15)),
    arrays(np.uint8, 3, elements=st.integers(0, 9)),
)
def test_what_is_packed_is_unpacked(levels, labels):
    for found, packed in zip(unpack(images.pack(levels, labels)), (levels, labels), strict=True):
        assert (found == packed).all()


def test_clothes_are_at_hand_where_fashion_mnist_is(name, monkeypatch, cache, tmp_path):
    monkeypatch.setattr("bnbook.data.catalog.FASHION_MNIST_SYSTEM", tmp_path / "nowhere")
    assert data.at_hand(name) == (name == "digits")
