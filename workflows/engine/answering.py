"""Whether a data set's classes are a model's: what targets, labels and accuracy rest on."""

from __future__ import annotations

from collections.abc import Sequence

from swag.targets import Target

from ..config.benchmark import Benchmark
from ..errors import UserError, as_user_error
from ..store.parts import Subject


def require_classes(
    benchmark: Benchmark, subject: Subject, class_names: Sequence[str], num_classes: int
) -> None:
    """Check that what a benchmark asks of classes is there.

    Args:
        benchmark: what is asked.
        subject: a data set and a model.
        class_names: of the data set, empty where it has no labels.
        num_classes: of the model.

    Raises:
        UserError: the target is no class of the model, or labels are needed and the data set has
            none, or as many as the model has classes is not how many it has.
    """
    dataset, model = subject
    with as_user_error(f"{model} on {dataset}"):
        target = Target.parse(benchmark.target).named_in(class_names)
        target.require_in(num_classes)
    wishes = [
        f"experiments.{name}.only_correct"
        for name, experiment in benchmark.experiments.items()
        if experiment.only_correct and experiment.covers(*subject)
    ]
    if target.kind == "label" and any(e.covers(*subject) for e in benchmark.experiments.values()):
        wishes.insert(0, "target: label")
    wishes += [
        f"tuning.{name}.train"
        for name, tuning in benchmark.tuning.items()
        if tuning.train == dataset
        and any(experiment.covers(name, model) for experiment in benchmark.experiments.values())
    ]
    if wishes and len(class_names) != num_classes:
        has = f"has {len(class_names)} classes" if class_names else "has no labels"
        raise UserError(
            f"{wishes[0]}: {dataset} {has}, and {model} tells {num_classes} apart, so its labels "
            "are not classes of the model; leave it out, or take a data set or model that fits"
        )
