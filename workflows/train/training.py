"""From data sets to a weights file: what `swagflow train` does."""

from __future__ import annotations

import csv
import io
import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save
from torch import Tensor, nn

from swag.models import as_classifier, load_model, weights_sha256
from swag.rng import generator

from ..config.identity import describe
from ..data import Dataset
from ..errors import UserError, as_user_error
from ..store.files import Folder
from .fitting import Epoch, fit
from .images import Images
from .process_group import ALONE, ProcessGroup
from .train_config import TrainConfig

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainRow:
    """One line of history.csv."""

    epoch: int
    learning_rate: float
    loss: float
    accuracy: float
    """Share of the validation images whose most probable class is their label."""
    seconds: float


@dataclass(frozen=True)
class TrainResult:
    """What a training run made."""

    weights: str
    """Path or URI of the file."""
    weights_sha256: str
    history: tuple[TrainRow, ...]
    num_bad_images: int
    """Left out because they cannot be decoded."""


@dataclass(frozen=True)
class Training:
    """A training run that was prepared: all that a process needs to take part in it."""

    config: TrainConfig
    run_dir: str
    """An absolute path or a URI."""
    model: nn.Module
    """Where training starts, on the CPU."""
    images: Images
    held_out: Images

    def run(
        self,
        device: torch.device,
        group: ProcessGroup = ALONE,
        on_epoch: Callable[[TrainRow], None] = lambda _row: None,
    ) -> None:
        """Train as one process of a group; its first one writes the run folder.

        Raises:
            UserError: see `fit`.
        """
        folder = Folder.at(self.run_dir)
        model = self.model.to(device)
        if device.type == "cpu":
            model = model.to(memory_format=torch.channels_last)
        elif group.size > 1:  # torch has it for GPUs only
            model = nn.SyncBatchNorm.convert_sync_batchnorm(model)
        classifier = as_classifier(model.eval(), self.config.model, batch_size=128)
        rows = read_history(folder)
        clock = time.perf_counter()

        def after(epoch: Epoch) -> None:
            nonlocal clock
            accuracy = self.held_out.accuracy(classifier, group)
            seconds, clock = time.perf_counter() - clock, time.perf_counter()
            row = TrainRow(*epoch, accuracy, round(seconds, 2))
            rows[epoch.number] = row
            if group.rank == 0:
                folder.write("history.csv", _as_csv(rows.values()))
                on_epoch(row)

        def batches(epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
            config = self.config
            for image_BCHW, label_B in self.images.batches(
                config.recipe, epoch, config.augmentation, group
            ):
                yield classifier.prepared(image_BCHW), label_B.to(device)

        fit(model, batches, self.config.recipe, folder.file("checkpoint.pt"), after, group=group)
        if group.rank == 0:
            state = {name: tensor.contiguous().cpu() for name, tensor in model.state_dict().items()}
            folder.write("weights.safetensors", save(state))

    def result(self) -> TrainResult:
        """Return what a run has left in its folder."""
        folder = Folder.at(self.run_dir)
        self.model.load_state_dict(load(folder.read("weights.safetensors")))
        return TrainResult(
            f"{self.run_dir}/weights.safetensors",
            weights_sha256(self.model),
            tuple(read_history(folder).values()),
            self.images.num_bad + self.held_out.num_bad,
        )


def prepare(config: TrainConfig, run_dir: str, num_workers: int = 1) -> Training:
    """Claim a folder for a training run, build its model and decode its images.

    Raises:
        UserError: the data sets have other classes, no labels or no usable image; RUN holds another
            training run, or that of another number of workers; the model cannot be built; a batch
            has less images than there are workers.
    """
    run_dir = run_dir.rstrip("/") if "://" in run_dir else str(Path(run_dir).absolute())
    train_set, validation_set = config.train.open(), config.validation.open()
    _require_same_classes(train_set, validation_set)
    _claim(Folder.at(run_dir), config, [train_set, validation_set], num_workers)
    model = _start(config, len(train_set.class_names))
    images, held_out = Images.of(train_set), Images.of(validation_set)
    size = min(config.recipe.batch_size, len(images.label_N))
    if size < num_workers:
        raise UserError(
            f"a batch of {size} images cannot be shared out to {num_workers} workers; raise "
            "recipe.batch_size or lower --workers"
        )
    log.info(
        "%s: %d images to train on, %d to validate; %d cannot be decoded",
        run_dir,
        *(len(images.label_N), len(held_out.label_N), images.num_bad + held_out.num_bad),
    )
    return Training(config, run_dir, model, images, held_out)


def train(
    config: TrainConfig,
    run_dir: str,
    *,
    device: torch.device,
    on_epoch: Callable[[TrainRow], None] = lambda _row: None,
) -> TrainResult:
    """Train a model in this process, or go on with its training, and write its weights.

    RUN, a folder or a URI, then holds weights.safetensors, train.json (the configuration),
    history.csv and, after every epoch, checkpoint.pt. On the CPU an interrupted run ends with the
    same bits as an undisturbed one, given as many threads.

    Raises:
        UserError: see `prepare` and `fit`.
    """
    training = prepare(config, run_dir)
    training.run(device, on_epoch=on_epoch)
    return training.result()


def _start(config: TrainConfig, num_classes: int) -> nn.Module:
    """Return the model that training starts from, with as many outputs as there are classes."""
    spec = config.model
    with as_user_error("model"):
        if spec.weights.startswith("random:"):
            return load_model(replace(spec, num_classes=num_classes))
        return with_classes(load_model(spec), num_classes, config.recipe.seed)


def with_classes(model: nn.Module, num_classes: int, seed: int) -> nn.Module:
    """Return the model, its last layer replaced by a random one if it has other classes.

    Raises:
        ValueError: its last layer is neither linear nor a convolution.
    """
    name = [name for name, _ in model.named_parameters()][-1].rpartition(".")[0]
    last = model.get_submodule(name)
    if not isinstance(last, nn.Linear | nn.Conv2d):
        raise ValueError(f"its last layer {name!r} is a {type(last).__name__}, wanted a linear one")
    if len(last.weight) == num_classes:
        return model
    bias = last.bias is not None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(generator(seed, "", "new_head").integers(2**63)))
        reset: Any = getattr(model, "reset_classifier", None)
        if reset is not None:  # timm's models, some of which have two last layers
            reset(num_classes)
            return model
        head: nn.Module = (
            nn.Linear(last.in_features, num_classes, bias=bias)
            if isinstance(last, nn.Linear)
            else nn.Conv2d(last.in_channels, num_classes, last.kernel_size, bias=bias)  # type: ignore[arg-type]
        )
    parent, _, attribute = name.rpartition(".")
    setattr(model.get_submodule(parent), attribute, head)
    return model


