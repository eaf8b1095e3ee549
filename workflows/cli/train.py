"""The command `swagflow train`: train or fine-tune the models of a configuration."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from ..errors import as_user_error
from ..progress import duration
from .guard import end_without_cluster
from .options import Address, Device, Set

if TYPE_CHECKING:
    from ..engine.resources import Resources
    from ..train.train_config import TrainConfig
    from ..train.training import TrainResult, TrainRow

    Trainer = Callable[[TrainConfig, str, Callable[[TrainRow], None]], TrainResult]

EXAMPLE = "Example: swagflow train train-tiny --run-dir runs/tiny"


def train(
    config: Annotated[
        str, typer.Argument(help="A YAML file, or a name of the package's configurations.")
    ],
    run_dir: Annotated[
        str | None,
        typer.Option("--run-dir", help="Folder or URI of the training.  [runs/CONFIG]"),
    ] = None,
    set_: Set = None,
    workers: Annotated[
        int | None,
        typer.Option(
            "--workers",
            help="Processes that share each batch; 0 trains in this one.  "
            "[one per GPU where this machine has several, else 0]",
        ),
    ] = None,
    address: Address = None,
    device: Device = None,
) -> None:
    """Train or fine-tune models on a data set; goes on where it was interrupted.

    Writes weights, learning curve and a checkpoint of the last epoch for each model.
    """
    from ..engine.resources import choose_training_resources

    train_models(
        config,
        set_ or [],
        run_dir or f"runs/{Path(config).stem}",
        choose_training_resources(workers, address, device),
        Console(),
    )


def train_models(
    config: str, overrides: Sequence[str], uri: str, resources: Resources, console: Console
) -> None:
    """Train every model of a configuration, each in its own folder."""
    from ..hardware import tune_allocator
    from ..store.files import Folder
    from ..store.lock import one_driver
    from ..train.train_config import load_train_configs

    train_one = _trainer(resources)
    tune_allocator()
    for name, about in load_train_configs(config, overrides).items():
        title = f"{name}, of {about.recipe.epochs} epochs"
        run_dir = f"{uri.rstrip('/')}/{name}"

        def say(row: TrainRow, title: str = title) -> None:
            console.print(
                f"{title}: {row.epoch + 1}, loss {row.loss:.4f}, "
                f"validation accuracy {row.accuracy:.2%}, {duration(row.seconds)}",
                highlight=False,
            )

        folder = Folder.at(run_dir)
        with as_user_error(f"models.{name}"), one_driver(folder, run_dir, console):
            if resources.num_workers:
                console.print(f"{title}: starting {resources}", highlight=False)
            result = train_one(about, run_dir, say)
            folder.remove_temporaries()
        console.print(
            f"{result.weights} (sha256 of the weights {result.weights_sha256})", soft_wrap=True
        )


def _trainer(resources: Resources) -> Trainer:
    """Return what trains one model: in this process, or on Ray's workers."""
    if resources.num_workers:
        if resources.address is None:
            from ..on_ray.seclusion import seclude

            seclude()
        from ..on_ray.training import train_on_ray

        return lambda about, run_dir, say: train_on_ray(
            about, run_dir, resources, say, end_without_cluster
        )
    import torch

    from ..train.training import train as train_here

    device = torch.device(resources.device)
    return lambda about, run_dir, say: train_here(about, run_dir, device=device, on_epoch=say)
