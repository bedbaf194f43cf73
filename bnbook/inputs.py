"""What a net is shown: images transformed once, and augmented anew in every step."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

TRANSFORMS = ("none", "centred", "standardized", "signed", "svhn-like")
AUGMENTATIONS = ("none", "crop+flip")

#: Pixels of black, or whatever 0 stands for, around an image that is cropped at random.
MARGIN = 4
#: Side of the images of SVHN and CIFAR-10.
SIDE = 32


def transform(name: str, train: Callable[[], Tensor]) -> Callable[[Tensor], Tensor]:
    """Return the transform called `name`, a function of images with values in [0, 1].

    What it has to measure it measures on the images that `train` returns, float
    `(n, channels, height, width)`; the others never ask for them. "centred" subtracts their mean
    value, one number; "standardized" brings each channel to mean 0 and variance 1. "signed" scales
    to [-1, 1]; "svhn-like" does so too, after giving images the shape of SVHN's: black margins up
    to 32x32, gray repeated in three channels.
    """
    if name == "centred":
        mean = train().mean()
        return lambda images: images - mean
    if name == "standardized":
        var, mean = torch.var_mean(train(), (0, 2, 3), correction=0, keepdim=True)
        return lambda images: (images - mean) / var.sqrt()
    return {"none": unchanged, "signed": _signed, "svhn-like": _svhn_like}[name]


def unchanged(images: Tensor) -> Tensor:
    """Return `images` as they are."""
    return images


def _signed(images: Tensor) -> Tensor:
    return 2 * images - 1


def _svhn_like(images: Tensor) -> Tensor:
    height, width = (SIDE - side for side in images.shape[2:])
    margins = (width // 2, width - width // 2, height // 2, height - height // 2)
    return _signed(functional.pad(images, margins)).expand(-1, 3, -1, -1).contiguous()


def crop_and_flip(images: Tensor, stream: torch.Generator) -> Tensor:
    """Shift each image by up to 4 pixels, filling with 0, and mirror about half of them, at random.

    The augmentation of He et al. (2016, section 4.2). `images` `(n, channels, height, width)`, on
    any device; `stream` is a CPU generator, so that the same draws are made for every device.
    """
    n, _, height, width = images.shape
    top, left = torch.randint(2 * MARGIN + 1, (2, n, 1), generator=stream)
    mirrored = torch.randint(2, (n, 1), generator=stream, dtype=torch.bool)
    rows = top + torch.arange(height)
    columns = left + torch.where(mirrored, torch.arange(width).flip(0), torch.arange(width))
    padded = functional.pad(images, (MARGIN,) * 4)
    picked = padded[
        torch.arange(n)[:, None, None], :, rows[:, :, None], columns[:, None, :]
    ]  # (n, height, width, channels)
    return picked.permute(0, 3, 1, 2).contiguous()
