"""With what a benchmark is run or a model trained: workers, threads, device, cluster."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..cores import num_cores
from ..errors import UserError
from ..hardware import default_device
from .address import check_form


@dataclass(frozen=True)
class Resources:
    """How a benchmark is run, which changes none of its results, or a model is trained."""

    num_workers: int | None
    """None: as many as the cluster has room for."""
    threads: int = 1
    device: str = "cpu"
    address: str | None = None
    """A running cluster; None: Ray is started on this machine and stopped again."""
    gpus_per_worker: float = 1.0
    """On a GPU."""
    task_timeout: float | None = None
    """Seconds that a shard may take, and each of its methods if it takes longer; None: any."""

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
    workers: int | None,
    address: str | None = None,
    device: str | None = None,
    task_timeout: float | None = None,
) -> Resources:
    """Return the resources for `--workers`, `--address`, `--device` and `--task-timeout`.

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
    if task_timeout is not None and not task_timeout > 0:
        raise UserError(f"--task-timeout {task_timeout:g}: wanted more than 0 seconds")
    if task_timeout is not None and workers == 0:
        raise UserError(
            "--task-timeout ends a worker's process, and --workers 0 has none; give --workers 1"
        )
    return Resources(workers, device=device, address=address, task_timeout=task_timeout)


def choose_training_resources(
    workers: int | None, address: str | None = None, device: str | None = None
) -> Resources:
    """Return the resources for `--workers`, `--address` and `--device` of a training.

    Without a number of workers: one per GPU where this machine has several, else this process. On
    the CPU, workers of this machine divide the threads of this process among themselves.
    """
    if workers is None and address is not None:
        raise UserError(
            "--address needs --workers: the weights depend on how many workers share a batch"
        )
    resources = choose_resources(0 if workers is None else workers, address, device)
    if workers is None and resources.device == "cuda" and torch.cuda.device_count() > 1:
        return choose_resources(torch.cuda.device_count(), device="cuda")
    if resources.num_workers and resources.device == "cpu" and address is None:
        threads = max(torch.get_num_threads() // resources.num_workers, 1)
        return Resources(resources.num_workers, threads, "cpu")
    return resources
