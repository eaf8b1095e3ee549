"""Pictures, boxes and masks in a frame, beside torchvision's and timm's own transforms."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision import transforms
from torchvision.models import get_model_weights

from swag.models import ModelSpec, Preparation, preparation
from swagflow.config.load import resolve
from swagflow.data import Frame, ImageFolder, Resize, load_image
from swagflow.engine.opening import open_benchmark
from swagflow.engine.preparing import frame_of, with_models_sizes
from swagflow.errors import ImageError, UserError
from tests.support.runs import Runner, changed


def picture(width: int, height: int, seed: int = 0) -> Image.Image:
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def encoded(image: Image.Image) -> io.BytesIO:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    stream.seek(0)
    return stream


TORCHVISION = [
    "resnet50.IMAGENET1K_V1",
    "resnet50.IMAGENET1K_V2",
    "efficientnet_b3.IMAGENET1K_V1",
    "convnext_tiny.IMAGENET1K_V1",
    "vit_b_16.IMAGENET1K_V1",
    "inception_v3.IMAGENET1K_V1",
]
TIMM = [
    "resnet50.a1_in1k",
    "convnext_tiny.in12k_ft_in1k",
    "tf_efficientnet_lite0.in1k",
    "vit_small_patch16_224.augreg_in21k_ft_in1k",
    "swin_tiny_patch4_window7_224.ms_in1k",
    "efficientnet_b0.ra_in1k",
    "convnext_tiny.in12k_ft_in1k_384",
]


@pytest.mark.parametrize("size", [(500, 375), (120, 200), (641, 427)])
@pytest.mark.parametrize("name", TORCHVISION)
def test_images_are_those_of_torchvisions_weights(name: str, size: tuple[int, int]) -> None:
    """Their transforms do the same to the picture, and then normalise it."""
    architecture, tag = name.split(".")
    transform = get_model_weights(architecture)[tag].transforms()
    spec = ModelSpec(architecture=architecture, weights=tag)
    image_CHW, _ = load_image(encoded(picture(*size)), frame_of(preparation(spec)))
    mean_C11, std_C11 = (torch.tensor(v).view(3, 1, 1) for v in (transform.mean, transform.std))
    expected_CHW = transform(picture(*size)) * std_C11 + mean_C11
    torch.testing.assert_close(image_CHW, expected_CHW, atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [(500, 375), (120, 200), (641, 427)])
@pytest.mark.parametrize("name", TIMM)
def test_images_are_those_of_timms_weights(name: str, size: tuple[int, int]) -> None:
    spec = ModelSpec(architecture=f"timm/{name}")
    config = timm.data.resolve_data_config(
        {}, pretrained_cfg=timm.get_pretrained_cfg(name).to_dict()
    )
    transform: Any = timm.data.create_transform(**config, is_training=False)
    image_CHW, _ = load_image(encoded(picture(*size)), frame_of(preparation(spec)))
    mean_C11, std_C11 = (torch.tensor(config[key]).view(3, 1, 1) for key in ("mean", "std"))
    expected_CHW = transform(picture(*size)) * std_C11 + mean_C11
    torch.testing.assert_close(image_CHW, expected_CHW, atol=1e-6, rtol=0)


def test_weights_of_a_file_are_taken_for_the_usual_ones() -> None:
    usual = Preparation((224, 224), 256, "bilinear")
    assert preparation(ModelSpec(architecture="resnet50", weights="mine.safetensors")) == usual
    assert preparation(ModelSpec(architecture="resnet50", weights="IMAGENET1K_V2")) == Preparation(
        (224, 224), 232, "bilinear"
    )
    assert preparation(ModelSpec(architecture="tests.support.plugins:toy_cnn")) is None
    assert preparation(ModelSpec(architecture="tiny_vgg")) == Preparation(
        (112, 112), 128, "bilinear"
    )


@pytest.mark.parametrize("crop", [(96, 64), (64, 96), (80, 80)])
@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic", "nearest"])
def test_a_rectangle_is_what_torchvision_cuts_out(
    crop: tuple[int, int], interpolation: Any
) -> None:
    transform = transforms.Compose(
        [
            transforms.Resize(100, transforms.InterpolationMode(interpolation)),
            transforms.CenterCrop(crop),
            transforms.ToTensor(),
        ]
    )
    frame = Frame.by(224, Resize(shorter=100, crop=crop, interpolation=interpolation))
    for size in ((300, 200), (200, 300)):
        image_CHW, _ = load_image(encoded(picture(*size)), frame)
        assert torch.equal(image_CHW, transform(picture(*size)))


def test_squash_makes_both_sides_fit() -> None:
    image = picture(300, 100)
    image_CHW, framing = load_image(encoded(image), Frame.by((40, 60), "squash"))
    expected = transforms.ToTensor()(image.resize((60, 40), Image.Resampling.BILINEAR))
    assert torch.equal(image_CHW, expected)
    boxes_N4 = torch.tensor([[30.0, 10.0, 150.0, 60.0]])
    assert framing.boxes(boxes_N4).tolist() == [[6.0, 4.0, 30.0, 24.0]]


def test_none_takes_pictures_as_they_are() -> None:
    image = picture(30, 20)
    image_CHW, framing = load_image(encoded(image), Frame.by((20, 30), "none"))
    assert torch.equal(image_CHW, transforms.ToTensor()(image))
    mask_HW = torch.rand(20, 30) > 0.5
    assert torch.equal(framing.mask(mask_HW), mask_HW)
    with pytest.raises(ImageError, match="the image is 30x21 pixels, and `resize: none` takes"):
        load_image(encoded(picture(30, 21)), Frame.by((20, 30), "none"))


@given(
    st.tuples(st.integers(1, 300), st.integers(1, 300)),
    st.tuples(st.integers(1, 64), st.integers(1, 64)),
)
def test_every_rectangle_is_filled(size: tuple[int, int], crop: tuple[int, int]) -> None:
    framing = Frame.by(crop, Resize()).of(*size)
    left, top = framing.corner
    assert min(left, top) >= 0
    assert left + crop[1] <= framing.resized[0]
    assert top + crop[0] <= framing.resized[1]


def test_boxes_in_a_rectangle_by_hand() -> None:
    """400x200 is halved to 200x100; 20 rows above and 50 columns to the left are cut off."""
    framing = Frame.by(224, Resize(shorter=100, crop=(60, 100))).of(400, 200)
    assert (framing.resized, framing.corner) == ((200, 100), (50, 20))
    found = framing.boxes(torch.tensor([[120.0, 60.0, 400.0, 180.0]]))
    assert found.tolist() == [[10.0, 10.0, 100.0, 60.0]]


def test_what_is_framed_otherwise_has_another_fingerprint() -> None:
    old = str(Frame.by(224, Resize()))
    assert old == "(224, 224)"
    assert str(Frame.by(112, Resize(shorter=256, crop=224))) == old, "the same pixels"
    others = [Resize(shorter=232), Resize(interpolation="bicubic"), "squash", "none"]
    found = {str(Frame.by(224, each)) for each in others}  # type: ignore[arg-type]
    assert len(found | {old}) == 5


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"resize": "cut"}, "resize: .*'squash', 'none' or 'model', got 'cut'"),
        ({"resize": {"shorter": 100, "crop": 224}}, "shorter must be at least what is cut out"),
        ({"resize": {"crop": 0}}, "sizes must be at least 1 pixel, got 0"),
        ({"resize": {"sorter": 3}}, r"resize\.sorter'; did you mean 'shorter'"),
        ({"resize": {"interpolation": "cubic"}}, "interpolation: .*got 'cubic'"),
        ({"size": [224]}, "size"),
        ({"size": 0}, "`size` must be at least 1, got 0"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    fields: dict[str, Any], message: str, tmp_path: Path
) -> None:
    entry = {"type": "image_folder", "root": str(tmp_path), **fields}
    picture(8, 8).save(tmp_path / "a.png")
    with pytest.raises(UserError, match=message):
        resolve(changed(datasets={"mine": entry})).datasets["mine"].open()


MODELS = {
    "resnet50": {"weights": "IMAGENET1K_V2"},
    "vgg16": {},
    "small": {"architecture": "tests.support.plugins:toy_cnn", "weights": "random:0"},
}


def benchmark_of(*models: str, folder: Path) -> Any:
    datasets = {"mine": {"type": "image_folder", "root": str(folder), "resize": "model"}}
    return resolve(changed(datasets=datasets, models={name: MODELS[name] for name in models}))


def test_the_models_own_way(tmp_path: Path) -> None:
    found = with_models_sizes(benchmark_of("resnet50", folder=tmp_path)).datasets["mine"]
    assert isinstance(found, ImageFolder)
    assert (found.size, found.resize) == (224, Resize(shorter=232, crop=224))


@pytest.mark.parametrize(
    ("models", "message"),
    [
        (("resnet50", "vgg16"), "the models want different images .resnet50: shorter side to 232"),
        (("small",), "nobody says how images of small are prepared"),
    ],
)
def test_models_that_do_not_agree_are_named(
    models: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match=message):
        with_models_sizes(benchmark_of(*models, folder=tmp_path))


def test_a_run_says_where_images_are_not_the_models(tmp_path: Path) -> None:
    picture(130, 140).save(tmp_path / "a.png")
    fields = {"type": "image_folder", "root": str(tmp_path), "size": 112}
    raw = changed(datasets={"mine": fields}, models={"tiny_vgg": {}})
    assert open_benchmark(resolve(raw)).notes == ()
    fields |= {"resize": "squash"}
    (note,) = open_benchmark(resolve(raw)).notes
    assert "tiny_vgg was trained on other images than mine gives it (shorter side to 128" in note


@pytest.mark.usefixtures("quick_report")
def test_a_run_on_rectangles(runner: Runner, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index in range(3):
        picture(60, 50, index).save(folder / f"{index}.png")
    fields = {"type": "image_folder", "root": str(folder), "size": [24, 32]}
    metrics = {"deletion": {"steps": 4}, "morf": {"steps": 4}}
    explainers = {"swag": {"superpixels": {"num_segments": 6}}, "grad_cam": {}, "centre": {}}
    assert runner(datasets={"mine": fields}, metrics=metrics, explainers=explainers) == 0
    assert runner.scores()["value"].notna().all()
