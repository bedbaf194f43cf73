"""Random streams: every tensor, and the batch order, draws from a generator of its own.

One generator consumed layer by layer would break paired comparisons: remove one bias and every
later draw shifts. Here a variant that lacks a tensor leaves all other tensors as they were.
"""

import torch

#: What a stream is drawn for. The numbers are part of every recorded result: never renumber.
KINDS = {"weight": 0, "order": 1, "dropout": 2, "subset": 3, "augmentation": 4, "noise": 5}

#: Seeds from 0 up to this one give distinct streams (the generator keeps 32 bits of its seed).
MAX_SEED = 429_495


def stream_seed(seed: int, slot: int, kind: str) -> int:
    """Seed of one stream: `10,000 seed + 10 slot + kind`.

    `seed` in 0..429,495, `slot` the layer's place in the net (0..999), `kind` a name in `KINDS`.
    The result stays below 2^32, of which PyTorch's Mersenne Twister uses every bit.
    """
    if not (0 <= seed <= MAX_SEED and 0 <= slot < 1000):
        raise ValueError(f"no stream for seed {seed}, slot {slot}")
    return 10_000 * seed + 10 * slot + KINDS[kind]


def stream(seed: int, slot: int, kind: str) -> torch.Generator:
    """Return a fresh CPU generator at the start of the named stream."""
    return torch.Generator().manual_seed(stream_seed(seed, slot, kind))
