"""Planted passwords, keys and tokens are in no file of a run, in no log and in no job."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from ray._private.runtime_env import packaging
from rich.console import Console

from swagflow import logs
from swagflow.cli import main
from swagflow.cli.check import check_run
from swagflow.cli.status import show_status
from swagflow.confidential import holds_secret, secret_places, without_secrets
from swagflow.config.load import load_benchmark
from swagflow.errors import UserError
from swagflow.on_ray.submission import Request, check, runtime_environment
from swagflow.store.files import Folder
from tests.support.runs import Runner

WORD = "hunter22"
PLANTED = {
    "AWS_SECRET_ACCESS_KEY": "wJalr/planted+secret=",
    "AWS_SESSION_TOKEN": "planted-session-token",
    "HF_TOKEN": "hf_planted_token",
    "SOME_API_KEY": "planted-api-key",
    "DATABASE_PASSWORD": "planted-password",
}
SECRETS = [WORD, *PLANTED.values()]


@pytest.fixture(autouse=True)
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in PLANTED.items():
        monkeypatch.setenv(name, value)


def assert_none_in(text: str, where: object = "") -> None:
    for secret in SECRETS:
        assert secret not in text, where


def texts_of(folder: Path) -> dict[str, str]:
    """Return what the files of a folder hold; those with compressed rows, unpacked."""
    return {
        str(path): str(pq.read_table(path).to_pydict())
        if path.suffix == ".parquet"
        else path.read_bytes().decode("latin-1")
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.usefixtures("undrawn")
def test_no_file_of_a_run_and_no_line_of_its_log_has_a_secret(runner: Runner) -> None:
    stream = io.StringIO()
    logs.setup(2, Console(file=stream, width=1000))
    blabbing = {"type": "tests.support.plugins:BLABBING"}
    try:
        code = runner("datasets.squares.images=3", explainers={"centre": {}, "blabbing": blabbing})
        assert code == 1
    finally:
        logs.setup(0, Console(quiet=True))
    screen = Console(file=stream, width=1000)
    show_status(runner.uri, screen)
    check_run(runner.uri, screen)
    found = texts_of(runner.folder)
    told = [text for text in found.values() if "***" in text]
    assert len(told) >= 4, "failure, masks, scores and page say that something is left out"
    for path, text in found.items():
        assert_none_in(text, path)
    assert "me:***@host" in stream.getvalue()
    assert_none_in(stream.getvalue() + runner.output)


@pytest.mark.parametrize(
    "uri",
    [
        f"s3://user:{WORD}@bucket/run",
        f"s3://user:a/{WORD}@bucket/run",
        f"s3://[:{WORD}@",
        f"s3://a b:{WORD}@bucket",
        f"s3://bucket/run?secret_key={WORD}",
        f"s3://bucket/run?endpoint_override=http://me:{WORD}@host",
        f"sftp://:{WORD}@host/run",
        f"https://host/run?X-Amz-Signature={WORD}",
    ],
)
def test_an_address_with_a_secret_is_refused_and_not_repeated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], uri: str
) -> None:
    with pytest.raises(UserError, match="holds a password") as refused:
        Folder.at(uri)
    assert_none_in(str(refused.value))
    with pytest.raises(UserError, match=r"datasets\.pictures\.root: it holds a password") as wrong:
        load_benchmark("image-folder", [f"datasets.pictures.root={uri}"])
    assert_none_in(str(wrong.value))
    with pytest.raises(UserError, match="--run-dir: it holds a password") as sent:
        check(Request(benchmark="full-benchmark", run_dir=uri))
    assert_none_in(str(sent.value))
    with pytest.raises(SystemExit):
        main(["status", uri])
    assert_none_in("".join(capsys.readouterr()))


def test_a_job_takes_no_secret_along(tmp_path: Path) -> None:
    package = tmp_path / "own"
    (package / ".git").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    for name in (".git/config", ".env", ".env.local", ".netrc", "key.pem"):
        (package / name).write_text(WORD)
    request = Request(benchmark="full-benchmark", run_dir="s3://bucket/run", modules=(package,))
    check(request)
    assert_none_in(request.command)
    with runtime_environment(request) as environment:
        assert_none_in(json.dumps(environment))
        for text in texts_of(Path(environment["working_dir"])).values():
            assert_none_in(text)
        for number, module in enumerate(environment["py_modules"]):
            packed = tmp_path / f"{number}.zip"
            packaging.create_package(
                module, packed, include_gitignore=True, excludes=environment["excludes"]
            )
            with zipfile.ZipFile(packed) as archive:
                assert any(name.endswith("__init__.py") for name in archive.namelist())
                for name in archive.namelist():
                    assert_none_in(archive.read(name).decode("latin-1"), name)
    with pytest.raises(UserError, match="--env PROXY: it looks like a credential"):
        check(
            Request(
                benchmark="full-benchmark",
                run_dir="s3://bucket/run",
                environment={"PROXY": f"http://me:{WORD}@proxy"},
            )
        )


def test_what_is_no_secret_stays() -> None:
    for text in (
        "s3://bucket/pictures/a:b@c.png",
        "http://127.0.0.1:9000/bucket/me@home",
        "s3://bucket/run?region=eu&endpoint_override=http://host:80",
        "tests.support.plugins:BLABBING",
        "me@home: 3",
    ):
        assert not holds_secret(text)
        assert without_secrets(text) == text
    assert list(secret_places({"own": {"num_tokens": "3", "token": "cls", "password": ""}})) == []
    assert list(secret_places({"own": [{"password": WORD}]})) == ["own.password"]
