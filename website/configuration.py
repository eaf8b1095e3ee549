"""The fields of a configuration, section by section."""

from __future__ import annotations

from swag.models import ModelSpec
from swagflow.config.benchmark import Benchmark
from swagflow.data import DATASETS, Resize
from swagflow.store.experiments import (
    Caption,
    Experiment,
    Picture,
    RankedMetrics,
    Roar,
    RoarShow,
    Show,
    Sweep,
    Tuning,
)
from swagflow.train.recipe import Fit
from swagflow.train.train_config import Augmentation
from website.fields import rows_of, table

TITLES: dict[type, str] = {
    Resize: "Resize",
    ModelSpec: "Models",
    Experiment: "Experiments",
    Show: "Show",
    Caption: "Show of rankings",
    RoarShow: "Show of roar",
    Picture: "Picture",
    Sweep: "Sweep",
    RankedMetrics: "Rankings",
    Tuning: "Tuning",
    Roar: "Roar",
    Fit: "Recipe of a training",
    Augmentation: "Augmentation of a training",
}
"""What is configured beside data sets, and the heading under which its fields stand."""
TOP = ("name", "seed", "target", "shard_size", "batch_size")


def text() -> str:
    """Return the page's tables."""
    top = [row for row in rows_of(Benchmark, TITLES) if row.name in TOP]
    parts = ["## The benchmark", table(top), "## Data sets"]
    for name, kind in DATASETS.items():
        parts += [f"### {name}", _about(kind), table(rows_of(kind, TITLES))]
    for kind, title in TITLES.items():
        parts += [f"## {title}", _about(kind), table(rows_of(kind, TITLES))]
    return "\n\n".join(parts)


def _about(kind: type) -> str:
    """Return the first paragraph of a class's docstring."""
    return " ".join((kind.__doc__ or "").partition("\n\n")[0].split())
