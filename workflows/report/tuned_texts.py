"""What metrics of fine-tuned models mean, and what trainings for the sake of scores cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..store.described import Described
from ..store.experiments import Recipe
from . import names

FieldsOf = Mapping[str, Any]
_READ = {
    "logit": "logit",
    "probability": "probability",
    "correct": "place as the likeliest class (1 or 0)",
}


def idsds_definition(fields: FieldsOf) -> str:
    """Return what IDSDS computes."""
    cells = int(fields.get("cells", 0))
    return (
        f"Each of the {cells**2} cells of a {cells}\u00d7{cells} grid alone becomes the data set's "
        "mean colour, and a model that was fine-tuned on such images says what the class loses of "
        f"its {_read(fields)}; the score is Spearman's rank correlation between these losses and "
        "the sums of the saliency in the cells (in-domain single-deletion score, Hesse et al., "
        "2024). A saliency whose sums are all the same has none."
    )


def f_fidelity_definition(fields: FieldsOf) -> str:
    """Return what F-Fidelity computes."""
    shares = ", ".join(f"{share:.0%}" for share in fractions_of(fields))
    return (
        f"Of the most salient {shares} of an image random pixels become the data set's mean "
        f"colour: a share of {float(fields.get('alpha', 0)):g} of them, and never more than "
        f"{float(fields.get('beta', 0)):.0%} of the image, the most that the scoring model was "
        f"fine-tuned with; {names.count(int(fields.get('num_samples', 0)), 'random draw')} of each "
        f"share. FFid+ is what the class loses of its {_read(fields)} on average, FFid\u2212 the "
        "same of the least salient; the score is FFid+ less FFid\u2212 (Zheng et al., 2025)."
    )


def fractions_of(fields: FieldsOf) -> tuple[float, ...]:
    """Return the shares of pixels of which F-Fidelity removes some."""
    return tuple(fields.get("fractions") or ())


def tuned_cost(described: Described, metric: str, datasets: Sequence[str]) -> str:
    """Return what a metric of fine-tuned models costs; nothing where it is of no such model."""
    fields = described.metrics[metric]
    if described.tuned_with(metric) is None:
        return ""
    tunings = [described.tuning[name] for name in datasets if name in described.tuning]
    trained = dict.fromkeys(_training(described, tuning) for tuning in tunings)
    tuned = f"Cost: each model is fine-tuned once for all methods, {'; '.join(trained)}"
    passes = _PASSES.get(str(fields.get("class")))
    return f"{tuned}. Then {passes(fields)}." if passes and "module" not in fields else f"{tuned}."


def roar_cost(described: Described) -> str:
    """Return what remove and retrain costs."""
    costs = []
    for roar in described.roar.values():
        shared = int(0.0 in roar.fractions)
        jobs = roar.repeats * (len(roar.explainers) * (len(roar.fractions) - shared) + shared)
        costs.append(f"{names.count(jobs, 'training')} of each model, {_training(described, roar)}")
    return f"Cost: {'; '.join(dict.fromkeys(costs))}."


def _training(described: Described, recipe: Recipe) -> str:
    images = described.num_images.get(recipe.train)
    epochs = names.count(recipe.epochs, "epoch")
    if images is None:
        return f"{epochs} each"
    passes = names.count(recipe.epochs * images, "image")
    return f"{epochs} of {names.count(images, 'image')} each ({passes} forward and backward)"


def _idsds_passes(fields: FieldsOf) -> str:
    return f"{int(fields['cells']) ** 2 + 1} passes an image serve all methods"


def _f_fidelity_passes(fields: FieldsOf) -> str:
    count = 2 * len(fractions_of(fields)) * int(fields["num_samples"])
    return f"{count:,} passes an image for each method, and one for all"


_PASSES: Mapping[str, Callable[[FieldsOf], str]] = {
    "IDSDS": _idsds_passes,
    "FFidelity": _f_fidelity_passes,
}


def _read(fields: FieldsOf) -> str:
    return _READ.get(str(fields.get("score")), str(fields.get("score")))
