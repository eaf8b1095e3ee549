"""The SLURM script, run with stand-ins for the commands of a real site, and with the real Ray."""

from __future__ import annotations

import os
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "cluster" / "swagflow.sbatch"

STAND_INS = {
    "srun": """
        while [[ $1 == --* ]]; do options+=("$1"); shift; done
        echo "srun ${options[*]} | $*" >> "$LOG"
        [[ $1 == hostname ]] && { echo "fe80::1 10.0.0.7 192.168.0.7"; exit; }
        exec "$@"
    """,
    "scontrol": """
        echo "scontrol $*" >> "$LOG"
        [[ $1 == show ]] && printf '%s\\n' node-a node-b node-c || true
    """,
    "ray": """
        trap 'echo "ray stopped" >> "$LOG"; exit 143' TERM
        echo "token $RAY_AUTH_MODE $RAY_AUTH_TOKEN" >> "$LOG"
        echo "ray $*" >> "$LOG"
        if [[ $1 == status ]]; then
            [[ $(grep -c '^ray status' "$LOG") -ge ${HEAD_ANSWERS:-2} ]]
            exit
        fi
        sleep 100 & wait
    """,
    "swagflow": """
        trap 'echo "driver stopped" >> "$LOG"; exit 143' TERM
        while [[ $(grep -c '^ray start' "$LOG") -lt ${RAYS:-2} ]]; do sleep 0.02; done
        echo "token $RAY_AUTH_MODE $RAY_AUTH_TOKEN" >> "$LOG"
        echo "swagflow $*" >> "$LOG"
        [[ -n ${DRIVER_SECONDS:-} ]] && { sleep "$DRIVER_SECONDS" & wait; }
        exit "${DRIVER_EXIT:-0}"
    """,
}


