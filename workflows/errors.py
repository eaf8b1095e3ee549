"""What can go wrong, in one place, and how a command then ends.

UserError     what the user gave cannot work; one message, exit code 2, no traceback
StorageError  the run folder cannot be read or written; it ends the run, which can be resumed
ImageError    one image cannot be used; it becomes a row with the error in it
DamagedError  a file of a run folder does not hold what was written
"""

from collections.abc import Iterator
from contextlib import contextmanager

from .confidential import without_secrets

EXIT_MISSING_ROWS = 1
EXIT_USER_ERROR = 2
EXIT_LOST_CLUSTER = 3
EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143
MOST_CHARACTERS = 2000
"""In the message of an error of a user's."""


class UserError(Exception):
    """The message says what was got, what was wanted and how to mend it.

    It is one line that every terminal can show, whatever of the user's it repeats, but secrets.
    """

    def __init__(self, message: str) -> None:
        super().__init__(_one_line(without_secrets(message)))


class StorageError(UserError):
    """The message says which folder, what its storage answered and what to look at."""


class ImageError(Exception):
    """The message says what is wrong with the image."""


class DamagedError(Exception):
    """The message says which file, and what is wrong with it."""


def printable(text: str) -> str:
    """Return a text as one line for a terminal: names of files have whatever in them."""
    return "".join(
        each
        if each.isprintable()
        else " "
        if each.isspace()
        else each.encode("unicode_escape").decode()
        for each in text
    )


def _one_line(text: str) -> str:
    """Return a text as one line, and without its middle if long.

    What was wanted and the cure stand at the end.
    """
    shown = printable(text)
    if len(shown) <= MOST_CHARACTERS:
        return shown
    half = MOST_CHARACTERS // 2 - 2
    return f"{shown[:half]} … {shown[-half:]}"


@contextmanager
def as_user_error(path: str = "") -> Iterator[None]:
    """Make a ValueError of the block a UserError, with the place of what the user gave before it.

    `swag` raises ValueError for whatever it is given that cannot work.
    """
    try:
        yield
    except ValueError as error:
        raise UserError(f"{path}: {error}" if path else str(error)) from error
