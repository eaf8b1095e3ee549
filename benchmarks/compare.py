"""What became slower or faster between two runs of the suite, beyond their noise.

    python -m benchmarks.compare BEFORE.json AFTER.json

Both medians' standard errors come from the rounds' median absolute deviations. A change is one of
more than three of them together, and of more than 3 %.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

LEAST = 0.03
ERRORS = 3
_NORMAL = 1.4826
"""Standard deviations in a median absolute deviation, of normal errors."""
_OF_MEDIAN = 1.2533
"""How much larger a median's standard error is than a mean's."""


@dataclass(frozen=True)
class Change:
    """How one time has changed; `noise` is in parts of it, as `ratio` is."""

    name: str
    before: float
    after: float
    noise: float

    @property
    def ratio(self) -> float:
        return self.after / self.before

    @property
    def verdict(self) -> str:
        if abs(math.log(self.ratio)) <= max(self.noise, LEAST):
            return ""
        return "slower" if self.ratio > 1 else "faster"


def error_of(values: Sequence[float]) -> float:
    """Return the standard error of the median, in parts of it."""
    middle = median(values)
    spread = _NORMAL * median(abs(value - middle) for value in values)
    return _OF_MEDIAN * spread / math.sqrt(len(values)) / middle


def changes(
    before: Mapping[str, Sequence[float]], after: Mapping[str, Sequence[float]]
) -> list[Change]:
    """Return what both runs have timed."""
    return [
        Change(
            name,
            median(before[name]),
            median(after[name]),
            ERRORS * math.hypot(error_of(before[name]), error_of(after[name])),
        )
        for name in before
        if name in after
    ]


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """Return what differs between the machines and versions of two runs."""
    return [
        f"{section}.{key}: {before[section].get(key)!r}, then {after[section].get(key)!r}"
        for section in ("machine", "versions")
        for key in sorted(before[section].keys() | after[section].keys())
        if before[section].get(key) != after[section].get(key)
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    options = parser.parse_args()
    before, after = (json.loads(path.read_text()) for path in (options.before, options.after))
    for line in differences(before, after):
        print(line)
    print("| what | before | after | after / before | noise | |")
    print("| --- | --- | --- | --- | --- | --- |")
    for change in changes(before["ratios"], after["ratios"]):
        numbers = f"{change.before:.3g} | {change.after:.3g} | {change.ratio:.2f}"
        print(f"| {change.name} | {numbers} | {change.noise:.0%} | {change.verdict} |")


if __name__ == "__main__":
    main()
