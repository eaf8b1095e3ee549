"""Folders of many files, on a disk and behind S3's protocol; `benchmarks.scale` lists them."""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit
from xml.sax.saxutils import escape

import pytest

from tests.support.s3_server import CREDENTIALS

KEYS_OF_A_PAGE = 1000
"""As many as Amazon's service gives at a time."""


@contextmanager
def local_folder(paths: Sequence[str]) -> Iterator[str]:
    """Make empty files of those names in a temporary folder."""
    with tempfile.TemporaryDirectory() as folder:
        made: set[Path] = set()
        for path in paths:
            file = Path(folder) / path
            if file.parent not in made:
                file.parent.mkdir(parents=True)
                made.add(file.parent)
            file.touch()
        yield folder


@contextmanager
def listing_server(paths: Sequence[str]) -> Iterator[str]:
    """Serve pages of keys that are made before, so that hardly any of the time is the server's."""
    folders: dict[str, list[str]] = {}
    for path in sorted(paths):
        folders.setdefault(f"run/{path.partition('/')[0]}/", []).append(f"run/{path}")
    pages = {folder: _pages(folder, keys) for folder, keys in folders.items()}
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(pages))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CREDENTIALS.items():
            patch.setenv(name, value)
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        try:
            yield "s3://bucket/run"
        finally:
            server.shutdown()
            server.server_close()


def _handler(pages: Mapping[str, Sequence[bytes]]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            query = parse_qs(urlsplit(self.path).query)
            number = int(query.get("continuation-token", ["0"])[0])
            page = pages[query["prefix"][0]][number]
            self.send_response(200)
            self.send_header("Content-Type", "application/xml")
            self.send_header("Content-Length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def _pages(prefix: str, keys: Sequence[str]) -> list[bytes]:
    """Return the answers to ListObjectsV2; the next page's number is its token."""
    pages = []
    for first in range(0, len(keys), KEYS_OF_A_PAGE):
        last = min(first + KEYS_OF_A_PAGE, len(keys))
        number = first // KEYS_OF_A_PAGE + 1
        is_last = last == len(keys)
        token = "" if is_last else f"<NextContinuationToken>{number}</NextContinuationToken>"
        pages.append(
            (
                '<?xml version="1.0" encoding="UTF-8"?>'
                '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">'
                f"<Name>bucket</Name><Prefix>{prefix}</Prefix><KeyCount>{last - first}</KeyCount>"
                f"<MaxKeys>{KEYS_OF_A_PAGE}</MaxKeys>"
                f"<IsTruncated>{str(not is_last).lower()}</IsTruncated>{token}"
                f"{''.join(map(_entry, keys[first:last]))}</ListBucketResult>"
            ).encode()
        )
    return pages


def _entry(key: str) -> str:
    return (
        f"<Contents><Key>{escape(key)}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
        "<ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag><Size>0</Size>"
        "<StorageClass>STANDARD</StorageClass></Contents>"
    )
