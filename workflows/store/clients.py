"""Clients of storages: what opens an address, and how often it tries again."""

from __future__ import annotations

import fsspec
import pyarrow as pa
from pyarrow import fs

from ..errors import UserError

GOOGLE_RETRY_SECONDS = 20
"""How long Google's client tries again; by itself it does so for a quarter of an hour, also where
there are no credentials or there is no network."""
S3_ATTEMPTS = 5
"""Of a request, with growing pauses: about 7 s of errors, 25 s of silence."""
S3_SILENCE_SECONDS = 3.0
"""How long an attempt waits for an answer."""


def opened(uri: str, connections: int) -> tuple[fs.FileSystem, str]:
    """Return the filesystem of a URI, pyarrow's own where it has one, and the path on it.

    Args:
        connections: how many S3's client opens.

    Raises:
        UserError: no filesystem is known for it.
    """
    pa.set_io_thread_count(connections)
    # Older pyarrow does not know every option.
    for candidate in (_with_options(uri), uri):
        try:
            filesystem, root = fs.FileSystem.from_uri(candidate)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            continue
        except (OSError, pa.ArrowException) as error:
            raise UserError(f"{uri!r} cannot be opened: {error}") from error
        return _patient(filesystem), root
    return _fsspec(uri)


def _patient(filesystem: fs.FileSystem) -> fs.FileSystem:
    """Return an S3 client that gives up sooner where nobody answers.

    By itself it tries 31 times, 0.2 s apart: silence then ends a run after 99 s and more.
    """
    if not isinstance(filesystem, fs.S3FileSystem):
        return filesystem
    _, (options,) = filesystem.__reduce__()
    retries = fs.AwsStandardS3RetryStrategy(max_attempts=S3_ATTEMPTS)
    ours = {"retry_strategy": retries, "request_timeout": S3_SILENCE_SECONDS}
    return fs.S3FileSystem(**{**options, **ours})


def _with_options(uri: str) -> str:
    if uri.startswith("s3://"):
        # A small file is then one request instead of three.
        option = "allow_delayed_open=true"
    elif uri.startswith(("gs://", "gcs://")):
        option = f"retry_limit_seconds={GOOGLE_RETRY_SECONDS}"
    else:
        return uri
    return uri if option.partition("=")[0] in uri else f"{uri}{'&' if '?' in uri else '?'}{option}"


def _fsspec(uri: str) -> tuple[fs.FileSystem, str]:
    try:
        filesystem, root = fsspec.core.url_to_fs(uri)
    except (ValueError, ImportError, OSError) as error:
        raise UserError(f"{uri!r} cannot be opened: {error}") from error
    return fs.PyFileSystem(fs.FSSpecHandler(filesystem)), root
