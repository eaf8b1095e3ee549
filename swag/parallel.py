"""Work on one image at a time, in as many threads as torch may use."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import torch

T = TypeVar("T")


def each(function: Callable[..., T], *images: Iterable[Any]) -> list[T]:
    """Return what a function returns for each image, in their order.

    It gains where the function lets go of the interpreter, as scikit-image's segmentations and
    operations of tensors do; the results are those of one thread. Operations of torch are not
    divided further: many small ones then take several times as long on a busy machine, whose
    processors wait for each other.
    """
    threads = torch.get_num_threads()
    if threads == 1:
        return list(map(function, *images))
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            return list(pool.map(function, *images))
    finally:
        torch.set_num_threads(threads)  # what threads begin with that are started later
