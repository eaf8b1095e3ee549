"""Training that several processes or GPUs share, by Ray Train."""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Callable
from typing import Any

import fsspec
import ray
import torch
from pyarrow import fs
from ray.exceptions import RayError
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer, get_device

from ..engine.resources import Resources
from ..errors import UserError
from ..hardware import tune_allocator
from ..logs import current_level, setup_worker
from ..store.files import Folder
from ..train.process_group import ProcessGroup
from ..train.train_config import TrainConfig
from ..train.training import Training, TrainResult, TrainRow, prepare, read_history
from .environment import of_worker
from .failures import last_line
from .session import session

MAX_TRIES = 3
POLL_SECONDS = 0.5
NO_ROOM = {"WorkerGroupStartupTimeoutError", "InsufficientClusterResourcesError"}
"""Of Ray Train, which does not make them public."""
START_SECONDS = 300
"""How long a cluster may take to make room for all workers, as by starting machines."""

log = logging.getLogger(__name__)


def train_on_ray(
    config: TrainConfig,
    run_dir: str,
    resources: Resources,
    on_epoch: Callable[[TrainRow], None] = lambda _row: None,
    on_loss: Callable[[str], None] | None = None,
) -> TrainResult:
    """Train a model on several workers, or go on with its training, and write its weights.

    As `training.train`, but each worker takes its share of every batch. Where one dies,
    all of them go on from the checkpoint, until none of `MAX_TRIES` starts has finished an epoch.

    Raises:
        UserError: the workers cannot start or die again and again; see also `prepare` and `fit`.
    """
    training = prepare(config, run_dir, resources.num_workers or 1)
    options: dict[str, Any] = {}
    if resources.address is None:
        options["object_store_memory"] = _num_bytes(training) + 100 * 2**20
    with session(resources, on_loss, **options):
        _require_gpus(resources)
        shared, start = _put(training), ray.remote(num_cpus=0, max_retries=0)(_fit)
        failures = 0
        while True:
            attempt = start.remote([shared], resources, START_SECONDS, current_level())
            try:
                if _follow(attempt, Folder.at(training.run_dir), on_epoch):
                    failures = 0
                ray.get(attempt)
                break
            except RayError as error:
                failures += 1
                _require_another_try(error, failures)
                log.warning("the workers ended and are started anew: %s", last_line(error))
    return training.result()


def _num_bytes(training: Training) -> int:
    arrays = (training.images.image_NCHW, training.held_out.image_NCHW)
    tensors = training.model.state_dict().values()
    return sum(int(item.nbytes) for item in (*arrays, *tensors))


def _require_gpus(resources: Resources) -> None:
    """Raise UserError where this machine can never have room for all workers."""
    held = int(ray.cluster_resources().get("GPU", 0))
    wanted = resources.num_workers or 0
    if resources.address is None and resources.device == "cuda" and held < wanted:
        raise UserError(
            f"--workers {wanted} needs as many GPUs, and this machine has {held}; lower it, or "
            "give the --address of a cluster"
        )


def _put(training: Training) -> Any:
    try:
        return ray.put(training)
    except (pickle.PickleError, TypeError) as error:
        raise UserError(
            f"the model cannot be sent to other processes ({error}); train it with --workers 0"
        ) from error


def _fit(shared: list[Any], resources: Resources, start_seconds: int, log_level: int) -> None:
    """Train with one set of workers.

    This waits in a process of its own because the driver shows epochs meanwhile, and because Ray
    Train would keep Ctrl-C from it.
    """
    on_gpu = resources.device == "cuda"
    os.environ |= {
        "RAY_CHDIR_TO_TRIAL_DIR": "0",
        "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
        "RAY_TRAIN_METRICS_ENABLED": "0",
        "RAY_TRAIN_WORKER_GROUP_START_TIMEOUT_S": str(start_seconds),
    }
    TorchTrainer(
        _work,
        train_loop_config={"shared": shared, "threads": resources.threads, "log": log_level},
        scaling_config=ScalingConfig(
            num_workers=resources.num_workers,
            use_gpu=on_gpu,
            resources_per_worker={"CPU": resources.threads, **({"GPU": 1} if on_gpu else {})},
        ),
        run_config=RunConfig(
            # Ray Train's own notes; the checkpoint is in the run folder.
            storage_path="training",
            storage_filesystem=fs.PyFileSystem(fs.FSSpecHandler(fsspec.filesystem("memory"))),
            # Starting again is left to the driver, which knows what would only fail again.
            failure_config=FailureConfig(max_failures=0, controller_failure_limit=0),
            worker_runtime_env={"env_vars": of_worker(resources.threads)},
        ),
    ).fit()


def _work(config: dict[str, Any]) -> None:
    """Train as one of Ray Train's workers."""
    setup_worker(config["log"])
    tune_allocator()
    torch.set_num_threads(config["threads"])
    training: Training = ray.get(config["shared"][0])
    training.run(get_device(), ProcessGroup.joined())


def _follow(attempt: Any, folder: Folder, on_epoch: Callable[[TrainRow], None]) -> bool:
    """Tell of every epoch until an attempt ends; return whether one was new."""
    shown = read_history(folder)
    begun, running = len(shown), [attempt]
    while running:
        _, running = ray.wait(running, timeout=POLL_SECONDS)
        rows = read_history(folder)
        for row in rows.values():
            if row != shown.get(row.epoch):
                on_epoch(row)
        shown = rows
    return len(shown) > begun


def _require_another_try(error: RayError, failures: int) -> None:
    """Raise what ended the workers where they would only end again.

    Raises:
        UserError: one of them raised it, there is no room for all of them, or `failures` has
            reached `MAX_TRIES`.
    """
    cause = getattr(error, "cause", error)
    if type(getattr(cause, "controller_failure", None)).__name__ in NO_ROOM:
        raise UserError(
            f"the cluster made no room for all workers within {START_SECONDS} s; lower --workers, "
            "or see with 'ray status' what it has"
        ) from error
    reasons: dict[int, BaseException] = getattr(cause, "worker_failures", {})
    for reason in reasons.values():
        if isinstance(reason, UserError):
            raise reason from error
    if failures == MAX_TRIES:
        told = [f"worker {rank}: {_line(reason)}" for rank, reason in sorted(reasons.items())]
        raise UserError(
            f"training failed {MAX_TRIES} times without finishing another epoch "
            f"({'; '.join(told[:3]) or _line(cause)}); what was finished is stored, and the same "
            "command goes on from there"
        ) from error


def _line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return f"{type(error).__name__}: {' '.join(lines[:2])}"
