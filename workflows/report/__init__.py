"""From the rows of a run folder to tables, figures and one page that holds them all."""

from __future__ import annotations

from ..errors import UserError
from ..store.failures import failure_texts
from .answers import accuracies, accuracy_csv
from .figures import paths_of, render
from .gallery import OpenDataset, gallery_figure
from .highlights import Chooser
from .html import Page, render_page
from .rankings import build_rankings, files_of_ranking
from .sections import build_sections, files_of, unscored_rows
from .source import Run, RunStore
from .tables import missing_csv

__all__ = ["RunStore", "build_report"]


def build_report(
    store: RunStore, *, open_datasets: OpenDataset, run: Run | None = None
) -> list[str]:
    """Write tables, figures and report.html into the run folder; return their paths in it.

    Nothing is computed that needs a model. `open_datasets` returns a data set by its name, or None
    where it is not at hand: the gallery then shows saliencies without their images. `run` is the
    same folder, where its rows have been read.

    Raises:
        UserError: the run folder holds no row.
    """
    run = run or Run(store)
    sections = build_sections(run)
    rows = [row for section in sections for row in section.missing]
    missing = list(dict.fromkeys([*rows, *unscored_rows(run)]))
    if not sections and not missing:
        raise UserError(
            "the run folder holds no score yet, so there is nothing to report; "
            "finish 'swagflow run' first"
        )
    files: dict[str, bytes] = {}
    for section in sections:
        files |= files_of(section)
    rankings = [(ranked, ranked.drawing()) for ranked in build_rankings(run)]
    for ranked, drawing in rankings:
        files |= files_of_ranking(ranked, drawing)
    models = accuracies(run.rows_of(str(item.metric)) for item in run.experiments.values())
    if models:
        files["tables/accuracy.csv"] = accuracy_csv(models)
    if missing:
        files["tables/missing.csv"] = missing_csv(missing)
    highlights = Chooser(run, sections, open_datasets).highlights()
    if gallery := highlights.gallery:
        figure = gallery_figure(gallery.shown, gallery.methods, run.labels)
        files |= paths_of(gallery.stem, render(figure))
    failures = failure_texts(store.folder) if missing else {}
    page = Page(
        sections=sections,
        rankings=rankings,
        models=models,
        missing=missing,
        highlights=highlights,
        failures=failures,
        files=files,
    )
    files["report.html"] = render_page(run, page).encode()
    for path, content in files.items():
        store.write_bytes(path, content)
    return list(files)