@pytest.fixture
def site(tmp_path: Path) -> dict[str, str]:
    """Return the environment of an allocation of three nodes with four GPUs each."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, body in STAND_INS.items():
        path = commands / name
        path.write_text(f"#!/usr/bin/env bash\n{body}")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return {
        "PATH": f"{commands}:{os.environ['PATH']}",
        "LOG": str(tmp_path / "log"),
        "POLL": "0.05",
        "RUN_DIR": "/shared/runs/first",
        "SLURM_JOB_ID": "70123",
        "SLURM_JOB_NODELIST": "node-[a-c]",
        "SLURM_JOB_NUM_NODES": "3",
        "SLURM_CPUS_PER_TASK": "16",
        "SLURM_GPUS_ON_NODE": "4",
    }


def execute(site: dict[str, str]) -> tuple[int, list[str]]:
    done = subprocess.run(["bash", str(SCRIPT)], env=site, check=False, timeout=30)
    return done.returncode, Path(site["LOG"]).read_text().splitlines()


def test_slurm_script_starts_head_workers_and_driver_in_order(site: dict[str, str]) -> None:
    code, log = execute({**site, "EXTRA": "--set models=[tiny_vgg]"})
    assert code == 0
    address = "10.0.0.7:30123"
    head = next(i for i, line in enumerate(log) if "ray start --head" in line)
    worker = next(i for i, line in enumerate(log) if "| ray start --block" in line)
    assert "--nodelist=node-a" in log[head]
    assert "--node-ip-address=10.0.0.7 --port=30123" in log[head]
    assert "--dashboard-agent-listen-port=50123" in log[head]
    assert "--num-gpus=4" in log[head]
    assert "--nodes=2 --ntasks=2 --exclude=node-a" in log[worker]
    assert f"--address={address}" in log[worker]
    answered = max(i for i, line in enumerate(log) if line.startswith("ray status"))
    driver = next(i for i, line in enumerate(log) if line.startswith("swagflow"))
    assert head < answered < min(worker, driver)
    assert log[driver] == (
        f"swagflow run full-benchmark --run-dir /shared/runs/first --address {address} "
        "--device cuda --workers 12 --set models=[tiny_vgg]"
    )


@pytest.mark.parametrize("code", [0, 1, 2])
def test_slurm_script_ends_with_the_runs_exit_code_and_stops_ray(
    site: dict[str, str], code: int
) -> None:
    returned, log = execute({**site, "DRIVER_EXIT": str(code)})
    assert returned == code
    assert log.count("ray stopped") == 2


def test_slurm_script_makes_a_token_for_each_job(site: dict[str, str]) -> None:
    tokens = set()
    for _ in range(2):
        Path(site["LOG"]).unlink(missing_ok=True)
        _, log = execute(site)
        seen = {line for line in log if line.startswith("token ")}
        assert len(seen) == 1, "head, workers and driver must have the same one"
        tokens |= seen
    assert len(tokens) == 2
    assert all(re.fullmatch(r"token token [0-9a-f]{64}", token) for token in tokens)


def test_slurm_script_serves_one_node_without_gpus(site: dict[str, str]) -> None:
    site.pop("SLURM_GPUS_ON_NODE")
    site |= {"SLURM_JOB_NUM_NODES": "1", "RAYS": "1", "BENCHMARK": "sweep.yaml"}
    code, log = execute(site)
    assert code == 0
    assert not any("--exclude" in line for line in log)
    driver = next(line for line in log if line.startswith("swagflow"))
    assert driver.startswith("swagflow run sweep.yaml ")
    assert driver.endswith("--device cpu --workers 16")


def test_slurm_script_gives_up_on_a_head_that_does_not_answer(site: dict[str, str]) -> None:
    code, log = execute({**site, "HEAD_ANSWERS": "1000", "POLL": "0.001"})
    assert code == 1
    assert not any(line.startswith("swagflow") for line in log)
    assert log.count("ray stopped") == 1


def test_slurm_script_needs_a_run_folder(site: dict[str, str]) -> None:
    site.pop("RUN_DIR")
    done = subprocess.run(
        ["bash", str(SCRIPT)], env=site, check=False, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "set RUN_DIR" in done.stderr


@pytest.mark.slow
def test_slurm_script_with_the_real_ray(site: dict[str, str], tmp_path: Path) -> None:
    """One node: a driver that connects with the job's token sees the resources asked for."""
    commands = tmp_path / "bin"
    (commands / "ray").unlink()
    (commands / "srun").write_text(
        '#!/usr/bin/env bash\nwhile [[ $1 == --* ]]; do shift; done\nexec "$@"\n'
    )
    (commands / "swagflow").write_text(
        f"#!{sys.executable}\nimport ray, sys\n"
        "ray.init(address=sys.argv[sys.argv.index('--address') + 1], log_to_driver=False)\n"
        "sys.exit(40 + int(ray.cluster_resources()['CPU']))\n"
    )
    site |= {
        "PATH": f"{commands}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "SLURM_JOB_NUM_NODES": "1",
        "SLURM_JOB_ID": str(os.getpid()),
        "SLURM_CPUS_PER_TASK": "2",
        "SLURM_GPUS_ON_NODE": "0",
        "POLL": "1",
    }
    done = subprocess.run(["bash", str(SCRIPT)], env=site, check=False, timeout=110)
    assert done.returncode == 42


@pytest.fixture
def running(site: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """The script with its driver at work."""
    process = subprocess.Popen(["bash", str(SCRIPT)], env={**site, "DRIVER_SECONDS": "60"})
    log, deadline = Path(site["LOG"]), time.monotonic() + 20
    while not (log.exists() and "\nswagflow" in log.read_text()):
        assert time.monotonic() < deadline, "the driver did not start"
        time.sleep(0.05)
    yield process
    process.kill()
    process.wait()


@pytest.mark.parametrize(
    ("number", "code", "requeued"), [(signal.SIGUSR1, 0, True), (signal.SIGTERM, 143, False)]
)
def test_slurm_script_stops_everything_on_a_signal(
    site: dict[str, str],
    running: subprocess.Popen[bytes],
    number: signal.Signals,
    code: int,
    requeued: bool,
) -> None:
    running.send_signal(number)
    assert running.wait(timeout=20) == code
    log = Path(site["LOG"]).read_text().splitlines()
    assert log.count("driver stopped") == 1
    assert log.count("ray stopped") == 2
    assert ("scontrol requeue 70123" in log) is requeued


def test_slurm_script_passes_shellcheck() -> None:
    beside = Path(sys.executable).parent / "shellcheck"
    command = str(beside) if beside.exists() else shutil.which("shellcheck")
    if command is None:
        pytest.skip("shellcheck is not installed")
    paths = [str(SCRIPT), str(ROOT / ".ci" / "run")]
    done = subprocess.run([command, *paths], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
