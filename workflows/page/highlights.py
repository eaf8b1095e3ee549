"""What a page has once: headline, overview, gallery, scrubber and browser of images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

from ..report.figures import paths_of, render
from ..report.names import Labels
from ..report.overview import Overview, cost_drawing, overview_of
from ..report.sections import Drawing, Section
from ..report.source import Run
from ..store.experiments import MOST_METHODS, Experiment, Picture
from .browser import Browser, browser_of
from .gallery import OpenDataset, Shown, choose_shown, gallery_figure
from .scrubber import is_deletion, scrubber_data

GALLERY_IMAGES = 4
SCRUBBER_IMAGES = 6
MOST_IMAGES = 24  # over all data sets and models, so that the page stays a few megabytes


@dataclass(frozen=True, kw_only=True)
class Gallery:
    """Saliencies side by side."""

    section: str
    """Name of the section behind which it stands."""
    number: str
    stem: str
    methods: Sequence[str]
    shown: Sequence[Shown]


@dataclass(frozen=True, kw_only=True)
class Scrubber:
    """What the deletion scrubber draws from, and the section behind which it stands."""

    section: str
    data: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Highlights:
    """The parts of a page that it has once; None where nothing can be shown."""

    headline: Section | None = None
    overview: Overview | None = None
    """All metrics at once."""
    cost: Drawing | None = None
    """The headline's quality against its cost."""
    gallery: Gallery | None = None
    scrubber: Scrubber | None = None
    browser: Browser | None = None


class Chooser:
    """Chooses among the experiments that have a section; reads the masks of each once."""

    def __init__(self, run: Run, sections: Sequence[Section], open_dataset: OpenDataset) -> None:
        self._run = run
        self._open_dataset = cache(open_dataset)
        self._sections = {section.name: section for section in sections}
        self._shown: dict[str, list[Shown]] = {}

    def highlights(self, num_pictured: int | None = None) -> Highlights:
        run, sections = self._run, list(self._sections.values())
        headline = next((self._sections[name] for name, _ in self._willing("headline")), None)
        overview = overview_of(run, sections, headline) if headline else None
        return Highlights(
            headline=headline,
            overview=overview,
            cost=cost_drawing(run, overview) if overview else None,
            gallery=self._gallery(),
            scrubber=self._scrubber(),
            browser=browser_of(run, sections, self._open_dataset, num_pictured),
        )

    def _willing(
        self, part: Literal["headline", "gallery", "scrubber"]
    ) -> Iterator[tuple[str, Experiment]]:
        """Yield the experiments that ask for a part of the page, then those that leave it open."""
        there = [item for item in self._run.experiments.items() if item[0] in self._sections]
        yield from (item for item in there if getattr(item[1].show, part) not in {"auto", False})
        yield from (item for item in there if getattr(item[1].show, part) == "auto")

    def _gallery(self) -> Gallery | None:
        for name, experiment in self._willing("gallery"):
            shown = _first_of_each(self._shown_of(name, experiment), GALLERY_IMAGES)
            if shown:
                asked = experiment.show.gallery
                own = asked if isinstance(asked, Picture) else Picture()
                return Gallery(
                    section=name,
                    number=own.number,
                    stem=own.stem or f"{name}_gallery",
                    methods=experiment.explainers[:MOST_METHODS],
                    shown=shown,
                )
        return None

    def _scrubber(self) -> Scrubber | None:
        for name, experiment in self._willing("scrubber"):
            if is_deletion(self._run, experiment):
                data = scrubber_data(self._run, experiment, self._shown_of(name, experiment))
                if data is not None:
                    return Scrubber(section=name, data=data)
        return None

    def _shown_of(self, name: str, experiment: Experiment) -> list[Shown]:
        """Return some images with the masks of an experiment's first methods."""
        if name not in self._shown:
            columns = self._sections[name].table.columns
            num_cases = len({(dataset, model) for dataset, model, _ in columns})
            num_images = max(1, min(SCRUBBER_IMAGES, MOST_IMAGES // num_cases))
            few = replace(experiment, explainers=experiment.explainers[:MOST_METHODS])
            self._shown[name] = choose_shown(self._run, few, self._open_dataset, num_images)
        return self._shown[name]


def _first_of_each(shown: Sequence[Shown], number: int) -> list[Shown]:
    """Return the first images of each data set and model."""
    seen: dict[tuple[str, str], int] = {}
    kept = []
    for item in shown:
        key = (item.dataset, item.model)
        seen[key] = seen.get(key, 0) + 1
        if seen[key] <= number:
            kept.append(item)
    return kept


def pictures(
    drawings: Sequence[Drawing], highlights: Highlights, labels: Labels
) -> dict[str, bytes]:
    """Return figures and other pictures by their paths in the run folder."""
    files: dict[str, bytes] = dict(highlights.browser.files if highlights.browser else {})
    shown = [*drawings, *([highlights.cost] if highlights.cost else ())]
    rendered = {drawing.stem: drawing.rendered for drawing in shown}
    if gallery := highlights.gallery:
        figure = gallery_figure(gallery.shown, gallery.methods, labels)
        rendered[gallery.stem] = render(figure)
    for stem, kinds in rendered.items():
        files |= paths_of(stem, kinds)
    return files
