"""Trials of a run that is disturbed: in whom, how and when; and what must be true afterwards.

Every run is a real `swagflow run` that leads a session of its own, so that whatever belongs to it
is known by its session, whoever its parent is by then.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pandas as pd

from swagflow.store.files import TEMPORARY
from swagflow.store.run_folder import Store

ROOT = Path(__file__).resolve().parents[2]
ARGUMENTS = (
    "full-benchmark",
    *("--set", "datasets.digit_scenes.images=20", "--set", "models=[tiny_resnet]"),
    *("--set", "datasets.digit_scenes.scenes=plain"),
    *("--set", "explainers=[random,centre,grad_cam,swag]", "--only", "table1"),
)
MANY = (*ARGUMENTS, "--set", "datasets.digit_scenes.images=400", "--set", "shard_size=2")
"""As many images in as small shards as it takes to be met in the midst of them."""
NUM_PARTS = 16
"""Four methods, masks and scores of each, in two shards."""
SECONDS_TO_END = 150
"""Within it a disturbed run ends by itself; Ray waits a minute for a lost part of it."""
SECONDS_TO_VANISH = 30
"""Within it the last process of a run that ended is gone: workers at once, and two of Ray's own,
which would wait a minute for their raylet, a few seconds later."""

PHASES = ("begin", "middle", "computed", "report")
WAYS = ("kill", "terminate", "stop")
TARGETS = {0: ("driver",), 2: ("driver", "worker", "raylet", "gcs")}


@dataclass(frozen=True)
class Trial:
    """One process of a run, ended in one way in one phase."""

    workers: int
    target: str
    way: str
    phase: str
    seed: int = 0

    def __str__(self) -> str:
        return f"{self.workers}-{self.target}-{self.way}-{self.phase}-{self.seed}"

    @property
    def parts(self) -> int:
        """How many parts there are when it happens."""
        chosen = random.Random(str(self)).randint(1, NUM_PARTS - 1)
        return {"begin": 0, "middle": chosen}.get(self.phase, NUM_PARTS)

    @property
    def delay(self) -> float:
        """Seconds that it happens later, where the phase is long enough for that."""
        if self.phase in {"computed", "report"}:
            return 0.0
        return random.Random(f"{self} later").uniform(0, 0.2)


def all_trials(repeats: int) -> list[Trial]:
    """Return every trial that can be: after the computing there is nothing of Ray left to end."""
    return [
        Trial(workers, target, way, phase, seed)
        for workers, targets in TARGETS.items()
        for seed in range(repeats)
        for target, way, phase in product(targets, WAYS, PHASES)
        if target == "driver" or phase in {"begin", "middle"}
    ]


@dataclass(frozen=True)
class Run:
    """A `swagflow run` that has been started."""

    folder: Path
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def text(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def num_parts(self) -> int:
        return len(list(self.folder.rglob("*.parquet")))

    def wait_for(self, happens: Callable[[], bool], seconds: float = 300) -> bool:
        """Wait for something, or for the end of the run; return whether it happened."""
        deadline = time.monotonic() + seconds
        while not happens() and self.process.poll() is None:
            assert time.monotonic() < deadline, f"nothing in {seconds} s:\n{self.text}"
            time.sleep(0.01)
        return happens()

    def processes(self) -> dict[int, str]:
        """Return what is alive of the run: command lines by process id."""
        found = {}
        for place in Path("/proc").iterdir():
            if place.name.isdigit():
                try:
                    state, *_ = fields = (place / "stat").read_text().rpartition(")")[2].split()
                    command = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                except OSError:  # it has just ended
                    continue
                if int(fields[3]) == self.process.pid and state != "Z":
                    found[int(place.name)] = command
        return found

    def find(self, target: str) -> int | None:
        """Return the id of a process of a kind."""
        if target == "driver":
            return self.process.pid
        mark = {"worker": "ray::Actor", "raylet": "/raylet/raylet ", "gcs": "/gcs/gcs_server "}
        found = [number for number, line in self.processes().items() if mark[target] in line]
        return min(found, default=None)

    def end(self) -> None:
        """Kill what is left, by its ids."""
        for number in self.processes():
            _send(number, signal.SIGKILL)
        self.process.wait()


def start(folder: Path, *arguments: str, workers: int = 0) -> Run:
    """Start a run; what it says goes into a file beside its folder."""
    log = folder.with_name(f"{folder.name}.log")
    command = [
        *(sys.executable, "-m", "swagflow", "run", *(arguments or ARGUMENTS)),
        *("--run-dir", str(folder), "--workers", str(workers)),
    ]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", "OMP_NUM_THREADS": "1"}
    with log.open("wb") as stream:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdout=stream,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    return Run(folder, process, log)


def disturb(run: Run, trial: Trial) -> bool:
    """End a process of a run when it is time; return False where the run was quicker."""
    sign = run.folder / ("tables" if trial.phase == "report" else "benchmark.yaml")
    there = run.wait_for(lambda: sign.exists() and run.num_parts() >= trial.parts)
    if not (there and run.wait_for(lambda: run.find(trial.target) is not None)):
        return False
    time.sleep(trial.delay)
    number = run.find(trial.target)
    if number is None:
        return False
    if trial.way == "terminate":
        return _send(number, signal.SIGTERM)
    if trial.way == "stop":
        _send(number, signal.SIGSTOP)
        time.sleep(1)
    return _send(number, signal.SIGKILL)


def _send(number: int, what: signal.Signals) -> bool:
    try:
        os.kill(number, what)
    except ProcessLookupError:
        return False
    return True


def wait_for_the_end(run: Run) -> int:
    """Return a run's exit code; everything that belongs to it must be gone soon after."""
    code = run.process.wait(timeout=SECONDS_TO_END)
    wait_for_nobody(run)
    return code


def wait_for_nobody(run: Run) -> None:
    """Wait until no process of a run that has ended is left."""
    deadline = time.monotonic() + SECONDS_TO_VANISH
    while left := run.processes():
        assert time.monotonic() < deadline, f"processes are left: {left}"
        time.sleep(0.05)


def results(folder: Path) -> Mapping[str, object]:
    """Return what two runs of a benchmark must have in common, to the bit."""
    store = Store(str(folder))
    columns = ["dataset", "model", "explainer", "image_id"]
    scores = store.read_scores("deletion").sort_values(columns).reset_index(drop=True)
    masks = {
        (explainer, name): saliency.tobytes()
        for explainer in ("random", "centre", "grad_cam", "swag")
        for name, saliency in store.read_explanations(
            "digit_scenes", "tiny_resnet", explainer
        ).items()
    }
    tables = {path.name: path.read_bytes() for path in sorted((folder / "tables").iterdir())}
    return {"scores": scores, "masks": masks, "tables": tables, "names": _names(folder)}


def _names(folder: Path) -> list[str]:
    paths = (str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return sorted(paths)


def assert_same(folder: Path, reference: Mapping[str, object]) -> None:
    """Assert that a run folder holds what an undisturbed one does, and nothing else."""
    found = results(folder)
    assert found["names"] == reference["names"]
    assert not any(TEMPORARY in name for name in _names(folder))
    frames = (found["scores"], reference["scores"])
    assert all(isinstance(frame, pd.DataFrame) for frame in frames)
    pd.testing.assert_frame_equal(*frames, check_exact=True)
    assert found["masks"] == reference["masks"]
    assert found["tables"] == reference["tables"]
