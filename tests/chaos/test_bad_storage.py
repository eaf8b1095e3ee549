"""Runs whose object store answers badly: the same rows, or one line; and nothing is lost."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Iterator

import pytest

from swagflow.store import clients, lease
from swagflow.store.run_folder import Store
from tests.support import s3_proxy, s3_server
from tests.support.runs import FEW_IMAGES, Runner, same_results
from tests.support.s3_proxy import Proxy

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
MOST_RUNS = 12
KINDS = ("error", "busy", "reset", "lost", "cut", "slow")


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, str]]:
    with s3_server.serving() as environment:
        yield environment


@pytest.fixture
def proxy(server: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    monkeypatch.setattr(lease, "SETTLE_SECONDS", 0.0)
    monkeypatch.setattr(lease, "STALE_SECONDS", 2.0)
    monkeypatch.setattr(lease, "BEAT_SECONDS", 0.5)
    monkeypatch.setattr(clients, "S3_ATTEMPTS", 3)
    with s3_proxy.between(server["AWS_ENDPOINT_URL"]) as between:
        monkeypatch.setenv("AWS_ENDPOINT_URL", between.uri)
        yield between


def held(
    remote: Runner, server: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> dict[str, bytes]:
    """Return the parts that are in the bucket, by whatever way leads there."""
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", server["AWS_ENDPOINT_URL"])
        found = s3_server.objects(remote.uri.split("/", 3)[3])
    return {key: body for key, body in found.items() if key.endswith(".parquet")}


@pytest.mark.parametrize("seed", [1])
def test_a_bad_day_of_the_store_costs_no_row(  # noqa: PLR0917 - fixtures
    remote: Runner,
    proxy: Proxy,
    server: dict[str, str],
    reference: Runner,
    monkeypatch: pytest.MonkeyPatch,
    seed: int,
) -> None:
    chance, kinds = random.Random(seed), itertools.cycle(KINDS)

    def fault(method: str, path: str) -> str:
        return next(kinds) if chance.random() < 0.12 else ""

    proxy.fault = fault
    before: dict[str, bytes] = {}
    for _ in range(MOST_RUNS):
        code = remote(FEW_IMAGES)
        now = held(remote, server, monkeypatch)
        assert before.items() <= now.items()
        before = now
        if code == 0:
            break
        assert code == 2, remote.output
        assert "answered: " in remote.output.splitlines()[-1]
    proxy.fault = lambda _method, _path: ""
    assert remote(FEW_IMAGES) == 0
    same_results(remote.uri, reference)
    met = {line.split()[2] for line in proxy.requests if len(line.split()) > 2}
    assert met == set(KINDS)


@pytest.mark.parametrize(
    ("fault", "message"),
    [("expired", "the credentials have expired: renew them"), ("hole", "answered: ")],
)
def test_a_store_that_is_gone_for_good_ends_the_run(  # noqa: PLR0917 - fixtures
    remote: Runner,
    proxy: Proxy,
    reference: Runner,
    monkeypatch: pytest.MonkeyPatch,
    fault: str,
    message: str,
) -> None:
    monkeypatch.setattr(clients, "S3_ATTEMPTS", 1)
    monkeypatch.setattr(clients, "S3_SILENCE_SECONDS", 1.0)

    def after_some_parts(method: str, path: str) -> str:
        stored = [line for line in proxy.requests if line.startswith("PUT") and "parquet" in line]
        return fault if len(stored) > 4 else ""

    proxy.fault = after_some_parts
    start = time.monotonic()
    assert remote(FEW_IMAGES) == 2, remote.output
    assert time.monotonic() - start < 60
    line = remote.output.splitlines()[-1]
    assert line.startswith("Error: the storage of ")
    assert message in line
    assert "the same command goes on from there" in line
    proxy.fault = lambda _method, _path: ""
    assert remote(FEW_IMAGES) == 0, remote.output
    assert "rows held already" in remote.output
    same_results(remote.uri, reference)
    assert Store(remote.uri).read_scores("deletion")["error"].isna().all()
