"""Hugging Face's classifiers: folders in the hub's layout, types, and what each mistake is told."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import (
    AutoImageProcessor,
    ConvNextConfig,
    ConvNextForImageClassification,
    PreTrainedModel,
    SwinConfig,
    SwinForImageClassification,
    ViTConfig,
    ViTForImageClassification,
)

import swag
from swag.models import (
    ModelSpec,
    Preparation,
    fixed_size,
    load_classifier,
    load_model,
    normalisation,
    preparation,
    weights_sha256,
)
from swagflow.data import Frame, Resize

CPU = torch.device("cpu")
SMALL: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
SIDE = 64
PROCESSORS: dict[str, dict[str, Any]] = {
    "vit": {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True, "do_rescale": True, "do_normalize": True, "rescale_factor": 1 / 255,
        "size": {"height": SIDE, "width": SIDE}, "resample": 2,
        "image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.25, 0.5],
    },
    "swin": {
        "image_processor_type": "ViTImageProcessor",
        "do_resize": True, "do_rescale": True, "do_normalize": True, "rescale_factor": 1 / 255,
        "size": {"height": SIDE, "width": SIDE}, "resample": 3,
        "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225],
    },
    "convnext": {
        "image_processor_type": "ConvNextImageProcessor",
        "do_resize": True, "do_rescale": True, "do_normalize": True, "rescale_factor": 1 / 255,
        "size": {"shortest_edge": SIDE}, "crop_pct": 0.875, "resample": 3,
        "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225],
    },
}  # fmt: skip


def made(kind: str) -> PreTrainedModel:
    torch.manual_seed(0)
    if kind == "vit":
        config = ViTConfig(**SMALL, intermediate_size=64, image_size=SIDE, patch_size=16)
        config.num_labels = 5
        return ViTForImageClassification(config)
    if kind == "swin":
        swin = SwinConfig(
            image_size=SIDE, patch_size=4, embed_dim=16, depths=[1, 1], num_heads=[2, 2],
            window_size=4,
        )  # fmt: skip
        swin.num_labels = 5
        return SwinForImageClassification(swin)
    convnext = ConvNextConfig(hidden_sizes=[8, 16, 24, 32], depths=[1, 1, 1, 1])
    convnext.num_labels = 5
    return ConvNextForImageClassification(convnext)


@pytest.fixture(params=list(PROCESSORS))
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def folder(kind: str, tmp_path: Path) -> Path:
    """A repository's files, as `save_pretrained` writes them."""
    made(kind).save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(PROCESSORS[kind]))
    return tmp_path


def spec_of(name: object, **fields: Any) -> ModelSpec:
    return ModelSpec(architecture=f"hf/{name}", **fields)


def test_a_folder_is_the_model_that_was_saved(folder: Path, kind: str) -> None:
    images = torch.rand(2, 3, SIDE, SIDE)
    classifier = load_classifier(spec_of(folder), device=CPU, batch_size=2)
    with torch.no_grad():
        theirs = made(kind).eval()(classifier.normalise(images)).logits
    found = classifier.all_logits(classifier.normalise(images))
    torch.testing.assert_close(found, theirs, rtol=1e-4, atol=1e-6)
    assert weights_sha256(classifier.model) == weights_sha256(made(kind))


def test_pictures_become_what_the_processor_makes_of_them(folder: Path, kind: str) -> None:
    spec = spec_of(folder)
    said = PROCESSORS[kind]
    assert normalisation(spec) == (tuple(said["image_mean"]), tuple(said["image_std"]))
    found = preparation(spec)
    assert found is not None
    picture = Image.fromarray(
        np.random.default_rng(0).integers(0, 256, (90, 140, 3)).astype(np.uint8)
    )
    resize = Resize(
        shorter=found.resized, crop=found.size[0], interpolation=found.interpolation,  # type: ignore[arg-type]
        squash=found.squash,
    )  # fmt: skip
    ours = Frame.by(found.size[0], resize).of(*picture.size).image(picture)
    processor = AutoImageProcessor.from_pretrained(folder, use_fast=False, backend="pil")
    theirs = processor(picture, return_tensors="pt")["pixel_values"][0]
    mean, std = (torch.tensor(said[key]).view(3, 1, 1) for key in ("image_mean", "image_std"))
    assert float(((ours - mean) / std - theirs).abs().max()) < 0.02


def test_grad_cam_finds_its_layer(folder: Path) -> None:
    classifier = load_classifier(spec_of(folder), device=CPU, batch_size=2)
    found = swag.explain(classifier, torch.rand(2, 3, SIDE, SIDE), method="grad_cam")
    assert found.shape == (2, SIDE, SIDE)
    assert float(found.max()) > 0


def test_random_weights_are_a_function_of_the_seed() -> None:
    one, same, other = (
        weights_sha256(load_model(spec_of("resnet", weights=f"random:{seed}", num_classes=3)))
        for seed in (1, 1, 2)
    )
    assert one == same != other


def test_a_vision_transformer_takes_one_size_only(tmp_path: Path) -> None:
    for name, size in (("vit", (SIDE, SIDE)), ("swin", None), ("convnext", None)):
        made(name).save_pretrained(tmp_path / name)
        assert fixed_size(spec_of(tmp_path / name)) == size


@pytest.mark.parametrize(
    ("said", "kind", "expected"),
    [
        ({"size": 40}, "convnext", Preparation((40, 40), 45, "bilinear")),
        (
            {"size": {"shortest_edge": 384}},
            "convnext",
            Preparation((384, 384), 384, "bilinear", squash=True),
        ),
        (
            {"size": {"shortest_edge": 64}, "do_center_crop": True, "crop_size": {"height": 56}},
            "swin",
            Preparation((56, 56), 64, "bilinear"),
        ),
        ({"size": 64, "feature_extractor_type": "ViTFeatureExtractor"}, "swin",
         Preparation((64, 64), 64, "bilinear", True)),
        ({"do_resize": False, "size": 3}, "swin", None),
        ({}, "swin", None),
    ],
)  # fmt: skip
def test_what_a_repository_says_of_sizes(
    said: dict[str, Any], kind: str, expected: Preparation | None, tmp_path: Path
) -> None:
    made(kind).config.save_pretrained(tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(said))
    assert preparation(spec_of(tmp_path)) == expected


@pytest.mark.parametrize(
    ("name", "weights", "message"),
    [
        ("vitt", "random:1", "neither a folder with a config.json.*did you mean 'vit'"),
        ("vit", "default", "hf/vit is a type of model and has no weights; name a repository"),
        ("EMPTY", "default", "neither a folder with a config.json"),
        ("BARE", "default", "could not be loaded"),
        ("TEXT", "random:1", "is a bert, of which transformers has no image"),
    ],
)
def test_what_is_not_there_is_said(name: str, weights: str, message: str, tmp_path: Path) -> None:
    if name.isupper():
        if name != "EMPTY":
            kind = "bert" if name == "TEXT" else "vit"
            (tmp_path / "config.json").write_text(json.dumps({"model_type": kind}))
        name = str(tmp_path)
    with pytest.raises(ValueError, match=message):
        load_model(spec_of(name, weights=weights))


def test_a_model_without_its_last_layer_is_refused(tmp_path: Path) -> None:
    model: Any = made("vit")
    model.vit.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"is no classifier: its file lacks classifier\.bias"):
        load_model(spec_of(tmp_path))


def test_without_transformers_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ValueError, match=r"need transformers: pip install 'swagflow\[transf"):
        load_model(spec_of("regnet", weights="random:1"))
