"""Work whose worker died: what is tried again and how, and what is given up."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Generic

from ..engine.work import ItemT

MAX_TRIES = 3


class Suspects(Generic[ItemT]):
    """Pieces of work whose worker died with them.

    Each gets a worker to itself, before all that waits. One that kills that too is tried in parts,
    where it has any: then only the part that kills is given up.
    """

    def __init__(self) -> None:
        self.waiting: deque[ItemT] = deque()
        self.num_added = 0
        """Pieces that have come of others' parts, beyond those themselves."""
        self._deaths: dict[str, int] = {}

    def __contains__(self, item: ItemT) -> bool:
        return item.name in self._deaths

    def add(self, lost: Sequence[ItemT]) -> list[ItemT]:
        """Take what a dead worker had, oldest first; return what is to be given up."""
        if len(lost) > 1:  # any of them may have been the one
            for item in lost:
                self._deaths.setdefault(item.name, 0)
            self.waiting.extend(lost)
            return []
        return [item for item in lost if not self._tried_again(item)]

    def add_overdue(self, item: ItemT) -> list[ItemT]:
        """Take a piece that took too long; return it where it has no parts to try."""
        return [] if self._tried_in_parts(item, 0) else [item]

    def _tried_again(self, item: ItemT) -> bool:
        deaths = self._deaths.get(item.name, 0) + 1
        if self._tried_in_parts(item, deaths):
            return True
        self._deaths[item.name] = deaths
        if deaths < MAX_TRIES:
            self.waiting.append(item)
        return deaths < MAX_TRIES

    def _tried_in_parts(self, item: ItemT, deaths: int) -> bool:
        parts = item.apart()
        if len(parts) < 2:
            return False
        self._deaths.update({part.name: deaths for part in parts})
        self.waiting.extend(parts)
        self.num_added += len(parts) - 1
        return True
