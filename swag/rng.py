"""Randomness bound to an image, so that it is the same in any batch, shard, order and process."""

from __future__ import annotations

import hashlib

import numpy as np


def generator(seed: int, image_id: str, purpose: str) -> np.random.Generator:
    """Return a generator that depends on its three arguments only.

    `purpose` keeps two users of the same image apart. Draws are made on the CPU and then moved, so
    that a GPU sees the same numbers.
    """
    text = f"{seed}\0{image_id}\0{purpose}".encode()
    return np.random.Generator(
        np.random.PCG64(int.from_bytes(hashlib.sha256(text).digest(), "big"))
    )
