"""Fine-tuning of the models that score: which there are, and which of them a store lacks.

    tuned/dataset=D/model=M/KEY.safetensors, KEY.json

One serves all metrics that perturb images in the same way, and all explainers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..config.identity import key_of
from ..store.described import Described
from ..store.parts import KEY_DIGITS, Cell, CellName, Subject
from ..store.run_folder import Store

ROOT = "tuned"
"""The folder of fine-tuned models."""
VERSION = 1


@dataclass(frozen=True)
class TunedModel:
    """What a fine-tuned model is known by, and where it is."""

    path: str
    """Without the ending of a file."""
    key: str


@dataclass(frozen=True)
class TuningJob:
    """One model to fine-tune."""

    subject: Subject
    metric: str
    """The first that it is for."""
    path: str

    @property
    def name(self) -> str:
        return self.path

    @property
    def checkpoint(self) -> str:
        return f"{self.path}.checkpoint"

    def apart(self) -> tuple[TuningJob, ...]:
        """Return itself: it has no parts."""
        return (self,)


def tuned_model(described: Described, name: CellName) -> TunedModel | None:
    """Return the model that scores a cell; None where it is the one that is explained."""
    perturbation = None if name.metric is None else described.tuned_with(name.metric)
    if perturbation is None:
        return None
    tuning = described.tuning[name.dataset]
    key = key_of(
        {
            "perturbation": perturbation,
            "recipe": tuning,
            "train": described.subject(Subject(tuning.train, name.model)),
            "model": described.subject(name.subject).get("model"),
            "seed": described.seed,
            "version": VERSION,
        }
    )
    folder = f"{ROOT}/dataset={name.dataset}/model={name.model}"
    return TunedModel(f"{folder}/{key[:KEY_DIGITS]}", key)


def missing_tunings(cells: Iterable[Cell], store: Store) -> list[TuningJob]:
    """Return the models that are to score some cells and are not there."""
    jobs: dict[str, TuningJob] = {}
    for cell in cells:
        if cell.tuned:
            job = TuningJob(cell.name.subject, str(cell.name.metric), cell.tuned)
            jobs.setdefault(cell.tuned, job)
    held = set(store.folder.list(ROOT)) if jobs else set()
    return [job for job in jobs.values() if f"{job.path}.json" not in held]
