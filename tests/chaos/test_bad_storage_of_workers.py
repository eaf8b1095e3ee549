"""Workers of Ray whose object store answers badly: the same rows in the end, or one line."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from swagflow.engine.resources import choose_resources
from swagflow.on_ray.session import session
from swagflow.store import clients, lease
from swagflow.store.run_folder import Store
from tests.support import s3_proxy, s3_server
from tests.support.runs import FEW_IMAGES, Runner, same_results
from tests.support.s3_proxy import Proxy

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
ROOT = Path(__file__).resolve().parents[2]
MOST_RUNS = 8
KINDS = ("error", "reset", "cut", "slow", "busy", "lost")
IMPATIENCE = {"S3_ATTEMPTS": 2, "S3_SILENCE_SECONDS": 1.0}


def impatient() -> None:
    """Let this process give a storage up sooner."""
    vars(clients).update(IMPATIENCE)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Proxy]:
    """Two workers that reach the stand-in for S3 through a proxy only, and as impatient drivers."""
    with (
        s3_server.serving() as environment,
        s3_proxy.between(environment["AWS_ENDPOINT_URL"]) as proxy,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("AWS_ENDPOINT_URL", proxy.uri)
        patch.setenv("PYTHONPATH", str(ROOT))  # where workers find the hook
        for name, value in IMPATIENCE.items():
            patch.setattr(clients, name, value)
        hook = f"{impatient.__module__}.{impatient.__name__}"
        with session(choose_resources(2), runtime_env={"worker_process_setup_hook": hook}):
            yield proxy


@pytest.fixture
def proxy(cluster: Proxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Proxy]:
    for name, seconds in (("SETTLE", 0.0), ("STALE", 2.0), ("BEAT", 0.5)):
        monkeypatch.setattr(lease, f"{name}_SECONDS", seconds)
    cluster.requests.clear()
    yield cluster
    cluster.fault = lambda _method, _path: ""


def test_a_bad_day_of_the_store_costs_no_row(
    remote: Runner, proxy: Proxy, reference: Runner
) -> None:
    chance, kinds = random.Random(1), itertools.cycle(KINDS)
    proxy.fault = lambda _method, _path: next(kinds) if chance.random() < 0.12 else ""
    for _ in range(MOST_RUNS):
        code = remote(FEW_IMAGES, workers=2)
        assert "Traceback" not in remote.output
        if code == 0:
            break
        assert code == 2, remote.output
        assert "answered: " in remote.output.splitlines()[-1]
    proxy.fault = lambda _method, _path: ""
    assert remote(FEW_IMAGES, workers=2) == 0, remote.output
    same_results(remote.uri, reference)
    assert Store(remote.uri).read_scores("deletion")["error"].isna().all()
    met = {line.split()[2] for line in proxy.requests if len(line.split()) > 2}
    assert met == set(KINDS)


@pytest.mark.parametrize(
    ("fault", "message"),
    [("expired", "the credentials have expired: renew them"), ("hole", "answered: ")],
)
def test_a_store_that_is_gone_for_good_ends_the_run(
    remote: Runner, proxy: Proxy, reference: Runner, fault: str, message: str
) -> None:
    def after_some_parts(_method: str, _path: str) -> str:
        stored = [line for line in proxy.requests if line.startswith("PUT") and "parquet" in line]
        return fault if len(stored) > 4 else ""

    proxy.fault = after_some_parts
    assert remote(FEW_IMAGES, workers=2) == 2, remote.output
    line = remote.output.splitlines()[-1]
    assert line.startswith("Error: the storage of ")
    assert message in line
    assert "the same command goes on from there" in line
    proxy.fault = lambda _method, _path: ""
    assert remote(FEW_IMAGES, workers=2) == 0, remote.output
    same_results(remote.uri, reference)
    assert Store(remote.uri).read_scores("deletion")["error"].isna().all()
