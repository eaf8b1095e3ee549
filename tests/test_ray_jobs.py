"""Jobs on a real head, which asks for a token of its own.

Clients are processes of their own, because Ray reads its authentication settings once in a process.
"""

from __future__ import annotations

import os
import re
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from workflows import ray_jobs

ROOT = Path(__file__).resolve().parent.parent

CLIENT = """
import sys
from pathlib import Path
from rich.console import Console
from workflows import ray_jobs
from workflows.errors import UserError
from workflows.submit import Request

console, address = Console(width=300), sys.argv[1]

def submit(command=None, **fields):
    if command is not None:
        Request.command = f"python -c {command!r}"
    request = Request(**{"benchmark": "full-benchmark", "run_dir": "s3://bucket/first", **fields})
    detach = request.environment.get("DETACH") == "1"
    return ray_jobs.submit(request, address, console, detach=detach)

try:
    sys.exit(eval(sys.argv[2]))
except UserError as error:
    print(error)
    sys.exit(2)
"""


@dataclass(frozen=True)
class Head:
    address: str
    environment: dict[str, str] = field(repr=False)

    def start(self, call: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-u", "-c", CLIENT, self.address, call],
            cwd=ROOT,
            env={**self.environment, **variables},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def call(self, call: str, **variables: str) -> tuple[int, str]:
        process = self.start(call, **variables)
        text, _ = process.communicate(timeout=300)
        return process.returncode, text


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Head]:
    """Start a head, wait until it takes jobs, and end it by its id."""
    folder = tmp_path_factory.mktemp("head")
    port = free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("RAY_")},
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        "OMP_NUM_THREADS": "1",
    }
    command = [
        *[sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block"],
        *[f"--port={free_port()}", "--dashboard-host=127.0.0.1", f"--dashboard-port={port}"],
        *["--num-cpus=2", "--num-gpus=0", "--object-store-memory=100000000"],
        f"--dashboard-agent-listen-port={free_port()}",
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)
        try:
            ready = Head(f"http://127.0.0.1:{port}", environment)
            for _ in range(20):
                code, text = ready.call("ray_jobs.job_status(address, None, console)")
                if code == 0:
                    break
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(1)
            assert code == 0, text
            yield ready
        finally:
            process.terminate()
            process.wait(timeout=60)


def job_name(text: str) -> str:
    return str(re.findall(r"swagflow-[a-z-]+-[0-9a-f]{8}", text)[0])


@pytest.mark.slow
def test_job_is_followed_to_its_exit_code(head: Head) -> None:
    code, text = head.call(
        "submit('import workflows; print(1234, workflows.__file__); raise SystemExit(3)')"
    )
    assert code == 3, text
    assert "Uploading" not in text
    sent = re.findall(r"^1234 (.+)$", text, re.MULTILINE)
    assert sent
    assert not Path(sent[0]).is_relative_to(ROOT), "the job ran other code than was sent"
    name = job_name(text)
    code, text = head.call(f"ray_jobs.job_status(address, {name!r}, console)")
    assert code == 3, text
    assert f"{name}: failed" in text
    assert "s3://bucket/first" in text
    code, text = head.call(f"ray_jobs.follow(address, {name!r}, console)")
    assert code == 3, text
    assert "1234 " in text


@pytest.mark.slow
def test_job_is_left_taken_up_again_and_stopped(head: Head) -> None:
    waiting = "submit('import time; print(1234, flush=True); time.sleep(200)'"
    code, text = head.call(f"{waiting}, environment={{'DETACH': '1'}})")
    assert code == 0, text
    name = job_name(text)
    assert f"swagflow status --address {head.address} --job {name} --follow" in text

    follower = head.start(f"ray_jobs.follow(address, {name!r}, console)")
    assert follower.stdout is not None
    assert any("1234" in line for line in follower.stdout)
    follower.send_signal(signal.SIGINT)
    rest = follower.stdout.read()
    assert follower.wait(timeout=30) == ray_jobs.EXIT_INTERRUPTED, rest
    assert "The run goes on without you" in rest

    code, text = head.call(f"ray_jobs.job_status(address, {name!r}, console)")
    assert (code, f"{name}: running" in text) == (0, True), text
    code, text = head.call(f"ray_jobs.stop(address, {name!r}, console)")
    assert code == 0, text
    assert f"{name}: stopped" in text
    assert "goes on from there" in text


@pytest.mark.slow
def test_unknown_job_and_wrong_token_are_user_errors(head: Head) -> None:
    code, text = head.call("ray_jobs.follow(address, 'swagflow-nothing', console)")
    assert (code, "has no job 'swagflow-nothing'" in text) == (2, True), text
    code, text = head.call(
        "ray_jobs.job_status(address, None, console)", RAY_AUTH_TOKEN=secrets.token_hex(32)
    )
    assert (code, "asks for a token" in text) == (2, True), text


@pytest.mark.slow
def test_benchmark_runs_as_a_job(head: Head, tmp_path: Path) -> None:
    config = tmp_path / "small.yaml"
    config.write_text(
        "name: small\ndatasets: {digit_scenes: {images: 4}}\nmodels: [tiny_vgg]\n"
        "explainers: [centre, swag]\nmetrics: [deletion]\n"
        "experiments: {table1: {metric: deletion, explainers: [centre, swag]}}\n"
    )
    run_dir = tmp_path / "run"
    code, text = head.call(
        f"submit(benchmark={str(config)!r}, run_dir={str(run_dir)!r}, workers=1)"
    )
    assert code == 0, text
    assert len(list((run_dir / "scores").rglob("*.parquet"))) == 2
    assert (run_dir / "report.html").exists()
