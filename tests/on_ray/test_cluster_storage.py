"""Runs on a real Ray cluster whose machines, and nobody else, may write to an object store."""

from __future__ import annotations

import importlib.util
import io
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import boto3
import pandas as pd
import pytest
import yaml
from rich.console import Console

from swagflow.cli.report import write_report
from swagflow.cli.status import show_status
from swagflow.config.load import resolve
from swagflow.engine.compute import compute
from swagflow.engine.opening import Opened, open_benchmark
from swagflow.engine.resources import choose_resources
from swagflow.engine.work import InProcess
from swagflow.errors import UserError
from swagflow.store.run_folder import Store
from tests.support import ray_head, s3_server
from tests.support.ray_head import ROOT, Head
from tests.support.runs import rows_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
CLI = ("-m", "swagflow")
LONG = 300.0
"""Seconds that nothing takes, however busy the machine is."""
JOBS = """
import sys
from ray.job_submission import JobSubmissionClient
print([job.dict() for job in JobSubmissionClient(sys.argv[1]).list_jobs()])
"""


@dataclass(frozen=True)
class Site:
    """A cluster with its store, and a user's folder with a benchmark and a package of its own."""

    head: Head
    folder: Path
    machines: dict[str, str] = field(repr=False)
    """The environment of the cluster's machines."""

    @property
    def config(self) -> Path:
        return self.folder / "toy.yaml"

    @property
    def gate(self) -> Path:
        return self.folder / "gate"

    def submit(self, run: str, *options: str) -> subprocess.Popen[str]:
        return self.head.start(
            *CLI, "submit", str(self.config), "--address", self.head.dashboard, "--run-dir",
            f"s3://{s3_server.BUCKET}/{run}", "--module", str(self.folder / "brought"),
            "--workers", "2", *options,
        )  # fmt: skip

    def worker_at_gate(self, follower: subprocess.Popen[str]) -> int:
        """Return the process that waits at the gate; its next one will be written there anew."""
        deadline = time.monotonic() + LONG
        while not (text := self.gate.read_text()):
            assert follower.poll() is None, follower.communicate()[0]
            assert time.monotonic() < deadline, "nobody came"
            time.sleep(0.1)
        self.gate.write_text("")
        return int(text)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("user")
    package = folder / "brought"
    package.mkdir()
    plugins = (ROOT / "tests" / "support" / "plugins.py").read_text()
    # What a driver that was killed leaves is given up sooner than in earnest.
    short = (
        "\nfrom swagflow.store import lease\nlease.BEAT_SECONDS, lease.STALE_SECONDS = 1.0, 6.0\n"
    )
    (package / "__init__.py").write_text(plugins + short)
    explainers = {
        "centre": {},
        "swag": {"superpixels": {"num_segments": 6}},
        "gated": {"type": "brought:GATED", "file": str(folder / "gate"), "image_id": "square/9"},
    }
    config = {
        "name": "toy",
        "datasets": {"squares": {"type": "brought:Squares", "images": 24}},
        "models": {"toy": {"architecture": "brought:toy_cnn", "weights": "random:0"}},
        "explainers": explainers,
        "metrics": {"deletion": {}, "efficiency": {"images": 2}},
        "experiments": {
            "table1": {"metric": "deletion", "explainers": list(explainers)},
            "times": {"metric": "efficiency", "explainers": list(explainers)},
        },
        "shard_size": 4,
    }
    (folder / "toy.yaml").write_text(yaml.safe_dump(config))
    with s3_server.serving() as credentials:
        s3_server.keep_versions()
        machines = {**credentials, "PYTHONPATH": str(ROOT)}
        with ray_head.running(machines) as head:
            yield Site(head, folder, machines)


def parts(run: str) -> dict[str, list[str]]:
    return {key: held for key, held in s3_server.versions(f"{run}/").items() if "parquet" in key}


def driver_of(run: str) -> int:
    """Return the process of a job's `swagflow run`."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().decode().split("\0")
        except OSError:  # ended meanwhile
            continue
        if "run" in words and f"s3://{s3_server.BUCKET}/{run}" in words and "python" in words[0]:
            return int(path.parent.name)
    raise AssertionError("the driver is gone")


@pytest.fixture(scope="module")
def local(site: Site) -> Store:
    """The same benchmark, run in this process."""
    store = Store(str(site.folder / "local"))
    assert compute(opened(site), store, InProcess(choose_resources(0)), Console(file=io.StringIO()))
    return store


def opened(site: Site) -> Opened:
    """Open the benchmark with the package's classes under their own name, and lasting leases."""
    if "brought" not in sys.modules:
        path = ROOT / "tests" / "support" / "plugins.py"
        spec = importlib.util.spec_from_file_location("brought", path)
        assert spec is not None
        assert spec.loader is not None
        sys.modules["brought"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["brought"])
    return open_benchmark(resolve(yaml.safe_load(site.config.read_text())))