def _require_same_classes(train_set: Dataset, validation_set: Dataset) -> None:
    ours, theirs = list(train_set.class_names), list(validation_set.class_names)
    if not ours:
        raise UserError("the training images have no classes; give each class a sub-folder")
    if ours != theirs:
        odd = sorted(set(ours) ^ set(theirs))[:3]
        raise UserError(
            f"{len(ours)} classes train and {len(theirs)} validate; they must be the same "
            f"(differing: {', '.join(odd)})"
        )


def _claim(
    folder: Folder, config: TrainConfig, datasets: Sequence[Dataset], num_workers: int
) -> None:
    """Write the run's configuration, or raise UserError where the folder has another's."""
    about = {
        "config": describe(config),
        "images": [len(dataset.image_ids) for dataset in datasets],
        "datasets": [dataset.fingerprint for dataset in datasets],
    }
    content = folder.find("train.json")
    if content is None:
        workers = {"workers": num_workers} if num_workers > 1 else {}
        folder.write("train.json", json.dumps({**about, **workers}, indent=2).encode())
        return
    held = json.loads(content)
    begun = held.pop("workers", 1)
    if held != json.loads(json.dumps(about)):
        raise UserError(
            f"{folder.root} holds another training run (see its train.json); give another folder"
        )
    if begun != num_workers:
        cure = f"--workers {begun}" if begun > 1 else "--workers 0"
        raise UserError(
            f"{folder.root} was begun with {_workers(begun)} and would go on with "
            f"{_workers(num_workers)}, which gives other weights; give {cure} or another folder"
        )


def _workers(count: int) -> str:
    return f"{count} workers" if count > 1 else "one process"


def read_history(folder: Folder) -> dict[int, TrainRow]:
    """Return the rows of history.csv by epoch; none where there is no such file."""
    content = folder.find("history.csv")
    if content is None:
        return {}
    rows = csv.DictReader(io.StringIO(content.decode()))
    return {
        int(row["epoch"]): TrainRow(
            int(row["epoch"]), *(float(value) for key, value in row.items() if key != "epoch")
        )
        for row in rows
    }


def _as_csv(rows: Iterable[TrainRow]) -> bytes:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, [item.name for item in fields(TrainRow)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return stream.getvalue().encode()
