"""The page: one file with everything in it, for any browser and without a network."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from itertools import groupby
from operator import attrgetter
from typing import Any

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from . import names
from .answers import Accuracy
from .gallery import Bytes, jpeg, overlay
from .highlights import Gallery, Highlights
from .holds import Holds, holds_view
from .names import Labels
from .ranking_view import ranking_view
from .rankings import Ranked
from .sections import Drawing, Section
from .source import Run
from .tables import Missing
from .views import accuracy_view, definitions, headline, section_views, target_words

SHOWN_MISSING = 200
SHOWN_METHODS = 8


@dataclass(frozen=True, kw_only=True)
class Page:
    """What a page shows beside the run's settings."""

    sections: Sequence[Section]
    missing: Sequence[Missing]
    highlights: Highlights
    holds: Mapping[str, Holds | None] = field(default_factory=dict)
    """By the name of the section."""
    rankings: Sequence[tuple[Ranked, Drawing]] = ()
    maps: Mapping[str, Any] | None = None
    """How far the methods' maps agree, as text; None where there are no two."""
    models: Sequence[Accuracy] = ()
    failures: Mapping[str, str] = field(default_factory=dict)
    """Files of what went wrong by name."""
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Tables by their paths in the run folder: the page holds them, so that it can be sent on."""


def render_page(run: Run, page: Page) -> str:
    """Return the page's HTML."""
    labels, highlights = run.labels, page.highlights
    environment = environment_of(labels)
    environment.filters["embedded"] = lambda path: _csv_uri(page.files[path])
    template = environment.get_template("report.html.j2")
    return template.render(
        name=run.described.name,
        style=asset("style.css"),
        script=asset("report.js"),
        headline=headline(highlights.headline, labels) if highlights.headline else [],
        headline_section=highlights.headline.name if highlights.headline else None,
        sections=section_views(page.sections, labels),
        holds={name: holds_view(item, labels) for name, item in page.holds.items() if item},
        models=[accuracy_view(item, labels) for item in page.models],
        target=target_words(run.described.target),
        has_correct=any(section.correct is not None for section in page.sections),
        rankings=[ranking_view(*ranked, labels=labels) for ranked in page.rankings],
        maps=page.maps,
        gallery=highlights.gallery,
        gallery_groups=gallery_view(highlights.gallery, labels) if highlights.gallery else [],
        scrubber=highlights.scrubber,
        missing=missing_view(page.missing, run, page.sections),
        failures=page.failures,
        definitions=[*definitions(page.sections), *method_definitions(run, page.sections)],
        setting=setting(run),
        provenance=provenance_rows(run.provenance, ""),
        settings_text=yaml.safe_dump(run.described.plain(), sort_keys=False, allow_unicode=True),
    )


def environment_of(labels: Labels) -> Environment:
    """Return what reads the templates of this package."""
    environment = Environment(
        loader=PackageLoader("swagflow.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["method"] = lambda name: method_label(labels.method(name))
    environment.filters["count"] = names.count
    return environment


def gallery_view(gallery: Gallery, labels: Labels) -> list[dict[str, Any]]:
    """Return for each data set and model its rows of pictures, each as a data URI or None."""
    groups = []
    case = attrgetter("dataset", "model")
    for (dataset, model), items in groupby(gallery.shown, key=case):
        rows = []
        for item in items:
            image = None if item.image_HWC is None else data_uri(item.image_HWC)
            tiles = [
                None
                if (saliency := item.saliency.get(method)) is None
                else data_uri(overlay(item.image_HWC, saliency))
                for method in gallery.methods
            ]
            rows.append(
                {"id": item.image_id, "target": item.target, "image": image, "tiles": tiles}
            )
        groups.append({"title": labels.subject(dataset, model), "rows": rows})
    return groups


def _csv_uri(content: bytes) -> str:
    return "data:text/csv;base64," + base64.b64encode(content).decode("ascii")


def data_uri(picture: Bytes) -> str:
    """Return a picture as the address of an inline JPEG."""
    return "data:image/jpeg;base64," + base64.b64encode(jpeg(picture)).decode("ascii")


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


def method_label(label: str) -> Markup:
    """Return a method's name, a last I, G or I+G as a subscript like the paper's."""
    base, _, last = label.rpartition(" ")
    if base in {"SWAG", "LIME"} and last in {"I", "G", "I+G"}:
        return Markup("{}<sub>{}</sub>").format(base, last)
    return Markup.escape(label)


def asset(name: str) -> Markup:
    """Return a file of this package as a page has it."""
    text = (files(str(__package__)) / name).read_text(encoding="utf-8")
    return Markup(text)  # noqa: S704  # a file of this package
