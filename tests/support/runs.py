"""Runs of a small benchmark in this process, and what they leave."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from rich.console import Console

from swagflow.cli.guard import guarded
from swagflow.cli.run import run_benchmark
from swagflow.config.load import load_benchmark
from swagflow.engine.resources import choose_resources
from swagflow.store.run_folder import Store

MINIMAL = {
    "name": "toy",
    "datasets": {"squares": {"type": "tests.support.plugins:Squares"}},
    "models": {"toy": {"architecture": "tests.support.plugins:toy_cnn", "weights": "random:0"}},
    "explainers": {"swag_ig": {}},
    "metrics": {"deletion": {}},
}


def changed(**sections: object) -> dict[str, object]:
    return {**MINIMAL, **sections}


FEW_IMAGES = "datasets.squares.images=8"
EXPLAINERS: dict[str, Any] = {
    "centre": {},
    "grad_cam": {},
    "swag": {"superpixels": {"num_segments": 6}},
    "brightness": {"type": "tests.support.plugins:BRIGHTNESS"},
}


class Runner:
    """`swagflow run` of a small benchmark in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "run"
        self.uri = str(self.folder)
        self.config = folder / "toy.yaml"
        self.output = ""

    def __call__(
        self,
        *overrides: str,
        workers: int = 0,
        retry: bool = False,
        task_timeout: float | None = None,
        **raw: Any,
    ) -> int:
        content = {"explainers": EXPLAINERS, "shard_size": 4, **raw}
        self.config.write_text(yaml.safe_dump(changed(**content)))
        stream = io.StringIO()
        console = Console(file=stream, width=200)
        code = guarded(
            lambda: run_benchmark(
                load_benchmark(str(self.config), overrides),
                self.uri,
                choose_resources(workers, task_timeout=task_timeout),
                retry_errors=retry,
                console=console,
            ),
            console,
        )
        self.output = stream.getvalue()
        return code

    def files(self) -> dict[str, bytes]:
        """Return the content of every mask and score part, by path."""
        paths = sorted(self.folder.rglob("*.parquet"))
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in paths}

    def scores(self) -> pd.DataFrame:
        return Store(str(self.folder)).read_scores("deletion")


def rows_of(store: Store) -> pd.DataFrame:
    columns = ["dataset", "model", "explainer", "image_id"]
    return store.read_scores("deletion").sort_values(columns).reset_index(drop=True)


def same_results(folder: Path | str, reference: Runner) -> None:
    """Assert that two runs hold the same masks and scores, bit for bit."""
    mine, other = Store(str(folder)), Store(str(reference.folder))
    pd.testing.assert_frame_equal(rows_of(mine), rows_of(other), check_exact=True)
    for explainer in EXPLAINERS:
        ours = mine.read_explanations("squares", "toy", explainer)
        theirs = other.read_explanations("squares", "toy", explainer)
        assert ours.keys() == theirs.keys()
        assert all(ours[name].tobytes() == theirs[name].tobytes() for name in theirs)


class Killed(BaseException):
    """Nothing catches it, as nothing catches a kill."""


def dies_after(count: int, method: Any) -> Any:
    """Return a method that works for `count` calls."""
    calls: list[None] = []

    def limited(*arguments: Any, **options: Any) -> Any:
        calls.append(None)
        if len(calls) > count:
            raise Killed
        return method(*arguments, **options)

    return limited


ROAR: dict[str, Any] = {
    "train": "more_squares",
    "explainers": ["brightness", "centre"],
    "fractions": [0.0, 0.5],
    "repeats": 2,
    "epochs": 3,
    "batch_size": 4,
}


SECTIONS: dict[str, Any] = {
    "datasets": {
        "squares": {"type": "tests.support.plugins:Squares", "images": 6},
        "more_squares": {"type": "tests.support.plugins:Squares", "images": 8, "generation": 1},
    },
    "explainers": {"brightness": {"type": "tests.support.plugins:BRIGHTNESS"}, "centre": {}},
    "roar": {"squares": ROAR},
}
