"""Training: it learns, it can be killed and goes on to the same bits, and says what is wrong."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from swag.models import ModelSpec, load_model, weights_sha256
from swag.models.tiny import tiny_resnet, tiny_vgg
from swagflow.errors import UserError
from swagflow.store.files import Folder, StoredFile
from swagflow.train.images import Images
from swagflow.train.recipe import Fit
from swagflow.train.train_config import Augmentation
from swagflow.train.training import TrainRow, prepare, train, with_classes
from tests.support.trainings import CPU, NAMES, Colours, Stopped, config


@pytest.mark.slow
def test_training_learns_and_leaves_a_run(tmp_path: Path) -> None:
    seen: list[TrainRow] = []
    recipe = Fit(epochs=12, learning_rate=0.02, batch_size=4)
    run = config(recipe=recipe, train=Colours(images=30, broken=2))
    result = train(run, str(tmp_path), device=CPU, on_epoch=seen.append)
    assert result.num_bad_images == 2
    assert result.history == tuple(seen)
    assert max(row.accuracy for row in seen) > 0.8
    assert seen[-1].loss < seen[0].loss
    rows = list(csv.DictReader((tmp_path / "history.csv").read_text().splitlines()))
    assert [float(row["accuracy"]) for row in rows] == [row.accuracy for row in seen]
    loaded = load_model(ModelSpec(architecture="tiny_resnet", weights=result.weights))
    assert weights_sha256(loaded) == result.weights_sha256
    assert loaded(torch.rand(1, 3, 32, 32)).shape == (1, 3)
    about = json.loads((tmp_path / "train.json").read_text())
    assert about["config"]["recipe"]["learning_rate"] == 0.02
    assert about["images"] == [30, 9]


@pytest.mark.parametrize(
    ("optimizer", "architecture"),
    [
        ("sgd", "tiny_vgg"),
        pytest.param("adamw", "tiny_vgg", marks=pytest.mark.slow),
        pytest.param("sgd", "tiny_resnet", marks=pytest.mark.slow),
        pytest.param("adamw", "tiny_resnet", marks=pytest.mark.slow),
    ],
)
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
    expected = train(run, str(tmp_path / "whole"), device=CPU)
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
            train(run, str(broken), device=CPU)
    write = StoredFile.write

    def stop_at_the_third(file: StoredFile, content: bytes) -> None:
        if (broken / "history.csv").read_text().count("\n") == 4:
            raise Stopped
        write(file, content)

    with monkeypatch.context() as patch:
        patch.setattr(StoredFile, "write", stop_at_the_third)
        with pytest.raises(Stopped):
            train(run, str(broken), device=CPU)
    seen: list[TrainRow] = []
    result = train(run, str(broken), device=CPU, on_epoch=seen.append)
    assert [row.epoch for row in seen] == [2, 3]
    assert result.weights_sha256 == expected.weights_sha256
    assert (broken / "weights.safetensors").read_bytes() == Path(expected.weights).read_bytes()
    histories = [[replace(row, seconds=0) for row in r.history] for r in (result, expected)]
    assert histories[0] == histories[1]


def test_a_finished_run_trains_no_more(tmp_path: Path) -> None:
    first = train(config(), str(tmp_path), device=CPU)
    seen: list[TrainRow] = []
    assert train(config(), str(tmp_path), device=CPU, on_epoch=seen.append) == first
    assert not seen


def test_the_seed_decides(tmp_path: Path) -> None:
    digests = {
        train(
            config(recipe=replace(config().recipe, epochs=1, seed=seed)),
            str(tmp_path / f"{seed}-{copy}"),
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
    result = train(run, str(tmp_path / "run"), device=CPU)
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
        train(config(**fields), str(tmp_path), device=CPU)


def test_a_folder_holds_one_run(tmp_path: Path) -> None:
    train(config(), str(tmp_path), device=CPU)
    other = config(recipe=replace(config().recipe, learning_rate=0.5))
    with pytest.raises(UserError, match="holds another training run"):
        train(other, str(tmp_path), device=CPU)
    with pytest.raises(UserError, match="holds another training run"):
        train(config(train=Colours(images=11)), str(tmp_path), device=CPU)


@pytest.mark.parametrize(
    ("begun", "asked", "message"),
    [
        (2, 3, r"begun with 2 workers and would go on with 3 workers, .*; give --workers 2 or an"),
        (2, 1, r"begun with 2 workers and would go on with one process, .*; give --workers 2"),
        (1, 2, r"begun with one process and would go on with 2 workers, .*; give --workers 0"),
    ],
)
def test_a_folder_is_of_one_number_of_workers(
    tmp_path: Path, begun: int, asked: int, message: str
) -> None:
    prepare(config(), str(tmp_path), begun)
    prepare(config(), str(tmp_path), begun)
    with pytest.raises(UserError, match=message):
        prepare(config(), str(tmp_path), asked)
    with pytest.raises(UserError, match="holds another training run"):
        prepare(config(train=Colours(images=11)), str(tmp_path), asked)


def test_a_batch_needs_an_image_for_every_worker(tmp_path: Path) -> None:
    prepare(config(), str(tmp_path / "4"), 4)
    with pytest.raises(UserError, match=r"a batch of 4 images cannot be shared out to 5 workers"):
        prepare(config(), str(tmp_path / "5"), 5)


def test_a_folder_may_be_anywhere() -> None:
    result = train(config(recipe=replace(config().recipe, epochs=1)), "memory://run/", device=CPU)
    assert result.weights == "memory://run/weights.safetensors"
    folder = Folder.at("memory://run")
    assert folder.list() == ["checkpoint.pt", "history.csv", "train.json", "weights.safetensors"]
    assert len(result.history) == 1
