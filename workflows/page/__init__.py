"""From the rows of a run folder to tables, figures and one page that holds them all."""

from __future__ import annotations

from ..errors import UserError
from ..report.holds import holds_of
from ..report.maps_alike import maps_alike, maps_drawing
from ..report.rankings import build_rankings
from ..report.sections import build_sections
from ..report.sheets import accuracy_of, files_of, missing_of
from ..report.source import Run, RunStore
from ..store.failures import failure_texts
from .contents import Page
from .gallery import OpenDataset
from .highlights import Chooser, pictures
from .html import render_page

__all__ = ["build_report"]


def build_report(
    store: RunStore,
    *,
    open_datasets: OpenDataset,
    run: Run | None = None,
    num_pictured: int | None = None,
) -> list[str]:
    """Write tables, figures and report.html into the run folder; return their paths in it.

    Nothing is computed that needs a model. `open_datasets` returns a data set by its name, or None
    where it is not at hand: the gallery then shows saliencies without their images. `run` is the
    same folder, where its rows have been read. `num_pictured` is as `browser_of` has it.

    Raises:
        UserError: the run folder holds no row.
    """
    run = run or Run(store)
    sections = build_sections(run)
    missing = missing_of(run, sections)
    if not sections and not missing:
        raise UserError(
            "the run folder holds no score yet, so there is nothing to report; "
            "finish 'swagflow run' first"
        )
    holds = {section.name: holds_of(run, section) for section in sections}
    rankings = [(ranked, ranked.drawing()) for ranked in build_rankings(run)]
    models, maps = accuracy_of(run), maps_alike(run)
    maps_drawn = maps_drawing(maps, run.labels) if maps else None
    highlights = Chooser(run, sections, open_datasets).highlights(num_pictured)
    page = Page(
        sections=sections,
        holds=holds,
        rankings=rankings,
        maps=(maps, maps_drawn) if maps_drawn else None,
        models=models,
        missing=missing,
        highlights=highlights,
        failures=failure_texts(store.folder) if missing else {},
    )
    tables = files_of(page.sheets(run))
    files = tables | pictures(page.drawings(), highlights, run.labels)
    files["report.html"] = render_page(run, page, tables).encode()
    for path, content in files.items():
        store.write_bytes(path, content)
    return list(files)
