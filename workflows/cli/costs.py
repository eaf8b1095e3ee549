"""What `swagflow list --costs` shows: passes of an image, and what methods need of a model."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table

NEEDS = {
    "gradient": "gradients",
    "guided_gradient": "ReLUs",
    "layer": "a layer whose output is a map",
    "layer_activation": "a layer whose output is a map",
}


def cost_tables(what: str | None) -> Iterator[Table]:
    """Yield tables of the catalogue's explainers and metrics with their default settings."""
    if what in {None, "explainers"}:
        yield _explainers()
    if what in {None, "metrics"}:
        yield _metrics()


def _explainers() -> Table:
    from swag.catalog import EXPLAINERS
    from swag.protocols import needs_of, passes_of, shared_passes

    table = _table(
        "explainers: passes of an image of their own, and those shared with all others of a batch",
        *("name", "kind", "forward", "backward", "shared", "needs of a model"),
    )
    for name, item in EXPLAINERS.items():
        own, shared = passes_of(item), shared_passes(needs_of(item))
        needs = [NEEDS[need] for need in sorted(needs_of(item))]
        needs += [asked] if (asked := getattr(item, "needs_of_model", "")) else []
        together = f"{shared.forwards} + {shared.backwards}"
        counts = (f"{own.forwards:,}", f"{own.backwards:,}", together)
        table.add_row(name, item.kind, *counts, ", ".join(needs))
    return table


def _metrics() -> Table:
    from swag.catalog import METRICS
    from swag.protocols import TunedMetric, explanations_of, forwards_once, passes_of

    table = _table(
        "metrics: passes of an image for each method, once for all, and explanations made again",
        *("name", "better", "forward", "once", "again", "needs of a model"),
    )
    for name, item in METRICS.items():
        counts = passes_of(item).forwards, forwards_once(item), explanations_of(item)
        tuned = "fine-tuning on perturbed images" if isinstance(item, TunedMetric) else ""
        better = "high" if item.higher_is_better else "low"
        table.add_row(name, better, *(f"{count:,}" for count in counts), tuned)
    return table


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        is_number = column in {"forward", "backward", "shared", "once", "again"}
        table.add_column(column, justify="right" if is_number else "left", no_wrap=True)
    return table
