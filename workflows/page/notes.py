"""What stands below the results of a page: missing rows, definitions, the origin of the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..report.sections import Section
from ..report.source import Run
from ..report.tables import Missing

SHOWN_MISSING = 200
SHOWN_METHODS = 8


def missing_view(
    missing: Sequence[Missing], run: Run, sections: Sequence[Section]
) -> dict[str, Any]:
    """Return the first missing rows, equal ones of several methods as one."""
    metrics = {section.metric: section.text.label for section in sections}
    merged: dict[tuple[str, str, str, str, str], list[str]] = {}
    for row in missing:
        key = (row.dataset, row.model, row.metric, row.image_id, row.error)
        merged.setdefault(key, []).append(row.method)
    rows = [
        {
            "subject": run.labels.subject(dataset, model),
            "metric": metrics.get(metric) or run.text(metric).label,
            "image_id": image_id,
            "error": error,
            "methods": methods,
        }
        for (dataset, model, metric, image_id, error), methods in merged.items()
    ]
    return {"rows": rows[:SHOWN_MISSING], "more": rows[SHOWN_MISSING:], "total": len(missing)}


def definitions(sections: Sequence[Section]) -> list[tuple[str, str]]:
    """Return each metric of the report with its definition."""
    texts = {section.metric: section.text for section in sections}
    return [(text.label, text.definition) for text in texts.values() if text.definition]


def method_definitions(run: Run, sections: Sequence[Section]) -> list[tuple[str, str]]:
    """Return what each class of methods says of itself, under the names of its methods."""
    by_text: dict[tuple[str, str], list[str]] = {}
    for method in dict.fromkeys(name for section in sections for name in section.table.methods):
        fields = run.described.explainers[method]
        if about := fields.get("about"):
            by_text.setdefault((str(fields.get("class")), about), []).append(method)
    found = []
    for (_, about), methods in by_text.items():
        labels = [run.labels.method(name) for name in methods[:SHOWN_METHODS]]
        more = len(methods) - len(labels)
        found.append((", ".join(labels) + (f" and {more} more" if more else ""), about))
    return found


def setting(run: Run) -> str:
    """Return seed, versions and machine in a sentence for the captions."""
    packages: Mapping[str, Any] = run.provenance.get("packages") or {}
    hardware: Mapping[str, Any] = run.provenance.get("hardware") or {}
    versions = [f"{name} {packages[name]}" for name in ("swagflow", "torch") if packages.get(name)]
    machine = hardware.get("gpus") or [hardware.get("processor")]
    machines = dict.fromkeys(name for name in machine if name)
    counted = [
        f"{machine.count(name)}\u00d7 {name}" if machine.count(name) > 1 else name
        for name in machines
    ]
    return "; ".join([f"seed {run.seed}", *versions, *counted])


def provenance_rows(value: Any, path: str) -> list[tuple[str, str]]:
    """Return nested provenance as rows of a dotted name and a text."""
    if isinstance(value, Mapping):
        rows = []
        for key, item in value.items():
            rows += provenance_rows(item, f"{path} \u203a {key}" if path else str(key))
        return rows
    if isinstance(value, list):
        value = ", ".join(map(str, value)) or "none"
    return [(path.replace("_", " "), "not known" if value is None else str(value))]
