"""With what a benchmark is run: workers, threads, device, cluster; no result depends on it."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..errors import UserError
from ..hardware import default_device, num_cores
from .address import check_form


@dataclass(frozen=True)
class Resources:
    """How a benchmark is run; nothing here changes a result."""

    num_workers: int | None
    """None: as many as the cluster has room for."""
    threads: int = 1
    device: str = "cpu"
    address: str | None = None
    """A running cluster; None: Ray is started on this machine and stopped again."""
    gpus_per_worker: float = 1.0
    """On a GPU."""

    def threads_with(self, gpus_of_machine: float) -> int:
        """Return the threads of a worker; one with a GPU has its share of this machine's cores.

        They are for what it does image by image, and change no result.
        """
        if not self.device.startswith("cuda"):
            return self.threads
        gpus = max(gpus_of_machine, self.gpus_per_worker)
        return max(self.threads, int(num_cores() * self.gpus_per_worker / gpus))

    def __str__(self) -> str:
        if self.num_workers == 0:
            return f"in this process on {self.device}"
        count = (
            "all workers that fit" if self.num_workers is None else f"{self.num_workers} workers"
        )
        return f"{count} on {self.device}"


def choose_resources(
    workers: int | None, address: str | None = None, device: str | None = None
) -> Resources:
    """Return the resources for `--workers`, `--address` and `--device`.

    Without a number of workers: one per GPU, else per core, of this machine or of the cluster. On
    the CPU a worker has one thread, so that any number of workers gives the same bits.
    """
    device = str(default_device()) if device is None else device
    if device not in {"cpu", "cuda"}:
        raise UserError(f"--device {device}: wanted cpu or cuda")
    if workers is not None and workers < 0:
        raise UserError(f"--workers {workers}: wanted 0 (in this process) or more")
    if workers is None and address is None:
        workers = torch.cuda.device_count() if device == "cuda" else num_cores()
    if address is not None:
        check_form(address)
        if workers == 0:
            raise UserError(
                "--workers 0 runs in this process, and --address on a cluster; give one"
            )
    return Resources(num_workers=workers, device=device, address=address)
