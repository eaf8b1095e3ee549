"""From the rows of a run folder to tables, figures and one page that holds them all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import UserError
from ..store.failures import failure_texts
from .figures import paths_of, render
from .gallery import OpenDataset, Shown, choose_shown, gallery_figure
from .html import Page, render_page
from .scrubber import scrubber_data
from .sections import Section, build_sections, files_of
from .source import Run, RunStore
from .tables import Missing, missing_csv

__all__ = ["RunStore", "build_report"]

GALLERY_IMAGES = 4
SCRUBBER_IMAGES = 6
MOST_IMAGES = 24  # over all data sets and models, so that the page stays a few megabytes


def build_report(store: RunStore, *, open_datasets: OpenDataset) -> list[str]:
    """Write tables, figures and report.html into the run folder; return their paths in it.

    Nothing is computed that needs a model. `open_datasets` returns a data set by its name, or None
    where it is not at hand: the gallery then shows saliencies without their images.

    Raises:
        UserError: the run folder holds no score.
    """
    run = Run(store)
    sections = build_sections(run)
    if not sections:
        raise UserError(
            "the run folder holds no score yet, so there is nothing to report; "
            "finish 'swagflow run' first"
        )
    files: dict[str, bytes] = {}
    for section in sections:
        files |= files_of(section)
    missing = list(dict.fromkeys(row for section in sections for row in section.missing))
    if missing:
        files["tables/missing.csv"] = missing_csv(missing)
    page, pictures = _page(run, sections, missing, open_datasets)
    files |= pictures
    files["report.html"] = render_page(run, page).encode()
    for path, content in files.items():
        store.write_bytes(path, content)
    return list(files)


def _page(
    run: Run, sections: Sequence[Section], missing: Sequence[Missing], open_dataset: OpenDataset
) -> tuple[Page, dict[str, bytes]]:
    """Return the page, and the files of the gallery where the benchmark has a Table 1."""
    failures = failure_texts(run.store.folder) if missing else {}
    first = next((section for section in sections if section.name == "table1"), None)
    if first is None:
        return Page(sections=sections, missing=missing, failures=failures), {}
    experiment = next(e for e in run.experiments if e.name == first.name)
    methods = experiment.explainers
    num_images = max(1, min(SCRUBBER_IMAGES, MOST_IMAGES // len(first.table.columns)))
    shown = choose_shown(run, experiment, open_dataset, num_images)
    gallery = _first_of_each(shown, min(GALLERY_IMAGES, num_images))
    scrubber: dict[str, Any] | None = scrubber_data(run, experiment, shown)
    page = Page(
        sections=sections,
        missing=missing,
        failures=failures,
        gallery=gallery,
        gallery_methods=methods,
        scrubber=scrubber,
    )
    if not gallery:
        return page, {}
    return page, paths_of("figure1_gallery", render(gallery_figure(gallery, methods)))


def _first_of_each(shown: Sequence[Shown], number: int) -> list[Shown]:
    seen: dict[tuple[str, str], int] = {}
    kept = []
    for item in shown:
        key = (item.dataset, item.model)
        seen[key] = seen.get(key, 0) + 1
        if seen[key] <= number:
            kept.append(item)
    return kept
