"""What a page shows beside a run's settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..report.answers import Accuracy
from ..report.export import Sheet
from ..report.holds import Holds
from ..report.maps_alike import MapsAlike, maps_sheet
from ..report.names import Labels
from ..report.rankings import Ranked, ranking_sheets
from ..report.sections import Drawing, Section
from ..report.sheets import other_sheets, section_sheets
from ..report.source import Run
from ..report.tables import Missing
from .highlights import Highlights


@dataclass(frozen=True, kw_only=True)
class Page:
    """All parts of a page, as numbers."""

    sections: Sequence[Section]
    missing: Sequence[Missing]
    highlights: Highlights
    holds: Mapping[str, Holds | None] = field(default_factory=dict)
    """By the name of the section."""
    rankings: Sequence[tuple[Ranked, Drawing]] = ()
    maps: tuple[Sequence[MapsAlike], Drawing] | None = None
    """How far the methods' maps agree; None where there are no two."""
    models: Sequence[Accuracy] = ()
    failures: Mapping[str, str] = field(default_factory=dict)
    """Files of what went wrong by name."""

    def sheets(self, run: Run) -> list[Sheet]:
        """Return the tables."""
        return [
            *(s for each in self.sections for s in self._sheets_of(each, run.labels)),
            *(sheet for ranked, _ in self.rankings for sheet in ranking_sheets(ranked)),
            *([maps_sheet(self.maps[0], run.seed)] if self.maps else ()),
            *other_sheets(self.models, self.missing),
        ]

    def _sheets_of(self, section: Section, labels: Labels) -> list[Sheet]:
        return section_sheets(section, self.holds.get(section.name), labels)

    def drawings(self) -> list[Drawing]:
        """Return the figures of experiments, and of what is found in them."""
        found = [drawing for section in self.sections for drawing in section.drawings]
        found += [each.drawing for each in self.holds.values() if each and each.drawing]
        found += [drawing for _, drawing in self.rankings]
        return [*found, *([self.maps[1]] if self.maps else ())]
