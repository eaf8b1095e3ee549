"""From data sets to a weights file: what `swagflow train` does."""

from __future__ import annotations

import csv
import io
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from swag.classifier import Classifier
from swag.models import as_classifier, load_model, weights_sha256
from swag.rng import generator
from workflows.data import Dataset
from workflows.errors import ImageError, UserError
from workflows.files import Folder
from workflows.fitting import Epoch, Fit, fit
from workflows.identity import describe
from workflows.train_config import Augmentation, TrainConfig


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

    weights: Path
    weights_sha256: str
    history: tuple[TrainRow, ...]
    num_bad_images: int
    """Left out because they cannot be decoded."""


def train(
    config: TrainConfig,
    run_dir: Path,
    *,
    device: torch.device,
    on_epoch: Callable[[TrainRow], None] = lambda _row: None,
) -> TrainResult:
    """Train a model, or go on with its training, and write RUN/weights.safetensors.

    RUN also holds train.json (the configuration), history.csv and, after every epoch,
    checkpoint.pt. On the CPU an interrupted run ends with the same bits as an undisturbed one,
    given as many threads.

    Raises:
        UserError: the data sets have other classes, no labels or no usable image; RUN holds another
            training run; the model cannot be built; see also `fit`.
    """
    folder = Folder.at(str(run_dir))
    train_set, validation_set = config.train.open(), config.validation.open()
    _require_same_classes(train_set, validation_set)
    _claim(folder, config, [train_set, validation_set])
    model = _start(config, len(train_set.class_names)).to(device)
    if device.type == "cpu":
        model = model.to(memory_format=torch.channels_last)
    images, held_out = Images.of(train_set), Images.of(validation_set)
    classifier = as_classifier(model.eval(), config.model, batch_size=128)
    rows = _history(folder)
    clock = time.perf_counter()

    def after(epoch: Epoch) -> None:
        nonlocal clock
        accuracy = held_out.accuracy(classifier)
        seconds, clock = time.perf_counter() - clock, time.perf_counter()
        row = TrainRow(*epoch, accuracy, round(seconds, 2))
        rows[epoch.number] = row
        folder.write("history.csv", _as_csv(rows.values()))
        on_epoch(row)

    batches = _batches(images, config, classifier)
    fit(model, batches, config.recipe, folder.file("checkpoint.pt"), after)
    state = {name: tensor.contiguous().cpu() for name, tensor in model.state_dict().items()}
    folder.write("weights.safetensors", save(state))
    return TrainResult(
        run_dir / "weights.safetensors",
        weights_sha256(model),
        tuple(rows.values()),
        images.num_bad + held_out.num_bad,
    )


@dataclass(frozen=True)
class Images:
    """The labelled images of a data set, decoded once and kept with 8 bits a channel."""

    image_ids: tuple[str, ...]
    image_NCHW: Tensor
    label_N: Tensor
    num_bad: int

    @classmethod
    def of(cls, dataset: Dataset) -> Images:
        ids, images, labels = [], [], []
        for image_id in dataset.image_ids:
            try:
                sample = dataset.load(image_id)
            except ImageError:
                continue
            if sample.label is None:
                raise UserError(
                    f"image {image_id!r} has no label, and training needs labels; give each class "
                    "a sub-folder"
                )
            ids.append(image_id)
            images.append((sample.image_CHW * 255).round().to(torch.uint8))
            labels.append(sample.label)
        if not images:
            raise UserError(f"none of {len(dataset.image_ids)} images can be decoded")
        num_bad = len(dataset.image_ids) - len(images)
        return cls(tuple(ids), torch.stack(images), torch.tensor(labels), num_bad)

    def batches(
        self, recipe: Fit, epoch: int, augmentation: Augmentation
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield an epoch's images_BCHW in [0, 1] and label_B, as seed and epoch decide.

        Each image comes once, but for a last batch that would be incomplete.
        """
        rng = generator(recipe.seed, str(epoch), "training_order")
        order_N = torch.from_numpy(rng.permutation(len(self.label_N)))
        size = min(recipe.batch_size, len(order_N))
        for start in range(0, len(order_N) - size + 1, size):
            chosen_B = order_N[start : start + size]
            image_BCHW = self.image_NCHW[chosen_B].float() / 255
            if augmentation.flip:
                flipped_B111 = torch.from_numpy(rng.random((size, 1, 1, 1)) < 0.5)
                image_BCHW = torch.where(flipped_B111, image_BCHW.flip(3), image_BCHW)
            if augmentation.colours:
                channel_BC = torch.from_numpy(rng.random((size, 3)).argsort(1))
                image_BCHW = image_BCHW[torch.arange(size)[:, None], channel_BC]
                inverted_B111 = torch.from_numpy(rng.random((size, 1, 1, 1)) < 0.5)
                image_BCHW = torch.where(inverted_B111, 1 - image_BCHW, image_BCHW)
            yield image_BCHW, self.label_N[chosen_B]

    def accuracy(self, classifier: Classifier) -> float:
        """Return the share of images whose most probable class is their label."""
        correct = 0
        size = classifier.batch_size
        for start in range(0, len(self.label_N), size):
            image_BCHW = self.image_NCHW[start : start + size].to(classifier.device).float() / 255
            probability_BK = classifier.probabilities(classifier.normalise(image_BCHW)).cpu()
            correct += int((probability_BK.argmax(1) == self.label_N[start : start + size]).sum())
        return correct / len(self.label_N)


def _batches(
    images: Images, config: TrainConfig, classifier: Classifier
) -> Callable[[int], Iterator[tuple[Tensor, Tensor]]]:
    def batches(epoch: int) -> Iterator[tuple[Tensor, Tensor]]:
        for image_BCHW, label_B in images.batches(config.recipe, epoch, config.augmentation):
            x_BCHW = classifier.normalise(image_BCHW.to(classifier.device))
            yield x_BCHW, label_B.to(classifier.device)

    return batches


def _start(config: TrainConfig, num_classes: int) -> nn.Module:
    """Return the model that training starts from, with as many outputs as there are classes."""
    spec = config.model
    try:
        if spec.weights.startswith("random:"):
            return load_model(replace(spec, num_classes=num_classes))
        return with_classes(load_model(spec), num_classes, config.recipe.seed)
    except ValueError as error:
        raise UserError(f"model: {error}") from error


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


def _claim(folder: Folder, config: TrainConfig, datasets: Sequence[Dataset]) -> None:
    """Write the run's configuration, or raise UserError where the folder has another's."""
    about = {
        "config": describe(config),
        "images": [len(dataset.image_ids) for dataset in datasets],
        "datasets": [dataset.fingerprint for dataset in datasets],
    }
    text = json.dumps(about, indent=2).encode()
    if not folder.exists("train.json"):
        folder.write("train.json", text)
    elif folder.read("train.json") != text:
        raise UserError(
            f"{folder.root} holds another training run (see its train.json); give another folder"
        )


def _history(folder: Folder) -> dict[int, TrainRow]:
    if not folder.exists("history.csv"):
        return {}
    rows = csv.DictReader(io.StringIO(folder.read("history.csv").decode()))
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
