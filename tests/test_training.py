"""Training: it learns, it can be killed and goes on to the same bits, and says what is wrong."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from swag.models import ModelSpec, load_model, resolved, weights_sha256
from swag.tiny import tiny_resnet, tiny_vgg
from workflows.data import DATASETS, DigitScenes, Sample
from workflows.errors import ImageError, UserError
from workflows.files import Folder, StoredFile
from workflows.fitting import Fit, fit
from workflows.train_config import Augmentation, TrainConfig, load_train_configs
from workflows.training import Images, TrainRow, train, with_classes

CPU = torch.device("cpu")
NAMES = ("red", "green", "blue")


@dataclass(frozen=True, kw_only=True)
class Colours:
    """32x32 noise, stronger in the channel that is the class; image 5 may be unreadable."""

    images: int = 12
    seed: int = 0
    class_names: tuple[str, ...] = NAMES
    labelled: bool = True
    broken: int = 0

    @property
    def image_ids(self) -> tuple[str, ...]:
        return tuple(str(index) for index in range(self.images))

    @property
    def fingerprint(self) -> str:
        return repr(self)

    @property
    def input_size(self) -> tuple[int, int]:
        return (32, 32)

    def open(self) -> Colours:
        return self

    def load(self, image_id: str) -> Sample:
        index = int(image_id)
        if index < self.broken:
            raise ImageError("broken")
        rng = np.random.default_rng([self.seed, index])
        levels = rng.integers(0, 100, (3, 32, 32))
        levels[index % 3] += 100
        image_CHW = torch.from_numpy(levels).float() / 255
        return Sample(image_id, image_CHW, index % 3 if self.labelled else None)


def config(**fields: Any) -> TrainConfig:
    recipe = Fit(epochs=3, learning_rate=0.01, batch_size=4, schedule="cosine")
    defaults: dict[str, Any] = {
        "model": ModelSpec(architecture="tiny_resnet", weights="random:0"),
        "train": Colours(),
        "validation": Colours(images=9, seed=1),
        "recipe": recipe,
    }
    return TrainConfig(**{**defaults, **fields})


def test_training_learns_and_leaves_a_run(tmp_path: Path) -> None:
    seen: list[TrainRow] = []
    recipe = Fit(epochs=8, learning_rate=0.02, batch_size=4)
    run = config(recipe=recipe, train=Colours(images=30, broken=2))
    result = train(run, tmp_path, device=CPU, on_epoch=seen.append)
    assert result.num_bad_images == 2
    assert result.history == tuple(seen)
    assert seen[-1].accuracy > 0.8
    assert seen[-1].loss < seen[0].loss
    rows = list(csv.DictReader((tmp_path / "history.csv").open()))
    assert [float(row["accuracy"]) for row in rows] == [row.accuracy for row in seen]
    loaded = load_model(ModelSpec(architecture="tiny_resnet", weights=str(result.weights)))
    assert weights_sha256(loaded) == result.weights_sha256
    assert loaded(torch.rand(1, 3, 32, 32)).shape == (1, 3)
    about = json.loads((tmp_path / "train.json").read_text())
    assert about["config"]["recipe"]["learning_rate"] == 0.02
    assert about["images"] == [30, 9]


class Stopped(BaseException):
    """Stands for a kill: nothing in the program catches it."""


@pytest.mark.parametrize("architecture", ["tiny_vgg", "tiny_resnet"])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_a_killed_run_ends_at_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, architecture: str, optimizer: Any
) -> None:
    """Killed in the middle of an epoch, and between an epoch's history and its checkpoint.

    Dropout, batch statistics, order and augmentation included.
    """
    run = config(
        model=ModelSpec(architecture=architecture, weights="random:2"),
        recipe=replace(config().recipe, epochs=4, optimizer=optimizer),
        augmentation=Augmentation(flip=True, colours=True),
    )
    expected = train(run, tmp_path / "whole", device=CPU)
    broken = tmp_path / "broken"
    whole = Images.batches

    def breaks(images: Images, recipe: Fit, epoch: int, *rest: Any) -> Iterator[Any]:
        for number, batch in enumerate(whole(images, recipe, epoch, *rest)):
            if (epoch, number) == (1, 2):
                raise Stopped
            yield batch

    with monkeypatch.context() as patch:
        patch.setattr(Images, "batches", breaks)
        with pytest.raises(Stopped):
            train(run, broken, device=CPU)
    write = StoredFile.write

    def stop_at_the_third(file: StoredFile, content: bytes) -> None:
        if (broken / "history.csv").read_text().count("\n") == 4:
            raise Stopped
        write(file, content)

    with monkeypatch.context() as patch:
        patch.setattr(StoredFile, "write", stop_at_the_third)
        with pytest.raises(Stopped):
            train(run, broken, device=CPU)
    seen: list[TrainRow] = []
    result = train(run, broken, device=CPU, on_epoch=seen.append)
    assert [row.epoch for row in seen] == [2, 3]
    assert result.weights_sha256 == expected.weights_sha256
    assert (broken / "weights.safetensors").read_bytes() == expected.weights.read_bytes()
    histories = [[replace(row, seconds=0) for row in r.history] for r in (result, expected)]
    assert histories[0] == histories[1]


def test_a_finished_run_trains_no_more(tmp_path: Path) -> None:
    first = train(config(), tmp_path, device=CPU)
    seen: list[TrainRow] = []
    assert train(config(), tmp_path, device=CPU, on_epoch=seen.append) == first
    assert not seen


def test_the_seed_decides(tmp_path: Path) -> None:
    digests = {
        train(
            config(recipe=replace(config().recipe, epochs=1, seed=seed)),
            tmp_path / f"{seed}-{copy}",
            device=CPU,
        ).weights_sha256
        for seed in (0, 1)
        for copy in (0, 1)
    }
    assert len(digests) == 2


def test_training_starts_from_given_weights_with_a_new_last_layer(tmp_path: Path) -> None:
    torch.manual_seed(3)
    save_file(tiny_resnet(7).state_dict(), tmp_path / "seven.safetensors")
    run = config(
        model=ModelSpec(architecture="tiny_resnet", weights=str(tmp_path / "seven.safetensors")),
        recipe=Fit(epochs=1, learning_rate=1e-12),
    )
    result = train(run, tmp_path / "run", device=CPU)
    before, after = load_file(tmp_path / "seven.safetensors"), load_file(result.weights)
    assert after["fc.weight"].shape == (3, 96)
    assert torch.equal(before["layer3.1.conv2.weight"], after["layer3.1.conv2.weight"])


def test_a_last_layer_is_replaced_where_the_classes_differ() -> None:
    model = tiny_vgg()
    head = model.classifier[3]
    assert with_classes(model, 10, seed=0).get_submodule("classifier.3") is head
    models = [tiny_vgg() for _ in range(3)]
    state = torch.random.get_rng_state()
    seeded = zip(models, (0, 0, 1), strict=True)
    new = [with_classes(m, 4, seed).get_parameter("classifier.3.weight") for m, seed in seeded]
    assert torch.equal(torch.random.get_rng_state(), state)
    assert new[0].shape == (4, 64)
    assert torch.equal(new[0], new[1])
    assert not torch.equal(new[0], new[2])
    convolution = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.AdaptiveAvgPool2d(1))
    assert with_classes(convolution, 5, seed=0)(torch.rand(2, 3, 9, 9)).shape == (2, 5, 1, 1)
    with pytest.raises(
        ValueError, match="its last layer '1' is a BatchNorm2d, wanted a linear one"
    ):
        with_classes(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)), 5, seed=0)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"train": Colours(class_names=())}, "the training images have no classes"),
        ({"train": Colours(labelled=False)}, "image '0' has no label"),
        ({"train": Colours(broken=12)}, "none of 12 images can be decoded"),
        (
            {"validation": Colours(class_names=(*NAMES, "white"))},
            r"3 classes train and 4 validate; they must be the same \(differing: white\)",
        ),
        ({"model": ModelSpec(architecture="tiny_vg")}, "model: model 'tiny_vg' is unknown"),
        (
            {
                "model": ModelSpec(architecture="tiny_vgg", weights="random:0"),
                "recipe": Fit(epochs=4, learning_rate=1e30),
            },
            r"training diverged in epoch \d \(mean loss \S+\); lower the learning rate",
        ),
    ],
)
def test_what_cannot_be_trained_says_so(
    tmp_path: Path, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        train(config(**fields), tmp_path, device=CPU)


def test_a_folder_holds_one_run(tmp_path: Path) -> None:
    train(config(), tmp_path, device=CPU)
    other = config(recipe=replace(config().recipe, learning_rate=0.5))
    with pytest.raises(UserError, match="holds another training run"):
        train(other, tmp_path, device=CPU)
    with pytest.raises(UserError, match="holds another training run"):
        train(config(train=Colours(images=11)), tmp_path, device=CPU)


def images() -> Images:
    return Images.of(Colours())


def epoch_of(number: int, augmentation: Augmentation, seed: int = 0) -> tuple[Tensor, Tensor]:
    recipe = Fit(epochs=1, learning_rate=1.0, batch_size=5, seed=seed)
    batches = list(images().batches(recipe, number, augmentation))
    assert [len(label_B) for _, label_B in batches] == [5, 5]
    return torch.cat([image for image, _ in batches]), torch.cat([label for _, label in batches])


def test_an_epoch_shows_each_image_once() -> None:
    """But for the two that would make a batch of their own."""
    whole = images().image_NCHW.float() / 255
    shown, labels = epoch_of(0, Augmentation())
    places = [(whole == image).flatten(1).all(1).nonzero().item() for image in shown]
    assert len(set(places)) == 10
    assert labels.tolist() == [int(place) % 3 for place in places]
    again, _ = epoch_of(0, Augmentation())
    other, _ = epoch_of(1, Augmentation())
    reseeded, _ = epoch_of(0, Augmentation(), seed=1)
    assert torch.equal(shown, again)
    assert not torch.equal(shown, other)
    assert not torch.equal(shown, reseeded)


def test_flipped_images_are_mirrored() -> None:
    plain, labels = epoch_of(0, Augmentation())
    shown, same_labels = epoch_of(0, Augmentation(flip=True))
    assert torch.equal(labels, same_labels)
    mirrored = torch.tensor([torch.equal(a, b.flip(2)) for a, b in zip(shown, plain, strict=True)])
    kept = torch.tensor([torch.equal(a, b) for a, b in zip(shown, plain, strict=True)])
    assert (mirrored ^ kept).all()
    assert mirrored.any()
    assert kept.any()


def test_colours_are_permuted_and_inverted() -> None:
    plain, _ = epoch_of(0, Augmentation())
    shown, _ = epoch_of(0, Augmentation(colours=True))
    kinds = set()
    for image_CHW, before_CHW in zip(shown, plain, strict=True):
        found = [
            (order, inverted)
            for order in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
            for inverted in (False, True)
            if torch.equal(image_CHW, _changed(before_CHW[list(order)], inverted))
        ]
        assert len(found) == 1
        kinds.add(found[0])
    assert len(kinds) > 3


def _changed(image_CHW: Tensor, inverted: bool) -> Tensor:
    return 1 - image_CHW if inverted else image_CHW


def batches(_epoch: int) -> list[tuple[Tensor, Tensor]]:
    return [(torch.rand(4, 3, 32, 32), torch.arange(4))]


def test_learning_rates() -> None:
    constant = Fit(epochs=4, learning_rate=0.5)
    cosine = replace(constant, schedule="cosine")
    assert [constant.rate(epoch) for epoch in range(4)] == [0.5] * 4
    half = math.sqrt(0.5)
    assert [cosine.rate(epoch) for epoch in range(4)] == pytest.approx(
        [0.5, 0.25 * (1 + half), 0.25, 0.25 * (1 - half)]
    )


def test_a_checkpoint_belongs_to_its_recipe(tmp_path: Path) -> None:
    file = Folder.at(str(tmp_path)).file("checkpoint")
    recipe = Fit(epochs=1, learning_rate=0.1)
    fit(tiny_resnet(4), batches, recipe, file)
    with pytest.raises(UserError, match="was written by another recipe; remove it"):
        fit(tiny_resnet(4), batches, replace(recipe, seed=1), file)
    with pytest.raises(UserError, match="is damaged"):
        fit(tiny_vgg(4), batches, recipe, file)
    content = file.read()
    assert content is not None
    for damaged in (content[: len(content) // 2], b"", b"not a checkpoint"):
        file.write(damaged)
        with pytest.raises(UserError, match="is damaged"):
            fit(tiny_resnet(4), batches, recipe, file)


def test_training_leaves_a_model_to_be_explained() -> None:
    """Also the global random numbers are as they were."""
    model = tiny_resnet(4).eval().requires_grad_(requires_grad=False)
    before = weights_sha256(model)
    state = torch.random.get_rng_state()
    ones = [(torch.ones(4, 3, 32, 32), torch.arange(4))]
    fit(model, lambda _: ones, Fit(epochs=1, learning_rate=1.0))
    assert weights_sha256(model) != before
    assert torch.equal(torch.random.get_rng_state(), state)
    assert not any(module.training for module in model.modules())
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_nothing_to_train_on_is_an_error() -> None:
    with pytest.raises(UserError, match="there are no images to train on"):
        fit(tiny_resnet(), lambda _: [], Fit(epochs=1, learning_rate=0.1))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"epochs": 0}, "epochs must be at least 1, got 0"),
        ({"batch_size": 0}, "batch_size must be at least 1, got 0"),
        ({"learning_rate": 0.0}, "learning_rate must be positive, got 0.0"),
        ({"weight_decay": -1.0}, "weight_decay must not be negative"),
        ({"label_smoothing": 1.0}, r"label_smoothing must lie in \[0, 1\), got 1.0"),
    ],
)
def test_impossible_recipes(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Fit(**{"epochs": 1, "learning_rate": 0.1, **fields})


@pytest.mark.gpu
def test_mixed_precision_learns() -> None:
    model = tiny_resnet(2).cuda()
    losses: list[float] = []
    x_BCHW, label_B = torch.zeros(8, 3, 32, 32).cuda(), torch.arange(8).cuda() % 2
    x_BCHW[::2] = 1
    recipe = Fit(epochs=20, learning_rate=0.01, mixed_precision=True)
    fit(model, lambda _: [(x_BCHW, label_B)], recipe, None, lambda epoch: losses.append(epoch.loss))
    assert losses[-1] < 0.5 * losses[0]
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())


def test_the_recipe_of_the_embedded_models() -> None:
    runs = load_train_configs("train-tiny", ["recipe.epochs=2", "datasets.train.images=10"])
    assert list(runs) == ["tiny_vgg", "tiny_resnet"]
    spec = ModelSpec(architecture="tiny_vgg", weights="random:0")
    assert runs["tiny_vgg"].model == resolved(spec)
    assert runs["tiny_vgg"].train == DigitScenes(split="train", images=10)
    assert isinstance(runs["tiny_vgg"].validation, DATASETS["digit_scenes"])
    assert runs["tiny_resnet"].recipe.epochs == 2


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("epochs=3", "unknown key 'epochs'; .*known here: augmentation, datasets"),
        ("recipe.epoch=3", "unknown key 'recipe.epoch'; did you mean 'epochs'"),
        ("recipe.epochs=0", "recipe: epochs must be at least 1"),
        ("recipe.optimizer=adam", "recipe: optimizer: .*'sgd' or 'adamw'"),
        ("augmentation.flip=3", "augmentation: flip: "),
        ("start=middle", "start: wanted pretrained or scratch, got 'middle'"),
        ("models=[]", "models: training needs at least one"),
        ("datasets=[digit_scenes]", "datasets.train is not set"),
        ("datasets.train.type=folder", "datasets.train: dataset 'folder' is unknown"),
        ("models.tiny_vgg.cam=x", "unknown key 'models.tiny_vgg.cam'; did you mean 'cam_layer'"),
    ],
)
def test_mistakes_in_a_configuration(override: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_train_configs("train-tiny", [override])
