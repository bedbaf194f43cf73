"""What a net is shown: transformed images, and augmented batches."""

import pytest
import torch
from torch.nn import functional

from bnbook import inputs, streams


def images(*shape):
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def test_each_transform_gives_the_range_and_shape_that_it_names():
    digits = images(6, 1, 28, 28)
    shown = {name: inputs.transform(name, lambda: digits)(digits) for name in inputs.TRANSFORMS}
    assert torch.equal(shown["none"], digits)
    assert abs(shown["centred"].mean()) < 1e-6
    assert torch.equal(shown["centred"] - shown["centred"].min(), digits - digits.min())
    assert shown["signed"].min() == pytest.approx(-1, abs=1e-3)
    assert shown["signed"].max() == pytest.approx(1, abs=1e-3)
    assert shown["svhn-like"].shape == (6, 3, 32, 32)
    margin = shown["svhn-like"].clone()
    margin[:, :, 2:-2, 2:-2] = -1
    assert (margin == -1).all(), "the margins are black"
    for channel in shown["svhn-like"].unbind(1):
        assert torch.equal(channel[:, 2:-2, 2:-2], shown["signed"][:, 0])


def test_images_that_have_svhns_shape_are_only_scaled():
    color = images(4, 3, 32, 32)
    assert torch.equal(inputs.transform("svhn-like", lambda: color)(color), 2 * color - 1)


def test_standardized_channels_have_mean_0_and_variance_1_on_the_training_images_alone():
    train, other = (
        images(50, 3, 8, 8) * torch.tensor([1.0, 2.0, 3.0])[:, None, None],
        torch.ones(2, 3, 8, 8),
    )
    transform = inputs.transform("standardized", lambda: train)
    shown = transform(train).transpose(0, 1).flatten(1)
    torch.testing.assert_close(shown.mean(1), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(shown.var(1, correction=0), torch.ones(3))
    assert (transform(other)[:, 0] > 0).all()
    assert (transform(other)[:, 2] < 0).all()


def naive_crop_and_flip(batch, stream):
    """Do what `crop_and_flip` does, image by image."""
    n, _, height, width = batch.shape
    top, left = torch.randint(9, (2, n), generator=stream)
    mirrored = torch.randint(2, (n,), generator=stream, dtype=torch.bool)
    padded = functional.pad(batch, (4, 4, 4, 4))
    crops = [
        image[:, t : t + height, w : w + width]
        for image, t, w in zip(padded, top, left, strict=True)
    ]
    return torch.stack([c.flip(2) if m else c for c, m in zip(crops, mirrored, strict=True)])


@pytest.mark.parametrize("shape", [(40, 3, 32, 32), (7, 1, 28, 28), (5, 2, 6, 9)])
def test_augmentation_crops_and_mirrors_each_image_on_its_own(shape):
    batch = images(*shape)
    found = inputs.crop_and_flip(batch, streams.stream(3, 0, "augmentation"))
    expected = naive_crop_and_flip(batch, streams.stream(3, 0, "augmentation"))
    assert torch.equal(found, expected)
    assert found.is_contiguous()


def test_augmentation_reaches_every_shift_and_both_orientations():
    batch = torch.zeros(3000, 1, 9, 9)
    batch[:, :, 4, 3] = 1  # mirrored, this one is in column 5
    found = inputs.crop_and_flip(batch, streams.stream(0, 0, "augmentation"))
    rows = found.sum((1, 3)).argmax(1)
    assert set(rows.tolist()) == set(range(9))
    # From column 3 by -4..4, and the same mirrored: only a shift by -4 leaves the image.
    assert int((found.sum((1, 2, 3)) == 0).sum()) == pytest.approx(3000 / 9, rel=0.25)
    columns = found.sum((1, 2)).argmax(1)[found.sum((1, 2, 3)) > 0]
    assert set(columns.tolist()) == set(range(9))
