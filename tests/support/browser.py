"""A page in a browser without a window, and what a script in it sees."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

BROWSER = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="needs Chromium or Chrome on the PATH")
OPTIONS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run "
    "--disable-background-networking --disable-component-update --disable-sync "
    "--remote-debugging-port=0"
)
UNTIL = """
const until = async (test) => {
  for (let n = 0; n < 400 && !test(); n += 1) await new Promise((done) => setTimeout(done, 50));
};
"""


def run_page(page: Path, script: str, *, width: int = 1280) -> Any:
    """Return what the body of an asynchronous function returns in a page.

    It may call `await until(test)`, which waits for 20 seconds at most. An error in a script of the
    page fails the test.
    """
    with _browser() as port:
        return asyncio.run(_evaluated(port, page.as_uri(), UNTIL + script, width))


@contextmanager
def _browser() -> Iterator[int]:
    """Start a browser; yield the port on which it takes orders."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [str(BROWSER), *OPTIONS.split(), f"--user-data-dir={profile}", "about:blank"]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            said, deadline = Path(profile, "DevToolsActivePort"), time.monotonic() + 60
            while not said.exists() or not said.read_text():
                assert time.monotonic() < deadline, "the browser does not start"
                time.sleep(0.05)
            yield int(said.read_text().splitlines()[0])
        finally:
            process.kill()
            process.wait()


async def _evaluated(port: int, uri: str, script: str, width: int) -> Any:
    """Open a page and run a script in it, by the Chrome DevTools protocol."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{port}/json/list") as answer:
            (tab, *_) = [each for each in await answer.json() if each["type"] == "page"]
        async with session.ws_connect(tab["webSocketDebuggerUrl"], max_msg_size=0) as socket:

            async def heard() -> Any:
                message = await socket.receive_json(timeout=60)
                assert message.get("method") != "Runtime.exceptionThrown", message
                return message

            async def ask(number: int, method: str, **parameters: object) -> Any:
                await socket.send_json({"id": number, "method": method, "params": parameters})
                while (answer := await heard()).get("id") != number:
                    pass
                return answer["result"]

            await ask(0, "Runtime.enable")
            await ask(1, "Page.enable")
            await ask(2, "Emulation.setDeviceMetricsOverride", **size)
            await ask(3, "Page.navigate", url=uri)
            while (await heard()).get("method") != "Page.loadEventFired":
                pass
            wanted = {"awaitPromise": True, "returnByValue": True}
            expression = f"(async () => {{ {script} }})()"
            found = await ask(4, "Runtime.evaluate", expression=expression, **wanted)
    assert "exceptionDetails" not in found, found["exceptionDetails"]
    return found["result"]["value"]
