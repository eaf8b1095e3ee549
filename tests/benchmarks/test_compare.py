"""What two runs of the suite say: changes beyond their noise, and no others."""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

import pytest

from benchmarks.compare import Change, changes, differences, error_of, main

STEADY = [1.0, 1.01, 0.99, 1.0, 1.0, 1.02, 0.98]


def test_the_error_of_a_median_by_hand() -> None:
    """Deviations of 1, 2, 3 from 2 are 1, 0, 1, of which the median is 1."""
    assert error_of([1, 2, 3]) == pytest.approx(1.2533 * 1.4826 / math.sqrt(3) / 2)


@pytest.mark.parametrize(
    ("factor", "verdict"), [(1.0, ""), (1.02, ""), (1.2, "slower"), (0.8, "faster")]
)
def test_a_steady_time_that_changes_is_told(factor: float, verdict: str) -> None:
    (change,) = changes({"a": STEADY, "b": [1]}, {"a": [factor * value for value in STEADY]})
    assert change.verdict == verdict
    assert change.ratio == pytest.approx(factor)


def test_noise_hides_a_change() -> None:
    wide = [0.5, 1.5, 1.0, 0.7, 1.3]
    (change,) = changes({"a": wide}, {"a": [1.2 * value for value in wide]})
    assert change.verdict == ""
    assert change.noise > 0.2


def test_the_same_times_are_seldom_called_changed() -> None:
    draws = random.Random(0)
    verdicts = []
    for _ in range(500):
        both = [{"a": [draws.gauss(1, 0.1) for _ in range(9)]} for _ in range(2)]
        verdicts.append(changes(*both)[0].verdict)
    assert sum(verdict != "" for verdict in verdicts) < 25


def test_another_machine_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {"machine": {"cores": 2}, "versions": {"torch": "2.11"}, "ratios": {"a": STEADY}}
    after = {**before, "machine": {"cores": 4}}
    assert differences(before, after) == ["machine.cores: 2, then 4"]
    for name, content in (("a", before), ("b", after)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["compare", str(tmp_path / "a.json"), str(tmp_path / "b.json")])
        main()
    told = capsys.readouterr().out
    assert "machine.cores: 2, then 4" in told
    assert "| a | 1 | 1 | 1.00 |" in told


def test_a_change_is_told_both_ways() -> None:
    assert Change("a", 1.0, 1.5, 0.1).verdict == "slower"
    assert Change("a", 1.5, 1.0, 0.1).verdict == "faster"
