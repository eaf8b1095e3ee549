"""A benchmark run as a job that a Ray cluster can carry out: command, files, environment."""

from __future__ import annotations

import re
import secrets
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from shutil import copy, copytree, ignore_patterns
from tempfile import TemporaryDirectory
from typing import Any

import swag

from ..confidential import holds_secret
from ..config.load import load_benchmark
from ..config.packaged import config_folder
from ..errors import UserError
from .environment import PATIENT

CREDENTIAL = re.compile(r"key|token|secret|passw|credential", re.IGNORECASE)
LEFT_OUT = ("__pycache__", ".git", ".env*", ".netrc", ".aws", ".ssh", ".huggingface", "*.pem")
"""Of the packages that go along: what is no code, and where keys are kept."""
ENVIRONMENT = {
    **PATIENT,
    "PYTHONUNBUFFERED": "1",  # the log is followed line by line
    "RAY_USAGE_STATS_ENABLED": "0",
}


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be run on a cluster: the arguments of `swagflow run`, and what goes along.

    `modules` are folders of Python packages that the configuration names; `environment` is set for
    the run and its workers.
    """

    benchmark: str
    run_dir: str
    config: str | None = None
    overrides: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    workers: int | None = None
    device: str | None = None
    retry_errors: bool = False
    task_timeout: float | None = None
    verbosity: int = 0
    modules: tuple[Path, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def command(self) -> str:
        """The shell command that the head runs."""
        benchmark, config = (_packed_name(name) for name in (self.benchmark, self.config))
        words = ["python", "-m", "swagflow", *["-v"] * self.verbosity]
        words += ["run", str(benchmark), "--address", "auto"]
        words += ["--run-dir", self.run_dir]
        words += [] if config is None else ["--config", config]
        words += [] if self.workers is None else ["--workers", str(self.workers)]
        words += [] if self.device is None else ["--device", self.device]
        words += ["--retry-errors"] if self.retry_errors else []
        limit = self.task_timeout
        words += [] if limit is None else ["--task-timeout", f"{limit:g}"]
        words += [word for override in self.overrides for word in ("--set", override)]
        words += [word for experiment in self.only for word in ("--only", experiment)]
        return shlex.join(words)


def check(request: Request) -> None:
    """Find the mistakes that need no cluster to be found.

    Raises:
        UserError: a wrong configuration, a run folder that other machines cannot see, a package
            that is not one, or a credential.
    """
    for module in request.modules:
        if not (module / "__init__.py").is_file():
            raise UserError(
                f"--module {str(module)!r} is no Python package: there is no __init__.py in it; "
                "give the folder of a package"
            )
    with _importable(request.modules):
        load_benchmark(request.config or request.benchmark, request.overrides, request.only)
    if "://" not in request.run_dir and not Path(request.run_dir).is_absolute():
        raise UserError(
            f"--run-dir {request.run_dir!r} is a folder of this machine, and the run is elsewhere; "
            "give an address such as s3://BUCKET/runs/first, or the absolute path of a folder that "
            "all machines of the cluster share"
        )
    if holds_secret(request.run_dir):
        raise UserError(
            "--run-dir: it holds a password, key or token, which everybody who reaches the "
            "dashboard would read; give the machines a role or a secret instead"
        )
    for name, value in request.environment.items():
        if CREDENTIAL.search(name) or holds_secret(value):
            raise UserError(
                f"--env {name}: it looks like a credential, and a job's settings can be read by "
                "everybody who reaches the dashboard; give the machines a role or a secret instead"
            )


@contextmanager
def _importable(modules: Sequence[Path]) -> Iterator[None]:
    """Let Python find packages here as the cluster will."""
    before = list(sys.path)
    sys.path[:0] = [str(module.resolve().parent) for module in modules]
    try:
        yield
    finally:
        sys.path[:] = before


@contextmanager
def runtime_environment(request: Request) -> Iterator[dict[str, Any]]:
    """Make Ray's runtime environment; the folder that it names lasts as long as the block.

    This installation's code goes along, so that the cluster runs what was tested here.
    """
    with TemporaryDirectory(prefix="swagflow-") as folder, TemporaryDirectory() as code:
        for name in (request.benchmark, request.config):
            if name is not None and _is_file(name):
                copy(name, Path(folder) / Path(name).name)
        yield {
            "working_dir": folder,
            "py_modules": _own_packages(Path(code))
            + [str(module.resolve()) for module in request.modules],
            "excludes": [*LEFT_OUT],
            "env_vars": {**ENVIRONMENT, **request.environment},
        }


def _own_packages(folder: Path) -> list[str]:
    """Copy this installation's packages under the names that they are imported by."""
    own = {
        "swag": Path(str(swag.__file__)).parent,
        "swagflow": Path(__file__).resolve().parents[1],
        "swagflow/configs": config_folder(),
    }
    for name, source in own.items():
        copytree(source, folder / name, ignore=ignore_patterns("__pycache__"), dirs_exist_ok=True)
    return [str(folder / "swag"), str(folder / "swagflow")]


def new_name(benchmark: str) -> str:
    """Return a name for a job, different each time."""
    return f"swagflow-{Path(benchmark).stem}-{secrets.token_hex(4)}"


def parse_environment(pairs: Sequence[str]) -> dict[str, str]:
    """Return NAME=VALUE options as a mapping.

    Raises:
        UserError: an option is not of that form.
    """
    result = {}
    for pair in pairs:
        name, separator, value = pair.partition("=")
        if not separator or not re.fullmatch(r"[A-Za-z_]\w*", name):
            raise UserError(f"--env {pair!r}: wanted NAME=VALUE, such as OMP_NUM_THREADS=4")
        result[name] = value
    return result


def _is_file(name: str) -> bool:
    """Tell a YAML file of the user's from the name of one in the package."""
    return Path(name).suffix in {".yaml", ".yml"} or Path(name).exists()


def _packed_name(name: str | None) -> str | None:
    """Return what a configuration is called in the job, whose files lie in its working folder."""
    return name if name is None or not _is_file(name) else Path(name).name
