"""Remove and retrain: which jobs there are, and which of them a store lacks.

    roar/dataset=D/model=M/explainer=E/FRACTION-REPEAT-KEY.parquet

The explainer of fraction 0, which is trained once for all, is called "none".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..config.identity import describe, key_of
from ..store.described import PREDICTED, Described
from ..store.experiments import ROAR_EXTENT, Recipe
from ..store.parts import KEY_DIGITS, Subject
from ..store.run_folder import Store
from ..train.recipe import Fit

NO_EXPLAINER = "none"
VERSION = 1


@dataclass(frozen=True)
class RoarJob:
    """One model to train."""

    dataset: str
    model: str
    explainer: str
    fraction: float
    repeat: int
    key: str

    @property
    def folder(self) -> str:
        return f"roar/dataset={self.dataset}/model={self.model}/explainer={self.explainer}"

    @property
    def name(self) -> str:
        return f"{self.folder}/{self.fraction:.2f}-{self.repeat}-{self.key[:KEY_DIGITS]}"

    @property
    def part(self) -> str:
        return f"{self.name}.parquet"

    @property
    def checkpoint(self) -> str:
        return f"{self.name}.checkpoint"

    def apart(self) -> tuple[RoarJob, ...]:
        """Return itself: it has no parts."""
        return (self,)


def jobs_of(described: Described) -> list[RoarJob]:
    """Return every job of a benchmark: first those of the first repeat, fraction by fraction."""
    jobs = []
    for validation, roar in described.roar.items():
        recipe = {key: value for key, value in describe(roar).items() if key not in ROAR_EXTENT}
        for model in roar.models or tuple(described.models):
            about = {
                "recipe": recipe,
                "train": described.subject(Subject(roar.train, model)),
                "validation": described.subject(Subject(validation, model)),
                "seed": described.seed,
                "version": VERSION,
                **({} if described.target == PREDICTED else {"target": described.target}),
            }
            for repeat in range(roar.repeats):
                for fraction in roar.fractions:
                    names = roar.explainers if fraction else (NO_EXPLAINER,)
                    for explainer in names:
                        masks = None
                        if explainer != NO_EXPLAINER:
                            masks = described.explainer(explainer, model)
                        own = {"explainer": masks, "fraction": fraction, "repeat": repeat}
                        key = key_of({**about, **own})
                        jobs.append(RoarJob(validation, model, explainer, fraction, repeat, key))
    return sorted(jobs, key=lambda job: (job.repeat, job.fraction))


def recipe_of(recipe: Recipe, seed: int) -> Fit:
    """Return how a job trains, or a model is fine-tuned."""
    return Fit(
        epochs=recipe.epochs,
        learning_rate=recipe.learning_rate,
        batch_size=recipe.batch_size,
        optimizer=recipe.optimizer,
        schedule=recipe.schedule,
        seed=seed,
    )


def missing_jobs(jobs: Iterable[RoarJob], store: Store) -> tuple[list[RoarJob], list[str]]:
    """Return the jobs that the store has no result of, and results that others have replaced."""
    held = set(store.folder.list("roar"))
    wanted = {job.name.rpartition("-")[0]: job for job in jobs}
    outdated = [
        path
        for path in held
        if (job := wanted.get(path.rpartition("-")[0])) and job.key[:KEY_DIGITS] not in path
    ]
    return [job for job in wanted.values() if job.part not in held], sorted(outdated)
