"""A real Ray head on this machine that asks for a token, and `swagflow` as its user runs it."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Head:
    """A head that is up."""

    dashboard: str
    """Where jobs are submitted, http://HOST:PORT."""
    address: str
    """Where drivers connect, HOST:PORT."""
    folder: Path
    """Logs and whatever else Ray writes."""
    environment: Mapping[str, str] = field(repr=False)
    """What its users' machines have: the token, and no credentials."""

    def start(self, *command: str, **variables: str) -> subprocess.Popen[str]:
        """Start a Python program that takes `command` as its arguments."""
        return subprocess.Popen(
            [sys.executable, "-u", *command],
            cwd=ROOT,
            env={**self.environment, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def call(self, *command: str, **variables: str) -> tuple[int, str]:
        process = self.start(*command, **variables)
        text, _ = process.communicate(timeout=600)
        return process.returncode, text


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def running(variables: Mapping[str, str]) -> Iterator[Head]:
    """Start a head, wait until it takes jobs, and end it by its id.

    Args:
        variables: the environment of the cluster's machines alone, such as credentials.
    """
    # Ray's sockets lie below this folder, and their paths must be short.
    folder = Path(tempfile.mkdtemp(prefix="head-", dir="/tmp"))
    port, dashboard = free_port(), free_port()
    environment = {
        **{
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("RAY_", "AWS_"))
        },
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_worker_niceness": "0",  # see conftest.py
        "OMP_NUM_THREADS": "1",
    }
    command = [
        *[sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"],
        *[f"--port={port}", "--dashboard-host=127.0.0.1", f"--dashboard-port={dashboard}"],
        *["--num-cpus=2", "--num-gpus=0", "--object-store-memory=100000000"],
        *[f"--dashboard-agent-listen-port={free_port()}", f"--temp-dir={folder}"],
        "--node-ip-address=127.0.0.1",
    ]
    head = Head(f"http://127.0.0.1:{dashboard}", f"127.0.0.1:{port}", folder, environment)
    with (folder / "output").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, env={**environment, **variables}
        )
        try:
            _wait(head, process)
            yield head
        finally:
            process.terminate()
            process.wait(timeout=60)
            shutil.rmtree(folder, ignore_errors=True)


def _wait(head: Head, process: subprocess.Popen[bytes]) -> None:
    for _ in range(20):
        code, text = head.call("-m", "swagflow", "status", "--address", head.dashboard)
        if code == 0:
            return
        assert process.poll() is None, (head.folder / "output").read_text()
        time.sleep(1)
    raise AssertionError(text)
