"""Whatever process of a run is ended, however and whenever: the same command then ends it well.

The gate takes a few of the trials; `make chaos` takes all of them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support import chaos
from tests.support.chaos import Trial

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(500),
    pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc"),
]

REPEATS = int(os.environ.get("SWAGFLOW_CHAOS", "0"))
"""How often every trial is made; 0: only the few of the gate, once."""
FEW = [
    Trial(0, "driver", "stop", "middle"),
    Trial(0, "driver", "kill", "computed"),
    Trial(0, "driver", "kill", "report"),
]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, object]:
    run = chaos.start(tmp_path_factory.mktemp("undisturbed") / "run")
    assert chaos.wait_for_the_end(run) == 0, run.text
    return chaos.results(run.folder)


@pytest.mark.parametrize("trial", chaos.all_trials(REPEATS) if REPEATS else FEW, ids=str)
def test_the_same_command_ends_a_disturbed_run_well(
    trial: Trial, tmp_path: Path, undisturbed: Mapping[str, object], started: list[chaos.Run]
) -> None:
    run = chaos.start(tmp_path / "run", workers=trial.workers)
    started.append(run)
    hit = chaos.disturb(run, trial)
    code = run.process.wait(timeout=chaos.SECONDS_TO_END)
    assert "Traceback" not in run.text, run.text
    assert code == 0 or hit, run.text
    again = chaos.start(run.folder, workers=trial.workers)
    started.append(again)
    assert chaos.wait_for_the_end(again) == 0, again.text
    assert "Traceback" not in again.text
    chaos.assert_same(run.folder, undisturbed)
    chaos.wait_for_nobody(run)
