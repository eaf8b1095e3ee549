"""Machines that come and go in the middle of a run; here three of Ray's nodes on this one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from ray.cluster_utils import Cluster

from swagflow.engine.resources import Resources
from swagflow.on_ray import runner as on_ray_runner
from swagflow.on_ray.actor import Actor
from tests.support.runs import EXPLAINERS, Runner, same_results

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400), pytest.mark.usefixtures("quick_report")]
IMAGES = "datasets.squares.images=48"
KILLER = {"type": "tests.support.plugins:KILLER", "image_id": "square/5"}
ANY = {"object_store_memory": 80 * 2**20, "dashboard_agent_listen_port": 0}
NODE = {"num_cpus": 1, **ANY}


@pytest.fixture(scope="module")
def head() -> Iterator[Cluster]:
    """A head that has no room for workers."""
    cluster = Cluster(
        initialize_head=True,
        head_node_args={"num_cpus": 0, **ANY},
    )
    try:
        ray.init(address=cluster.address, log_to_driver=False)
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()


@pytest.fixture
def cluster(head: Cluster) -> Cluster:
    """The head, and two nodes with room for one worker each."""
    while len(head.worker_nodes) > 2:
        head.remove_node(next(iter(head.worker_nodes)))
    while len(head.worker_nodes) < 2:
        head.add_node(**NODE)
    head.wait_for_nodes()
    return head


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    runner = Runner(tmp_path_factory.mktemp("undisturbed"))
    assert runner(IMAGES) == 0
    return runner


def after_reports(
    monkeypatch: pytest.MonkeyPatch, folder: Path, count: int, act: Callable[[], object]
) -> None:
    """Do something once that many shards are done; those after it wait for a node to join.

    Every node that works leaves a file of its name in the folder.
    """
    known = {node["NodeID"] for node in ray.nodes()}
    folder.mkdir()

    class Marking(Actor):
        def run(self, *arguments: Any) -> Any:
            (folder / ray.get_runtime_context().get_node_id()).touch()
            deadline = time.monotonic() + 100
            while (folder / "joined").exists() and time.monotonic() < deadline:
                if {path.name for path in folder.iterdir()} - known - {"joined"}:
                    break
                time.sleep(0.05)
            return super().run(*arguments)

    take, done = on_ray_runner.Runner._take, []

    def acting(self: Any, *arguments: Any) -> Iterator[Any]:
        for report in take(self, *arguments):
            done.append(report)
            if len(done) == count:
                act()
                if {node["NodeID"] for node in ray.nodes()} - known:
                    (folder / "joined").touch()
            yield report

    monkeypatch.setattr(on_ray_runner, "Actor", Marking)
    monkeypatch.setattr(on_ray_runner.Runner, "_take", acting)


def test_a_lost_node_is_made_up_for_by_those_that_are_left(
    cluster: Cluster, tmp_path: Path, undisturbed: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No other ever comes, so that the lost worker's place is not to be had again."""
    runner = Runner(tmp_path)
    lost = next(iter(cluster.worker_nodes))
    after_reports(
        monkeypatch, tmp_path / "nodes", 3, lambda: cluster.remove_node(lost, allow_graceful=False)
    )
    assert runner(IMAGES, workers=2) == 0
    assert len(cluster.worker_nodes) == 1
    same_results(runner.folder, undisturbed)


def test_one_node_dies_and_another_joins(
    cluster: Cluster, tmp_path: Path, undisturbed: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a method among them that kills every worker on one shard: only its rows are errors."""
    runner = Runner(tmp_path)
    lost = next(iter(cluster.worker_nodes))
    known = {node["NodeID"] for node in ray.nodes()}

    def exchange() -> None:
        cluster.add_node(**NODE)
        cluster.remove_node(lost, allow_graceful=False)

    after_reports(monkeypatch, tmp_path / "nodes", 2, exchange)
    assert runner(IMAGES, workers=2, explainers={**EXPLAINERS, "killer": KILLER}) == 1
    scores = runner.scores()
    bad = scores[scores["error"].notna()]
    assert set(bad["image_id"]) == {f"square/{index}" for index in range(4, 8)}
    assert bad["error"].str.contains("its worker died 3 times").all()
    assert set(bad["explainer"]) == {"killer"}
    good = scores[scores["error"].isna() & (scores["explainer"] != "killer")]
    assert len(good) == 48 * len(EXPLAINERS)
    values = undisturbed.scores().set_index(["explainer", "image_id"])["value"]
    for _, row in good.iterrows():
        assert row["value"] == values[row["explainer"], row["image_id"]]
    worked = {path.name for path in (tmp_path / "nodes").iterdir()}
    assert len(worked - known - {"joined"}) == 1, "the node that joined had nothing to do"


def test_without_a_number_the_workers_are_as_many_as_the_cluster_holds(
    cluster: Cluster, tmp_path: Path, undisturbed: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And more of them as it grows."""
    monkeypatch.setattr(on_ray_runner, "CHECK_SECONDS", 0.5)
    monkeypatch.setattr("tests.support.runs.choose_resources", lambda *_, **__: Resources(None))
    runner = Runner(tmp_path)
    after_reports(monkeypatch, tmp_path / "nodes", 1, lambda: cluster.add_node(**NODE))
    assert runner(IMAGES) == 0
    worked = {path.name for path in (tmp_path / "nodes").iterdir()} - {"joined"}
    assert len(worked) == 3
    same_results(runner.folder, undisturbed)
