"""How far a method of many passes is, while it runs."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from swag.classifier import Classifier
from swag.protocols import needs_of, passes_of, shared_passes

Tell = Callable[[int, int | None], None]
"""Is told how many images and perturbed copies went through the model forwards, and of how many;
None: the method does not say."""
SECONDS_BETWEEN_LINES = 10.0
SECONDS_BETWEEN_CHANGES = 0.1


@contextmanager
def watched(
    classifier: Classifier, explainer: object, num_images: int, tell: Tell | None
) -> Iterator[None]:
    """Have somebody told after each pass inside the block; None: nobody."""
    if tell is None:
        yield
        return
    total = num_images * (
        passes_of(explainer).forwards + shared_passes(needs_of(explainer)).forwards
    )
    done = 0

    def passed(count: int) -> None:
        nonlocal done
        done += count
        tell(done, total if done <= total else None)

    before = classifier.tell
    classifier.tell = passed
    try:
        yield
    finally:
        classifier.tell = before


@contextmanager
def on_stderr(name: str) -> Iterator[Tell]:
    """Yield what tells it there: on a terminal in one line that changes, elsewhere now and then."""
    live = sys.stderr.isatty()
    pause = SECONDS_BETWEEN_CHANGES if live else SECONDS_BETWEEN_LINES
    last = time.monotonic()
    shown = ""

    def tell(done: int, total: int | None) -> None:
        nonlocal last, shown
        text = f"{name}: {done:,}" + (f" of {total:,}" if total else "") + " images and copies"
        if time.monotonic() - last >= pause:
            last = time.monotonic()
            end = "\r" if live else "\n"
            sys.stderr.write(text.ljust(len(shown)) + end)
            sys.stderr.flush()
            shown = text

    try:
        yield tell
    finally:
        if live and shown:
            sys.stderr.write(" " * len(shown) + "\r")
