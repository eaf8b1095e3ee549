"""A failure in words: a line for the rows that it spoils, and a text for whoever has to mend it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path, PurePath
from traceback import TracebackException, extract_tb

import swag

from ..confidential import without_secrets

MAX_LINE = 500
"""Characters of an error in a row."""
OUT_OF_MEMORY = "out of memory: fewer --workers leave more to each, --retry-errors tries again"
MOST_SHOWN = 300
KEY_DIGITS = 12
PACKAGES = {
    "swag": Path(str(swag.__file__)).parent,
    "swagflow": Path(__file__).parents[1],
}
INSTALLED = ("site-packages", "dist-packages")


@dataclass(frozen=True)
class Failure:
    """What went wrong, without the exception itself, which would keep its tensors alive."""

    line: str
    """Type and message."""
    key: str
    """What failures that need one cure have in common."""
    text: str
    """The traceback, or what else is known."""

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """Return an exception's failure, its traceback from below the frame that caught it.

        Two are the same if their types and the lines that they passed are, and so are those of
        their causes; messages differ from image to image. Files are called as their package calls
        them, others by their last two names: neither a machine nor its user is in the key.
        """
        told = TracebackException.from_exception(error)
        del told.stack[:1]
        _rename(told)
        about = [
            [
                f"{type(link).__module__}.{type(link).__qualname__}",
                *_places(link, skipped=link is error),
            ]
            for link in _chain(error, [])
        ]
        line = f"{type(error).__name__}: {error}".removesuffix(": ")
        if _is_out_of_memory(error):
            line = f"{one_line(line)[:MOST_SHOWN]} ({OUT_OF_MEMORY})"
        return cls(one_line(line), _key(about), "".join(told.format()))

    @classmethod
    def told(cls, line: str, kind: str, text: str) -> Failure:
        """Return a failure of which there is no exception, such as a process that is gone.

        Args:
            line: for the rows.
            kind: what those have in common that need the same cure.
            text: all that is known.
        """
        return cls(one_line(line), _key(kind), text)


def _is_out_of_memory(error: BaseException) -> bool:
    """Tell whether there was no memory for something; PyTorch says so in words only, on CPUs."""
    told = type(error).__name__ == "OutOfMemoryError" or "DefaultCPUAllocator" in str(error)
    return told or isinstance(error, MemoryError)


def one_line(text: str) -> str:
    """Return a text as the error of a row: one line, not too long, of what UTF-8 can write."""
    joined = " ".join(writable(text).split())
    return joined if len(joined) <= MAX_LINE else f"{joined[: MAX_LINE - 1]}…"


def writable(text: str) -> str:
    """Return a text without secrets, and without halves of characters, as names of files have."""
    return without_secrets(text.encode("utf-8", "backslashreplace").decode("utf-8"))


def short_path(filename: str) -> str:
    """Return what a source file is called on every machine."""
    path = PurePath(filename)
    for name in INSTALLED:
        if name in path.parts:
            return "/".join(path.parts[path.parts.index(name) + 1 :])
    for package, folder in PACKAGES.items():
        if path.is_relative_to(folder):
            return "/".join([package, *path.relative_to(folder).parts])
    return "/".join(path.parts[-2:])


def _rename(told: TracebackException | None) -> None:
    """Call the files of a traceback, and of those before it, what every machine calls them."""
    if told is None:
        return
    for frame in told.stack:
        frame.filename = short_path(frame.filename)
    for other in (told.__cause__, told.__context__, *(told.exceptions or ())):
        _rename(other)


def _chain(error: BaseException, found: list[BaseException]) -> list[BaseException]:
    """Return an exception and what a traceback shows with it: causes, and the members of groups."""
    found.append(error)
    context = None if error.__suppress_context__ else error.__context__
    members = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    for other in (error.__cause__ or context, *members):
        if other is not None and not any(other is known for known in found):
            _chain(other, found)
    return found


def _places(error: BaseException, *, skipped: bool) -> list[str]:
    """Return the lines passed, each once, so that the depth of a recursion does not count.

    Where `skipped`, the first frame, which caught the exception, is left out.
    """
    frames = extract_tb(error.__traceback__)[int(skipped) :]
    return list(dict.fromkeys(f"{short_path(f.filename)}:{f.lineno}" for f in frames))


def _key(about: object) -> str:
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()[:KEY_DIGITS]
