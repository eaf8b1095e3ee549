"""The configurations that come with the package, by name."""

from __future__ import annotations

import re
from pathlib import Path


def config_folder() -> Path:
    """Return the folder of the configurations that come with the package.

    They are inside it where it is installed, and beside it in a checkout.
    """
    package = Path(__file__).resolve().parents[1]
    inside = package / "configs"
    return inside if inside.is_dir() else package.parent / "configs"


def config_names() -> list[str]:
    """Return the benchmarks of the package: every YAML of `configs/` that has or includes some."""
    folder = config_folder()
    return [
        path.relative_to(folder).with_suffix("").as_posix()
        for path in sorted(folder.rglob("*.yaml"))
        if re.search("^(explainers|include):", path.read_text(), re.MULTILINE)
    ]
