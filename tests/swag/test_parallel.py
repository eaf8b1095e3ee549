"""Work on single images in threads, and how many threads a worker has."""

from __future__ import annotations

import threading

import pytest
import torch

from swag.parallel import each
from swag.protocols import Segmenter
from swag.signals import Signals
from swag.superpixels import SLIC, Quickshift
from swagflow.engine import resources
from swagflow.engine.resources import Resources
from tests.support.toys import batch_of, images, toy


@pytest.mark.parametrize("threads", [1, 2])
def test_each_image_in_order_on_as_many_threads_as_torch(
    monkeypatch: pytest.MonkeyPatch, threads: int
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    together = threading.Barrier(threads)

    def product(left: int, right: int) -> int:
        together.wait(timeout=10)
        return left * right

    assert each(product, [1, 2, 3, 4], [5, 6, 7, 8]) == [5, 12, 21, 32]


def test_an_error_of_one_image_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)
    with pytest.raises(ZeroDivisionError):
        each(lambda value: 1 // value, [1, 0, 1])


@pytest.mark.parametrize("segmenter", [SLIC(num_segments=12), Quickshift(kernel_size=2)])
def test_superpixels_do_not_depend_on_threads(
    monkeypatch: pytest.MonkeyPatch, segmenter: Segmenter
) -> None:
    found = []
    for threads in (1, 3):
        monkeypatch.setattr(torch, "get_num_threads", lambda count=threads: count)
        found.append(segmenter(Signals(toy(), batch_of(images(5, 24)), segmenter.needs)))
    assert torch.equal(*found)


@pytest.mark.parametrize(
    ("device", "per_worker", "gpus", "threads"),
    [
        ("cpu", 1.0, 0.0, 1),
        ("cpu", 1.0, 4.0, 1),
        ("cuda", 1.0, 1.0, 16),
        ("cuda", 1.0, 8.0, 2),
        ("cuda", 0.5, 1.0, 8),
        ("cuda", 1.0, 0.0, 16),
        ("cuda", 1.0, 64.0, 1),
    ],
)
def test_a_gpu_worker_has_its_share_of_the_cores(
    monkeypatch: pytest.MonkeyPatch, device: str, per_worker: float, gpus: float, threads: int
) -> None:
    monkeypatch.setattr(resources, "num_cores", lambda: 16)
    given = Resources(1, device=device, gpus_per_worker=per_worker)
    assert given.threads_with(gpus) == threads
