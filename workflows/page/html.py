"""The page: one file with everything in it, for any browser and without a network."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from operator import attrgetter
from typing import Any

import yaml

from ..report.names import Labels
from ..report.source import Run
from .contents import Page
from .gallery import overlay
from .highlights import Gallery
from .holds_view import holds_view
from .maps_view import maps_view
from .notes import definitions, method_definitions, missing_view, provenance_rows, setting
from .overview_view import overview_view
from .ranking_view import ranking_view
from .section_views import accuracy_view, headline, section_views, target_words
from .templates import asset, csv_uri, data_uri, environment_of


def render_page(run: Run, page: Page, tables: Mapping[str, bytes]) -> str:
    """Return the page's HTML.

    `tables` are files by their paths in the run folder: the page holds them, so that it can be sent
    on.
    """
    labels, highlights = run.labels, page.highlights
    environment = environment_of(labels)
    environment.filters["embedded"] = lambda path: csv_uri(tables[path])
    template = environment.get_template("report.html.j2")
    return template.render(
        name=run.described.name,
        style=asset("style.css"),
        scripts=[asset("report.js"), asset("browser.js")],
        headline=headline(highlights.headline, labels) if highlights.headline else [],
        overview=overview_view(highlights.overview, highlights.cost)
        if highlights.overview
        else None,
        browser=highlights.browser,
        headline_section=highlights.headline.name if highlights.headline else None,
        sections=section_views(page.sections, labels),
        holds={name: holds_view(item, labels) for name, item in page.holds.items() if item},
        models=[accuracy_view(item, labels) for item in page.models],
        target=target_words(run.described.target),
        has_correct=any(section.correct is not None for section in page.sections),
        rankings=[ranking_view(*ranked, labels=labels) for ranked in page.rankings],
        maps=maps_view(*page.maps, labels) if page.maps else None,
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
