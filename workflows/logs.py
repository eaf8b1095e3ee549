"""Logging: what one would want to know of a run that behaves oddly.

Modules log to `logging.getLogger(__name__)`, so everything is below the logger "swagflow" and a
program that uses the package directs it as it likes; by itself the package prints nothing. The
command line shows warnings on its standard error, `-v` also what begins and ends, `-vv` everything.

Workers of Ray log at the level of their driver to their own standard error, which Ray keeps in the
log files of its session on their machine (worker-*.err). It does not pass them on to the driver's
screen: a thousand workers would drown its progress, and what befalls their work comes back as rows.
"""

from __future__ import annotations

import logging

from rich.console import Console
from rich.highlighter import NullHighlighter
from rich.logging import RichHandler

from .confidential import without_secrets

LOGGER = logging.getLogger(str(__package__))
LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)
LINE = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class _Formatter(logging.Formatter):
    """Leaves out what a log is not to tell."""

    def format(self, record: logging.LogRecord) -> str:
        return without_secrets(super().format(record))


class _Lines(logging.Handler):
    """Writes a record as a line, however long."""

    def __init__(self, console: Console) -> None:
        super().__init__()
        self._console = console
        self.setFormatter(_Formatter(LINE))

    def emit(self, record: logging.LogRecord) -> None:
        self._console.print(self.format(record), soft_wrap=True, markup=False, highlight=False)


def setup(verbosity: int, console: Console) -> None:
    """Show the package's log: 0 warnings, 1 what happens, 2 everything.

    On a terminal by rich, elsewhere in plain lines. Calling it again replaces the earlier setting.
    """
    to(console, LEVELS[min(verbosity, len(LEVELS) - 1)])


def to(console: Console, level: int) -> None:
    """Show the package's log from a level on."""
    for handler in LOGGER.handlers[:]:
        if isinstance(handler, RichHandler | _Lines):
            LOGGER.removeHandler(handler)
    if console.is_terminal:
        rich = RichHandler(console=console, show_path=False, highlighter=NullHighlighter())
        rich.setFormatter(_Formatter("%(name)s: %(message)s"))
        LOGGER.addHandler(rich)
    else:
        LOGGER.addHandler(_Lines(console))
    LOGGER.setLevel(level)


def current_level() -> int:
    """Return the level from which on something is shown, for workers to be given."""
    return LOGGER.getEffectiveLevel()


def verbosity() -> int:
    """Return what `setup` was called with, as far as the level shows it."""
    return sum(current_level() <= level for level in LEVELS[1:])


def setup_worker(level: int) -> None:
    """Show a worker's log on its standard error, from its driver's level on."""
    to(Console(stderr=True, force_terminal=False), level)