def assert_same_bits(mine: Store, other: Store) -> None:
    pd.testing.assert_frame_equal(rows_of(mine), rows_of(other), check_exact=True)
    for explainer in ("centre", "swag", "gated"):
        ours, theirs = (s.read_explanations("squares", "toy", explainer) for s in (mine, other))
        assert len(theirs) == 24
        assert {k: v.tobytes() for k, v in ours.items()} == {
            k: v.tobytes() for k, v in theirs.items()
        }


def test_jobs_are_killed_and_submitted_again_until_all_is_there(
    site: Site, local: Store, tmp_path: Path
) -> None:
    head, said = site.head, []
    site.gate.write_text("")
    first = site.submit("first")
    site.worker_at_gate(first)

    # Meanwhile another driver is turned away.
    uri = f"s3://{s3_server.BUCKET}/first"
    console = Console(file=io.StringIO())
    with pytest.raises(UserError, match="another run is at work in 's3://bucket/first'"):
        compute(opened(site), Store(uri), InProcess(choose_resources(0)), console)

    # Stopped by its user.
    assert first.stdout is not None
    name = re.findall(r"swagflow-toy-[0-9a-f]{8}", first.stdout.readline())[0]
    code, text = head.call(*CLI, "status", "--address", head.dashboard, "--job", name, "--stop")
    assert (code, f"{name}: stopped" in text) == (0, True), text
    said += [text, first.communicate(timeout=LONG)[0]]
    assert first.returncode == 130, said[-1]
    held = parts("first")
    assert 0 < len(held) < 36

    # First a worker is killed, which the run survives, then its driver.
    third = site.submit("first")
    os.kill(site.worker_at_gate(third), signal.SIGKILL)
    site.worker_at_gate(third)
    os.kill(driver_of("first"), signal.SIGKILL)
    said.append(third.communicate(timeout=LONG)[0])
    assert third.returncode == 128 + signal.SIGKILL, said[-1]
    assert held.items() <= parts("first").items()
    held = parts("first")

    site.gate.unlink()
    last = site.submit("first")
    said.append(last.communicate(timeout=LONG)[0])
    assert last.returncode == 0, said[-1]
    assert "this run takes over" in said[-1]
    assert "rows held already" in said[-1]
    everything = parts("first")
    assert len(everything) == 36 + 3
    assert all(len(versions) == 1 for versions in everything.values()), "computed twice"
    assert held.items() <= everything.items()

    stream = io.StringIO()
    assert show_status(uri, Console(file=stream, width=200)) == 0
    assert stream.getvalue().count(" 24 ") == 3
    write_report(uri, Console(file=stream, width=200))
    fetch("first/", tmp_path)
    assert_same_bits(Store(str(tmp_path / "first")), local)
    assert "swag" in (tmp_path / "first" / "report.html").read_text()
    jobs = head.call("-c", JOBS, head.dashboard)[1]
    assert uri in jobs
    assert_no_secrets(site, [jobs, stream.getvalue(), *said], tmp_path)


def fetch(prefix: str, folder: Path) -> None:
    """Copy a run folder here, as a bucket's tools do."""
    client = boto3.client("s3")
    for key in s3_server.objects(prefix):
        (folder / key).parent.mkdir(parents=True, exist_ok=True)
        client.download_file(s3_server.BUCKET, key, str(folder / key))


def assert_no_secrets(site: Site, texts: list[str], folder: Path) -> None:
    """Look into what was said, the run folder and whatever Ray wrote down."""
    files = [path for root in (folder, site.head.folder) for path in root.rglob("*")]
    contents = {str(path): path.read_bytes() for path in files if path.is_file()}
    assert any("job-driver-swagflow" in name for name in contents)
    contents |= {f"text {number}": text.encode() for number, text in enumerate(texts)}
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    secrets = [s3_server.CREDENTIALS[name] for name in names]
    for secret in [*secrets, site.head.environment["RAY_AUTH_TOKEN"]]:
        assert not [name for name, content in contents.items() if secret.encode() in content]


def test_rows_with_errors_come_home_as_an_exit_code(site: Site) -> None:
    images = "datasets.squares={type: 'brought:Squares', images: 8, bad_every: 5}"
    process = site.submit("bad", "--set", images, "--set", "explainers=[centre]")
    text, _ = process.communicate(timeout=LONG)
    assert process.returncode == 1, text
    assert "the file ends too early (1 rows)" in text


def test_a_driver_on_the_cluster_gives_the_same_bits(
    site: Site, local: Store, tmp_path: Path
) -> None:
    """Its workers are sent no package: they find it where every machine has it."""
    config = tmp_path / "toy.yaml"
    config.write_text(site.config.read_text().replace("brought:", "tests.support.plugins:"))
    command = [*CLI, "run", str(config), "--run-dir", str(tmp_path / "run"), "--address"]
    code, text = site.head.call(*command, site.head.address, "--workers", "2")
    assert code == 0, text
    assert_same_bits(Store(str(tmp_path / "run")), local)
