"""What a page shows beside a run's settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ..report.answers import Accuracy
from ..report.holds import Holds
from ..report.maps_alike import MapsAlike
from ..report.rankings import Ranked
from ..report.sections import Drawing, Section
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
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Tables by their paths in the run folder: the page holds them, so that it can be sent on."""

    def drawings(self) -> list[Drawing]:
        """Return the figures of experiments, and of what is found in them."""
        found = [drawing for section in self.sections for drawing in section.drawings]
        found += [each.drawing for each in self.holds.values() if each and each.drawing]
        found += [drawing for _, drawing in self.rankings]
        return [*found, *([self.maps[1]] if self.maps else ())]
