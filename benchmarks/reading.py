"""Processor time and memory of `status`, `report` and `compact` at the size of a paper.

    python -m benchmarks.reading --images 50000 --explainers 20 --metrics 2
    python -m benchmarks.reading --images 2000 --s3

Each command is a process of its own on a run folder with made-up numbers; the second form reads
the folder by S3's protocol, from a server in another process on this machine.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

from benchmarks.made_run import Size, make
from swagflow.hardware import description
from tests.support import s3_server


class Used(NamedTuple):
    """What a process has used."""

    code: int
    seconds: float
    processor: float
    memory: float
    """Its largest, in GiB."""


def measured(command: Sequence[str], environment: Mapping[str, str], log: Path) -> Used:
    """Run a command of swagflow in a process of its own."""
    start = time.perf_counter()
    with log.open("wb") as stream:
        actions = [(os.POSIX_SPAWN_DUP2, stream.fileno(), number) for number in (1, 2)]
        program = [sys.executable, "-m", "swagflow", *command]
        process = os.posix_spawn(sys.executable, program, environment, file_actions=actions)
        _, status, used = os.wait4(process, 0)
    seconds = time.perf_counter() - start
    code = os.waitstatus_to_exitcode(status)
    return Used(code, seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 2**20)


def tell(what: str, parts: int, used: Used) -> None:
    """Print a line of the table."""
    cells = (what, parts, used.code, f"{used.processor:.0f}", f"{used.seconds:.0f}")
    print(f"| {' | '.join(map(str, cells))} | {used.memory:.2f} |", flush=True)


@contextmanager
def served() -> Iterator[dict[str, str]]:
    """Serve a bucket from another process inside the block; yield the environment of its users."""
    context = get_context("spawn")
    here, there = context.Pipe()
    server = context.Process(target=_serve, args=(there,))
    server.start()
    try:
        environment: dict[str, str] = here.recv()
        os.environ.update(environment)
        yield environment
    finally:
        here.send("end")
        server.join()


def _serve(connection: Connection) -> None:
    with s3_server.serving() as environment:
        connection.send(environment)
        connection.recv()


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--explainers", type=int, default=20)
    parser.add_argument("--metrics", type=int, default=2)
    parser.add_argument("--models", type=int, default=1)
    parser.add_argument("--shard-size", type=int, default=32)
    parser.add_argument("--mask-side", type=int, default=0, help="Of masks in pixels; 0: none.")
    parser.add_argument("--folder", help="Where to make it, or where it is; kept.  [temporary]")
    parser.add_argument("--processes", type=int, default=2, help="That make the folder.")
    parser.add_argument("--s3", action="store_true", help="By S3's protocol.")
    parser.add_argument("--only", nargs="*", default=["status", "report", "compact"])
    chosen = parser.parse_args()
    size = Size(
        images=chosen.images,
        explainers=chosen.explainers,
        metrics=chosen.metrics,
        models=chosen.models,
        shard_size=chosen.shard_size,
        mask_side=chosen.mask_side,
    )
    with tempfile.TemporaryDirectory() as temporary:
        log = Path(temporary) / "log"
        if chosen.s3:
            with served():
                _measure(f"s3://{s3_server.BUCKET}/run", size, chosen, log)
        else:
            _measure(chosen.folder or f"{temporary}/run", size, chosen, log)


def _measure(uri: str, size: Size, chosen: argparse.Namespace, log: Path) -> None:
    about = description()
    print(f"{about['processor']}, {about['cores']} cores, Python {platform.python_version()}")
    if not (Path(uri) / "benchmark.yaml").exists():
        make(uri, size, chosen.processes)
    print(f"\n{size.rows:,} rows of scores: {size}\n")
    heads = "| command | parts | exit code | processor, s | seconds | peak memory, GiB |"
    print(f"{heads}\n| --- | --- | --- | --- | --- | --- |", flush=True)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    commands = list(chosen.only)
    if "compact" in commands:
        commands += [name for name in commands if name != "compact"]
    for command in commands:
        parts = _count(uri)
        tell(command, parts, measured([command, uri], environment, log))


def _count(uri: str) -> int:
    from swagflow.store.run_folder import Store  # noqa: PLC0415 - S3's environment is set by now

    return len(Store(uri).parts())


if __name__ == "__main__":
    main()
