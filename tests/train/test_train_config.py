"""What `swagflow train` reads."""

from __future__ import annotations

import pytest

from swagflow.data import DATASETS, DigitScenes
from swagflow.errors import UserError
from swagflow.train.train_config import load_train_configs


def test_the_recipe_of_the_embedded_models() -> None:
    runs = load_train_configs("train-tiny", ["recipe.epochs=2", "datasets.train.images=10"])
    assert list(runs) == ["tiny_vgg", "tiny_resnet"]
    assert [run.model.architecture for run in runs.values()] == list(runs)
    assert {run.model.weights for run in runs.values()} == {"random:0"}
    assert runs["tiny_vgg"].train == DigitScenes(split="train", images=10)
    assert isinstance(runs["tiny_vgg"].validation, DATASETS["digit_scenes"])
    assert runs["tiny_resnet"].recipe.epochs == 2


def test_the_recipes_for_natural_scenes() -> None:
    """They go on from what knows plain ones, and digits of validation are not trained on."""
    runs = load_train_configs("train-natural")
    before = {"small_vgg": "train-tiny/tiny_vgg", "small_resnet": "train-small/small_resnet"}
    assert {name: run.model.weights for name, run in runs.items()} == {
        name: f"runs/{folder}/weights.safetensors" for name, folder in before.items()
    }
    for run in runs.values():
        assert run.train == DigitScenes(scenes="natural", split="train", images=28_000)
        assert run.validation == DigitScenes(scenes="natural", images=400)
    (first,) = load_train_configs("train-small").values()
    assert first.model.weights == "random:0"
    assert first.train == DigitScenes(split="train", images=8000)


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
