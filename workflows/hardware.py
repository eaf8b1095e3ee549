"""The machine: devices, threads and the allocator."""

from __future__ import annotations

import ctypes
import os
import platform
from pathlib import Path

import torch

from .cores import num_cores

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


def tune_allocator() -> None:
    """Make glibc keep freed memory instead of returning big activations after every layer.

    Without it a batch of 32 costs tens of thousands of page faults an image. Does nothing where the
    C library has no mallopt.
    """
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):
        return
    mallopt(_M_MMAP_MAX, 0)
    mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def full_precision() -> None:
    """Let GPUs compute in float32, where convolutions take TensorFloat-32 by default."""
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False


def default_device() -> torch.device:
    """Return the first GPU where there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def description() -> dict[str, object]:
    """Return what a reader of a timing must know of the machine."""
    gpus = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    return {
        "processor": _processor(),
        "cores": num_cores(),
        "memory_gib": _memory_gib(),
        "gpus": gpus,
        "system": platform.platform(),
    }


def device_name(device: torch.device) -> str:
    """Return what timings on a device are of: the GPU, or the processor and its threads in use."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{_processor()}, {threads} thread{'s' if threads > 1 else ''}"


def _memory_gib() -> float | None:
    """Return how much memory the machine has; None where the system does not tell, as Windows."""
    try:
        num_bytes = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
    return round(num_bytes / 2**30, 1)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()
