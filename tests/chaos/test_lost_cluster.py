"""A Ray of one's own: who can reach it, and what is said when it is gone."""

from __future__ import annotations

import os
import signal
import stat
import sys
from pathlib import Path

import pytest

from swagflow.store.run_folder import Store
from tests.support import chaos

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc"),
]
LOOPBACK = {
    "0100007F",  # 127.0.0.1
    "0000000000000000FFFF00000100007F",  # ::ffff:127.0.0.1
    "00000000000000000000000001000000",  # ::1
}
LISTENING = "0A"


def listening(processes: dict[int, str]) -> dict[str, str]:
    """Return the addresses that processes listen on, as /proc writes them, with whose they are."""
    sockets = {}
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == LISTENING:
                sockets[f"socket:[{fields[9]}]"] = fields[1]
    found = {}
    for number, command in processes.items():
        for file in Path(f"/proc/{number}/fd").iterdir():
            try:
                target = str(file.readlink())
            except OSError:  # closed meanwhile
                continue
            if target in sockets:
                found[sockets[target]] = command
    return found


@pytest.mark.parametrize("lost", ["raylet", "gcs"])
def test_a_lost_cluster_has_its_own_exit_code(
    tmp_path: Path, started: list[chaos.Run], lost: str
) -> None:
    run = chaos.start(tmp_path / "run", *chaos.MANY, workers=2)
    started.append(run)
    assert run.wait_for(lambda: run.num_parts() > 8)

    heard = listening(run.processes())
    assert len(heard) > 4
    assert {place.split(":")[0] for place in heard} <= LOOPBACK, heard
    folder = Path(f"/tmp/swagflow-{os.getuid()}")
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert any("/ray/session_" in line and str(folder) in line for line in run.processes().values())

    number = run.find(lost)
    assert number is not None
    os.kill(number, signal.SIGKILL)
    assert run.process.wait(timeout=30) == 3, run.text
    assert "The Ray cluster is lost: " in run.text
    assert "the same command goes on from there" in run.text
    assert Store(str(run.folder)).read_scores("deletion")["error"].isna().all()
    chaos.wait_for_nobody(run)
