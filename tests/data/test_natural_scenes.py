"""Natural scenes: the same on every machine, true to their ground truth, as hard as they say."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from PIL import Image

from swag.rng import generator
from swagflow.config.identity import describe
from swagflow.data import DATASETS, DigitScenes, natural_scenes
from swagflow.data.digit_scenes import NUM_IMAGES, SIZE, tight_box_14
from swagflow.data.natural_scenes import _ellipse, _half, _painted, _placed, natural_scene
from swagflow.data.scene_parts import LUMA
from swagflow.errors import UserError


def rng(seed: int = 0) -> np.random.Generator:
    return generator(seed, "a scene", "test")


def test_a_scene_is_its_ground_truth() -> None:
    dataset = DigitScenes(scenes="natural", images=30).open()
    for image_id in dataset.image_ids:
        sample = dataset.load(image_id)
        assert sample.image_CHW.shape == (3, SIZE, SIZE) == (3, *dataset.input_size)
        assert 0 <= sample.image_CHW.min() <= sample.image_CHW.max() <= 1
        assert sample.label in range(10)
        assert sample.mask_HW is not None
        assert sample.boxes_N4 is not None
        assert torch.equal(sample.boxes_N4, tight_box_14(sample.mask_HW))
        assert 20 < sample.mask_HW.sum() < 2000


def test_scenes_are_the_same_on_every_machine() -> None:
    """The bits of images and masks, of both splits."""
    digest = hashlib.sha256()
    for split in NUM_IMAGES:
        dataset = DigitScenes(scenes="natural", split=split, images=20).open()
        for image_id in dataset.image_ids:
            sample = dataset.load(image_id)
            pixels = (sample.image_CHW * 255).round().to(torch.uint8)
            digest.update(pixels.numpy().tobytes())
            digest.update(sample.mask_HW.numpy().tobytes())  # type: ignore[union-attr]
    assert digest.hexdigest() == GOLDEN


GOLDEN = "67670a57ef8751333316cb87ac7f07ebf58a9c0149bf0314e322a71e2da08aa0"


def test_the_kind_of_scenes_is_part_of_what_they_are() -> None:
    plain, natural = DigitScenes(), DigitScenes(scenes="natural")
    assert plain.open().fingerprint != natural.open().fingerprint
    assert "scenes" not in describe(plain), "what was stored of plain scenes is still found"
    assert describe(natural)["scenes"] == "natural"
    assert not torch.equal(
        plain.open().load("validation/000000").image_CHW,
        natural.open().load("validation/000000").image_CHW,
    )


def test_another_kind_of_scenes_is_refused() -> None:
    with pytest.raises(UserError, match=r"must be one of \('plain', 'natural'\), got 'wild'"):
        DATASETS["digit_scenes"](scenes="wild").open()  # type: ignore[call-arg]


@pytest.mark.parametrize("seed", range(6))
def test_the_mask_is_where_the_digit_is_seen(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """In a grey photograph, without light or noise, one colour is a digit's and grey what hides it.

    The digit's raster is opaque everywhere, so that its colour is all that the mask shows.
    """
    monkeypatch.setattr(natural_scenes, "_photographed", lambda scene, _rng: scene)
    grey = Image.new("RGB", (SIZE, SIZE), (128, 128, 128))
    opaque_NHW = np.full((1, 8, 8), 240, dtype=np.uint8)
    scene_HWC, mask_HW = natural_scene([grey], opaque_NHW, 0, SIZE, rng(seed))
    colours_NC, counts_N = np.unique(scene_HWC[mask_HW], axis=0, return_counts=True)
    colour_C = colours_NC[counts_N.argmax()]
    same_HW = (scene_HWC == colour_C).all(2)
    assert abs(colour_C - 128).max() > 20
    assert (same_HW & mask_HW).sum() > 0.9 * mask_HW.sum(), "but for soft edges"
    assert not (same_HW & ~mask_HW).any()


def test_paint_by_hand() -> None:
    """On black it is lighter; a fifth as opaque, a fifth as far; a quarter of the grain."""
    scene_HWC = np.zeros((1, 3, 3), dtype=np.int64)
    alpha_HW = np.array([[255, 255, 51]])
    texture_HWC = np.array([[[12] * 3, [28] * 3, [0] * 3]])
    drawn = rng()
    contrast, tint_C = drawn.integers(72, 129), drawn.integers(-96, 97, size=3)
    tint_C = tint_C - tint_C @ LUMA // 1000
    found = _painted(scene_HWC, alpha_HW, texture_HWC, rng())
    # The texture's mean where the thing is, 20, is what its grain is counted from.
    assert found[0, 0].tolist() == (contrast + tint_C - 2).clip(0, 255).tolist()
    assert found[0, 1].tolist() == (contrast + tint_C + 2).clip(0, 255).tolist()
    assert found[0, 2].tolist() == np.rint((contrast + tint_C - 5).clip(0, 255) / 5).tolist()
    untouched = _painted(scene_HWC, np.zeros((1, 3), dtype=np.int64), texture_HWC, rng())
    assert not untouched.any()


@pytest.mark.parametrize(("ground", "sign"), [(99, 1), (156, -1)])
def test_things_are_lighter_or_darker_where_there_is_room(
    monkeypatch: pytest.MonkeyPatch, ground: int, sign: int
) -> None:
    monkeypatch.setattr(natural_scenes, "_TINT", 0)
    scene_HWC = np.full((2, 2, 3), ground)
    opaque_HW = np.full((2, 2), 255)
    for seed in range(20):
        away_HWC = sign * (_painted(scene_HWC, opaque_HW, scene_HWC, rng(seed)) - ground)
        assert 72 <= away_HWC.min() == away_HWC.max() <= 128


def test_a_tint_leaves_brightness_as_it_is() -> None:
    """On grey, where no channel has to be cut off."""
    scene_HWC, opaque_HW = np.full((2, 2, 3), 128), np.full((2, 2), 255)
    colours = [_painted(scene_HWC, opaque_HW, scene_HWC, rng(seed))[0, 0] for seed in range(50)]
    whole = [colour_C for colour_C in colours if 0 < colour_C.min() <= colour_C.max() < 255]
    assert len(whole) >= 10
    for colour_C in whole:
        assert 71 <= abs(colour_C @ LUMA / 1000 - 128) <= 129


def test_halves_are_an_upper_and_a_lower_one() -> None:
    digit_HW = np.arange(1, 65, dtype=np.uint8).reshape(8, 8)
    found = {_half(digit_HW, rng(seed)).tobytes() for seed in range(10)}
    upper_HW, lower_HW = digit_HW.copy(), digit_HW.copy()
    upper_HW[4:] = 0
    lower_HW[:4] = 0
    assert found == {upper_HW.tobytes(), lower_HW.tobytes()}


def test_an_ellipse_is_a_literal_one() -> None:
    drawn = rng()
    (height, width), (y, x) = drawn.integers(10, 25, size=2), drawn.integers(40, size=2)
    expected = [
        [((i - y) / (height / 2)) ** 2 + ((j - x) / (width / 2)) ** 2 <= 1 for j in range(40)]
        for i in range(40)
    ]
    assert _ellipse(40, rng()).tolist() == expected


def test_digits_are_turned_and_keep_their_size() -> None:
    bar_HW = np.zeros((8, 8), dtype=np.uint8)
    bar_HW[:, 3:5] = 240
    found = [_placed(bar_HW, (64, 64), SIZE, rng(seed)) >= 128 for seed in range(20)]
    leaning = []
    for mask_HW in found:
        rows, columns = mask_HW.nonzero()
        assert rows.max() - rows.min() + 1 <= 64
        slope = np.polyfit(rows, columns, 1)[0]
        leaning.append(slope)
        assert abs(slope) < 0.3
    assert max(leaning) > 0.05
    assert min(leaning) < -0.05
