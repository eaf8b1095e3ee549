"""Where a run's numbers come from: versions, code, machine and subjects."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from swag.forwards import CopyPasses

from ..hardware import description

PACKAGES = (
    "swagflow",
    "torch",
    "torchvision",
    "scikit-image",
    "numpy",
    "scipy",
    "numba",
    "ray",
    "pyarrow",
)


def provenance(
    subjects: Mapping[str, object], resources: Mapping[str, object], copies: CopyPasses
) -> dict[str, object]:
    """Return what a reader needs to judge or repeat a run.

    Args:
        subjects: fingerprints of data sets and models.
        resources: workers, threads and device of this run.
        copies: how perturbed copies go through the models.
    """
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "git_commit": _git_commit(),
        "hardware": description(),
        "resources": dict(resources),
        "precision": "float32, TensorFloat-32 off",
        "perturbed_copies": asdict(copies),
        "subjects": dict(subjects),
    }


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _git_commit() -> str | None:
    """Return the commit of the code that runs, with "+changes" where files differ from it."""
    folder = Path(__file__).parent
    command = ["git", "-C", str(folder), "describe", "--always", "--abbrev=40", "--dirty=+changes"]
    try:
        result = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip() or None
