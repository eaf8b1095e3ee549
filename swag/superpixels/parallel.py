"""Work on one image at a time, in as many threads as torch may use."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import torch

T = TypeVar("T")


def each(function: Callable[..., T], *images: Iterable[Any]) -> list[T]:
    """Return what a function returns for each image, in their order.

    It gains where the function lets go of the interpreter, as scikit-image's segmentations do; the
    results are those of one thread.
    """
    threads = torch.get_num_threads()
    if threads == 1:
        return list(map(function, *images))
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(function, *images))
