"""A proxy in front of the stand-in for S3, which answers as badly as stores and networks can."""

from __future__ import annotations

import http.client
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

FAULTS = ("error", "busy", "reset", "lost", "cut", "slow", "expired", "hole")
"""error, busy: 500 and 503. reset: the connection, before anything was done. lost: likewise, after
it was done. cut: half of the answer. slow: half a second late. expired: the session is over. hole:
no answer ever."""
SLOW_SECONDS = 0.5
ANSWERS = {
    "error": (500, "InternalError", "We encountered an internal error. Please try again."),
    "busy": (503, "SlowDown", "Please reduce your request rate."),
    "expired": (400, "ExpiredToken", "The provided token has expired."),
}

LINE_END = "-an-end-of-a-line-"
"""Stands for one in keys, which the stand-in has no place for."""

Fault = Callable[[str, str], str]
"""From a request's method and path to one of `FAULTS`, or to nothing."""


@dataclass
class Proxy:
    """A proxy that is up."""

    upstream: str
    fault: Fault = lambda _method, _path: ""
    requests: list[str] = field(default_factory=list)
    """What was asked, with the fault that it met."""
    ended: threading.Event = field(default_factory=threading.Event)
    uri: str = ""


@contextmanager
def between(upstream: str) -> Iterator[Proxy]:
    """Serve on the loopback address inside the block, in front of `upstream`."""
    proxy = Proxy(upstream)

    class Handler(_Handler):
        served = proxy

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    proxy.uri = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    served: Proxy

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        pass

    def _do(self) -> None:
        body = self._body()
        fault = self.served.fault(self.command, self.path)
        self.served.requests.append(f"{self.command} {self.path} {fault}".strip())
        if fault in ANSWERS:
            self._answer(*ANSWERS[fault])
        elif fault == "reset":
            self._reset()
        elif fault == "hole":
            self.served.ended.wait()
            self._reset()
        else:
            if fault == "slow":
                time.sleep(SLOW_SECONDS)
            self._forward(body, fault)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _do

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            chunks = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():  # trailers
                pass
            return b"".join(chunks)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _forward(self, body: bytes, fault: str) -> None:
        place = urlsplit(self.served.upstream).netloc
        connection = http.client.HTTPConnection(place, timeout=60)
        dropped = {"transfer-encoding", "content-length", "connection", "expect"}
        headers = {k: v for k, v in self.headers.items() if k.lower() not in dropped}
        path = self.path.replace("%0A", LINE_END)
        connection.request(self.command, path, body, {**headers, "Connection": "close"})
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if "xml" in (answer.getheader("Content-Type") or ""):
            # As S3 spells them, and not the stand-in: readers of XML take such ends for others.
            content = content.replace(b"\r", b"&#13;").replace(LINE_END.encode(), b"&#10;")
        if fault == "lost":
            self._reset()
            return
        self.send_response_only(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in {"transfer-encoding", "connection", "content-length"}:
                self.send_header(name, value)
        length = answer.getheader("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", length or str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if fault == "cut" else content)
        if fault == "cut":
            self.close_connection = True

    def _answer(self, status: int, code: str, message: str) -> None:
        content = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message>"
        body = f"{content}</Error>".encode()
        self.send_response_only(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _reset(self) -> None:
        """End the connection so that the other side sees a reset."""
        with suppress(OSError):
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.close_connection = True
        self.connection.close()
