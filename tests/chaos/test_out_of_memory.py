"""Methods that ask for more memory than there is: rows with that error, and no other's rows."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import pytest

from tests.support.runs import EXPLAINERS, Runner, same_results

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is limited as on Linux")
PLUGINS = "tests.support.plugins:"
HUNGRY = {
    f"hungry_{ask}": {"type": f"{PLUGINS}HUNGRY", "ask": ask} for ask in ("raise", "numpy", "torch")
}
KILLED = {"killed": {"type": f"{PLUGINS}KILLER", "image_id": "square/2"}}
IMAGES = "datasets.squares.images=8"


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    runner = Runner(tmp_path_factory.mktemp("undisturbed"))
    assert runner(IMAGES) == 0
    return runner


def assert_only_theirs_are_lost(runner: Runner, reference: Runner) -> None:
    rows = runner.scores()
    others = rows[rows["explainer"].isin([*EXPLAINERS])]
    assert others["error"].isna().all()
    hungry = rows[rows["explainer"].isin([*HUNGRY])]
    assert len(hungry) == 8 * len(HUNGRY)
    assert hungry["error"].str.contains("(out of memory: fewer --workers", regex=False).all()
    assert hungry["value"].isna().all()
    page = (runner.folder / "report.html").read_text("utf-8")
    assert "out of memory" in page
    columns = ["explainer", "image_id", "target", "value", "curve"]
    frames = (
        frame[columns].sort_values(columns[:2]).reset_index(drop=True)
        for frame in (others, reference.scores())
    )
    pd.testing.assert_frame_equal(*frames, check_exact=True, check_dtype=False)


@pytest.mark.slow
def test_in_one_process_it_becomes_rows(runner: Runner, reference: Runner) -> None:
    assert runner(IMAGES, explainers={**HUNGRY, **EXPLAINERS}) == 1
    assert "Traceback" not in runner.output
    assert_only_theirs_are_lost(runner, reference)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_machine_without_memory_for_any_worker_is_one_line_and_loses_nothing(
    runner: Runner, reference: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setenv("RAY_memory_usage_threshold", "0.001")
        patch.setenv("RAY_memory_monitor_refresh_ms", "100")
        assert runner(IMAGES, workers=1) == 2
    (line,) = [each for each in runner.output.splitlines() if each.startswith("Error: ")]
    assert "Ray ended it (out of memory: fewer --workers leave more to each" in line
    assert runner(IMAGES) == 0
    same_results(runner.folder, reference)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_workers_without_memory_or_killed_cost_nobody_else_s_rows(
    tmp_path: Path, reference: Runner
) -> None:
    """A kernel out of memory ends a process by SIGKILL."""
    runner = Runner(tmp_path)
    assert runner(IMAGES, workers=2, explainers={**KILLED, **HUNGRY, **EXPLAINERS}) == 1
    assert_only_theirs_are_lost(runner, reference)
    rows = runner.scores()
    errors = rows[rows["explainer"] == "killed"].set_index("image_id")["error"]
    met = errors[[f"square/{number}" for number in range(4)]]
    assert met.str.contains("its worker died 3 times").all()
    assert met.str.contains("out of memory|OOM", regex=True).all()
    assert errors.drop(met.index).isna().all()
