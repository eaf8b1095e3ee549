"""Runs as jobs of a Ray cluster: what is sent, and how a log is followed."""

from __future__ import annotations

import asyncio
import io
import json
import shlex
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import pytest
from rich.console import Console

from swagflow.errors import UserError
from swagflow.on_ray import jobs
from swagflow.on_ray.submission import (
    Request,
    check,
    new_name,
    parse_environment,
    runtime_environment,
)

RUN_DIR = "s3://bucket/runs/first"


def request_of(**fields: Any) -> Request:
    return Request(**{"benchmark": "full-benchmark", "run_dir": RUN_DIR, **fields})


@pytest.fixture
def screen() -> Console:
    return Console(file=io.StringIO(), width=200)


# What is sent


def test_command_repeats_the_arguments_of_run() -> None:
    request = request_of(
        overrides=("models=[tiny_vgg]", "seed=3"),
        only=("table1",),
        workers=4,
        device="cuda",
        retry_errors=True,
        task_timeout=600.0,
        verbosity=2,
    )
    assert shlex.split(request.command) == [
        *["python", "-m", "swagflow", "-v", "-v", "run", "full-benchmark", "--address", "auto"],
        *["--run-dir", RUN_DIR, "--workers", "4", "--device", "cuda", "--retry-errors"],
        *["--task-timeout", "600"],
        *["--set", "models=[tiny_vgg]", "--set", "seed=3", "--only", "table1"],
    ]


def test_command_survives_a_shell() -> None:
    words = ["a b", "$HOME", "x'y", "*", "; rm -r nothing"]
    request = request_of(overrides=tuple(f"name={word}" for word in words))
    code = "import json, sys; print(json.dumps(sys.argv[1:]))"
    done = subprocess.run(
        ["sh", "-c", f"{shlex.join([sys.executable, '-c', code])} {request.command}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)[-1] == "name=; rm -r nothing"
    assert json.loads(done.stdout) == shlex.split(request.command)


def test_configuration_file_goes_along(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "sweep.yaml"
    path.parent.mkdir()
    path.write_text("name: sweep\n")
    request = request_of(config=str(path))
    assert "--config sweep.yaml" in request.command
    with runtime_environment(request) as environment:
        folder = Path(environment["working_dir"])
        assert (folder / "sweep.yaml").read_text() == "name: sweep\n"
    assert not folder.exists()


def test_code_goes_along_but_no_variable_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "do-not-send")
    with runtime_environment(request_of(environment={"OMP_NUM_THREADS": "2"})) as environment:
        names = {Path(module).name for module in environment["py_modules"]}
        assert names == {"swag", "swagflow"}
        assert all((Path(module) / "__init__.py").exists() for module in environment["py_modules"])
        assert all((Path(environment["py_modules"][1]) / "configs").glob("*.yaml"))
        assert environment["env_vars"]["OMP_NUM_THREADS"] == "2"
        assert "do-not-send" not in json.dumps(environment)


@pytest.mark.parametrize("run_dir", ["runs/first", "./first", "~/runs"])
def test_run_folder_of_this_machine_is_refused(run_dir: str) -> None:
    with pytest.raises(UserError, match="folder of this machine"):
        check(request_of(run_dir=run_dir))


def test_shared_run_folder_is_accepted(tmp_path: Path) -> None:
    check(request_of(run_dir=str(tmp_path)))
    check(request_of())


def test_wrong_configuration_is_found_before_anything_is_sent() -> None:
    with pytest.raises(UserError, match="explainrs"):
        check(request_of(overrides=("explainrs=[swag]",)))


@pytest.mark.parametrize("name", ["AWS_SECRET_ACCESS_KEY", "HF_TOKEN", "db_password"])
def test_credentials_are_refused(name: str) -> None:
    with pytest.raises(UserError, match="looks like a credential") as caught:
        check(request_of(environment={name: "hidden"}))
    assert "hidden" not in str(caught.value)


def test_folder_that_is_no_package_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no Python package"):
        check(request_of(modules=(tmp_path,)))


def test_a_package_that_is_sent_along_is_found_here_too(tmp_path: Path) -> None:
    package = tmp_path / "brought_along"
    package.mkdir()
    (package / "__init__.py").write_text("from tests.support.plugins import BRIGHTNESS\n")
    overrides = ("explainers={bright: {type: 'brought_along:BRIGHTNESS'}}",)
    with pytest.raises(UserError, match="brought_along"):
        check(request_of(overrides=overrides))
    check(request_of(overrides=overrides, modules=(package,)))
    assert str(tmp_path) not in sys.path


def test_environment_options() -> None:
    assert parse_environment(["A=1", "B=x=y", "C="]) == {"A": "1", "B": "x=y", "C": ""}
    for wrong in ("A", "=1", "A B=1"):
        with pytest.raises(UserError, match="NAME=VALUE"):
            parse_environment([wrong])


def test_names_differ_and_are_recognised() -> None:
    names = {new_name("folder/sweep.yaml") for _ in range(20)}
    assert len(names) == 20
    assert all(name.startswith("swagflow-sweep-") for name in names)


# Following a log


class FakeClient:
    """Cuts the connection after each of `pieces`, and then goes on repeating the log so far."""

    def __init__(self, *pieces: str) -> None:
        self.pieces = pieces
        self.connections = 0

    async def tail_job_logs(self, _job: str) -> AsyncIterator[str]:
        self.connections += 1
        for piece in self.pieces[: self.connections]:
            for start in range(0, len(piece), 3):
                yield piece[start : start + 3]
        if self.connections < len(self.pieces):
            raise RuntimeError("connection closed")


def test_lost_connections_neither_lose_nor_repeat_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "POLL_SECONDS", 0.0)
    client = FakeClient("first\nsec", "", "ond\nth", "ird\n")
    written: list[str] = []
    asyncio.run(jobs._print_log(cast(Any, client), "job", written.append))
    assert "".join(written) == "first\nsecond\nthird\n"
    assert client.connections == 4


def test_follower_gives_up_on_a_connection_that_never_holds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(jobs, "POLL_SECONDS", 0.0)
    client = FakeClient(*[""] * 100)
    asyncio.run(jobs._print_log(cast(Any, client), "job", print))
    assert client.connections == jobs.MAX_FAILURES


@pytest.mark.parametrize("address", ["127.0.0.1:8265", "ray://127.0.0.1:10001", "auto"])
def test_address_must_be_a_dashboards(address: str, screen: Console) -> None:
    with pytest.raises(UserError, match="wanted the address of a cluster"):
        jobs.job_status(address, None, screen)


def test_silent_address_is_a_user_error(screen: Console) -> None:
    with pytest.raises(UserError, match="no Ray cluster answers"):
        jobs.submit(request_of(), "http://127.0.0.1:9", screen)


class Refusing(BaseHTTPRequestHandler):
    """A dashboard that nobody may enter."""

    def do_GET(self) -> None:
        self.send_response(401)
        self.end_headers()
        self.wfile.write(b"Unauthorized: Missing authentication token")

    def log_message(self, *_args: object) -> None:
        pass


def test_refused_token_is_a_user_error(screen: Console) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Refusing) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            with pytest.raises(UserError, match="RAY_AUTH_TOKEN"):
                jobs.job_status(f"http://127.0.0.1:{server.server_port}", None, screen)
        finally:
            server.shutdown()
