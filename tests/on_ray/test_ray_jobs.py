"""Jobs on a real head, which asks for a token of its own.

Clients are processes of their own, because Ray reads its authentication settings once in a process.
"""

from __future__ import annotations

import re
import secrets
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from swagflow.errors import EXIT_INTERRUPTED
from tests.support import ray_head
from tests.support.ray_head import ROOT, Head

CLIENT = """
import sys
from pathlib import Path
from rich.console import Console
from swagflow.on_ray import jobs
from swagflow.errors import UserError
from swagflow.on_ray.submission import Request

console, address = Console(width=300), sys.argv[1]

def submit(command=None, **fields):
    if command is not None:
        Request.command = f"python -c {command!r}"
    request = Request(**{"benchmark": "full-benchmark", "run_dir": "s3://bucket/first", **fields})
    detach = request.environment.get("DETACH") == "1"
    return jobs.submit(request, address, console, detach=detach)

try:
    sys.exit(eval(sys.argv[2]))
except UserError as error:
    print(error)
    sys.exit(2)
"""


@pytest.fixture(scope="module")
def head() -> Iterator[Head]:
    with ray_head.running({}) as head:
        yield head


def start(head: Head, call: str, **variables: str) -> subprocess.Popen[str]:
    return head.start("-c", CLIENT, head.dashboard, call, **variables)


def ask(head: Head, call: str, **variables: str) -> tuple[int, str]:
    return head.call("-c", CLIENT, head.dashboard, call, **variables)


def job_name(text: str) -> str:
    return str(re.findall(r"swagflow-[a-z-]+-[0-9a-f]{8}", text)[0])


@pytest.mark.slow
def test_job_is_followed_to_its_exit_code(head: Head) -> None:
    code, text = ask(
        head, "submit('import swagflow; print(1234, swagflow.__file__); raise SystemExit(3)')"
    )
    assert code == 3, text
    assert "Uploading" not in text
    sent = re.findall(r"^1234 (.+)$", text, re.MULTILINE)
    assert sent
    assert not Path(sent[0]).is_relative_to(ROOT), "the job ran other code than was sent"
    name = job_name(text)
    code, text = ask(head, f"jobs.job_status(address, {name!r}, console)")
    assert code == 3, text
    assert f"{name}: failed" in text
    assert "s3://bucket/first" in text
    code, text = ask(head, f"jobs.follow(address, {name!r}, console)")
    assert code == 3, text
    assert "1234 " in text


@pytest.mark.slow
def test_job_is_left_taken_up_again_and_stopped(head: Head) -> None:
    waiting = "submit('import time; print(1234, flush=True); time.sleep(200)'"
    code, text = ask(head, f"{waiting}, environment={{'DETACH': '1'}})")
    assert code == 0, text
    name = job_name(text)
    assert f"swagflow status --address {head.dashboard} --job {name} --follow" in text

    follower = start(head, f"jobs.follow(address, {name!r}, console)")
    assert follower.stdout is not None
    assert any("1234" in line for line in follower.stdout)
    follower.send_signal(signal.SIGINT)
    rest, _ = follower.communicate(timeout=30)
    assert follower.returncode == EXIT_INTERRUPTED, rest
    assert "The run goes on without you" in rest

    code, text = ask(head, f"jobs.job_status(address, {name!r}, console)")
    assert (code, f"{name}: running" in text) == (0, True), text
    code, text = ask(head, f"jobs.stop(address, {name!r}, console)")
    assert code == 0, text
    assert f"{name}: stopped" in text
    assert "goes on from there" in text


@pytest.mark.slow
def test_unknown_job_and_wrong_token_are_user_errors(head: Head) -> None:
    code, text = ask(head, "jobs.follow(address, 'swagflow-nothing', console)")
    assert (code, "has no job 'swagflow-nothing'" in text) == (2, True), text
    code, text = ask(
        head, "jobs.job_status(address, None, console)", RAY_AUTH_TOKEN=secrets.token_hex(32)
    )
    assert (code, "asks for a token" in text) == (2, True), text
