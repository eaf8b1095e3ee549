"""Digit scenes: the same on every machine, true to their ground truth, splits kept apart."""

from __future__ import annotations

import hashlib
from collections import Counter

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from swagflow.data import DATASETS, DigitScenes, digit_scenes
from swagflow.data.digit_scenes import NUM_IMAGES, SIZE, _sources, tight_box_14
from swagflow.errors import ImageError, UserError


def test_a_scene_is_its_ground_truth() -> None:
    dataset = DigitScenes(images=40).open()
    for image_id in dataset.image_ids:
        sample = dataset.load(image_id)
        assert sample.image_id == image_id
        assert sample.image_CHW.shape == (3, SIZE, SIZE) == (3, *dataset.input_size)
        assert sample.image_CHW.dtype == torch.float32
        assert 0 <= sample.image_CHW.min() <= sample.image_CHW.max() <= 1
        assert sample.label in range(10)
        assert sample.mask_HW is not None
        assert sample.boxes_N4 is not None
        (left, top, right, bottom), *others = sample.boxes_N4.int().tolist()
        assert not others
        inside_HW = sample.mask_HW[top:bottom, left:right]
        assert inside_HW.sum() == sample.mask_HW.sum() > 0
        edges = [inside_HW[0], inside_HW[-1], inside_HW[:, 0], inside_HW[:, -1]]
        assert all(edge.any() for edge in edges), "the box is tight"


def test_the_mask_is_where_the_digit_is() -> None:
    """Inside it one colour, that of the digit, is far more frequent than any in a photograph."""
    dataset = DigitScenes(images=50).open()
    shares = []
    for image_id in dataset.image_ids:
        sample = dataset.load(image_id)
        assert sample.mask_HW is not None
        colours_N = (sample.image_CHW[:, sample.mask_HW] * 255).int().T
        _, counts = colours_N.unique(dim=0, return_counts=True)
        shares.append(float(counts.max() / len(colours_N)))
    assert np.mean(shares) > 0.4
    assert min(shares) > 0.05


def test_the_box_is_tight() -> None:
    mask_HW = torch.zeros(6, 8, dtype=torch.bool)
    mask_HW[2, 3] = mask_HW[4, 6] = True
    assert tight_box_14(mask_HW).tolist() == [[3.0, 2.0, 7.0, 5.0]]


def test_a_scene_depends_on_seed_split_and_index_only() -> None:
    dataset = DigitScenes(images=5).open()
    names = list(dataset.image_ids)
    assert names == [f"validation/{index:06d}" for index in range(5)]
    backwards = [dataset.load(name).image_CHW for name in reversed(names)][::-1]
    again = DigitScenes().open()
    assert all(
        torch.equal(image, again.load(name).image_CHW)
        for name, image in zip(names, backwards, strict=True)
    )
    assert not torch.equal(backwards[0], backwards[1])
    other = DigitScenes(seed=1).open()
    assert not torch.equal(backwards[0], other.load(names[0]).image_CHW)
    assert (
        len({DigitScenes(seed=s, split=p).open().fingerprint for s in (0, 1) for p in NUM_IMAGES})
        == 4
    )


def test_scenes_are_the_same_on_every_machine() -> None:
    """The bits that the weights in the package were trained on."""
    digest = hashlib.sha256()
    for split in NUM_IMAGES:
        dataset = DigitScenes(split=split, images=50).open()
        for image_id in dataset.image_ids:
            pixels = (dataset.load(image_id).image_CHW * 255).round().to(torch.uint8)
            digest.update(pixels.numpy().tobytes())
    assert digest.hexdigest() == GOLDEN


GOLDEN = "5352122f7db05d5e8e821d092ae07af4f6dae30067211405b11636c7ef558b34"


def test_the_number_of_images_is_no_part_of_the_identity() -> None:
    few, many = DigitScenes(images=3).open(), DigitScenes(images=5000).open()
    assert few.fingerprint == many.fingerprint
    assert many.image_ids[:3] == few.image_ids
    assert len(many.image_ids) == len(set(many.image_ids)) == 5000
    assert {
        split: len(DigitScenes(split=split).open().image_ids) for split in NUM_IMAGES
    } == NUM_IMAGES


def test_neither_digits_nor_photographs_are_in_both_splits() -> None:
    train, validation = _sources("train"), _sources("validation")

    def digits(sources: object) -> set[bytes]:
        return {digit.tobytes() for digit in sources.digit_NHW}  # type: ignore[attr-defined]

    assert not digits(train) & digits(validation)
    digit_NHW, label_N = load_digits().images, load_digits().target
    assert np.array_equal(validation.digit_NHW, 15 * digit_NHW[3::4])
    assert np.array_equal(validation.label_N, label_N[3::4])
    assert len(train.digit_NHW) + len(validation.digit_NHW) == len(digit_NHW) == 1797
    pixels = [{image.tobytes() for image in s.photographs} for s in (train, validation)]
    assert not pixels[0] & pixels[1]
    assert all(min(image.size) >= SIZE for image in train.photographs + validation.photographs)


def test_classes_are_balanced() -> None:
    dataset = DigitScenes(images=1000).open()
    counts = Counter(dataset.load(image_id).label for image_id in dataset.image_ids)
    assert dataset.class_names == tuple("0123456789")
    assert min(counts.values()) > 70
    assert max(counts.values()) < 130


def test_digits_are_anywhere_and_of_many_sizes() -> None:
    dataset = DigitScenes(images=300).open()
    boxes = [dataset.load(image_id).boxes_N4 for image_id in dataset.image_ids]
    boxes_N4 = torch.cat([box for box in boxes if box is not None]).numpy()
    centres_N2 = (boxes_N4[:, :2] + boxes_N4[:, 2:]) / 2
    assert np.abs(centres_N2.mean(0) - SIZE / 2).max() < 4
    assert centres_N2.std(0).min() > 10
    heights_N = boxes_N4[:, 3] - boxes_N4[:, 1]
    assert heights_N.max() > 1.6 * heights_N.min()


@pytest.mark.parametrize(
    "image_id", ["train/000001", "000001", "validation/x", "validation/-1", "validation/²"]
)
def test_another_splits_scene_is_refused(image_id: str) -> None:
    with pytest.raises(ImageError, match="is no scene of 'validation'"):
        DigitScenes().open().load(image_id)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"split": "test"}, r"`split` must be one of \('train', 'validation'\), got 'test'"),
        ({"images": 10**12}, r"`images` must be at most 10,000,000, got 1,000,000,000,000"),
        ({"images": 0}, "`images` must be at least 1, got 0"),
    ],
)
def test_unusable_settings_say_so(config: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        DATASETS["digit_scenes"](**config).open()


def test_a_wheel_without_its_photographs_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(digit_scenes._PHOTOGRAPHS, "train", (("skimage", "data/gone.png"),))
    _sources.cache_clear()
    with pytest.raises(UserError, match=r"needs data/gone.png from the wheel of skimage"):
        _ = DigitScenes(split="train").open().fingerprint
    _sources.cache_clear()
