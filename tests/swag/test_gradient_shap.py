"""Gradient SHAP against captum, and the images that it compares with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import captum.attr._core.gradient_shap as peer
import numpy as np
import pytest
import torch
from captum.attr import GradientShap
from PIL import Image
from torch import Tensor

from swag.backgrounds import Background, Pictures, RandomColours
from swag.explainers import GradientSHAP
from swag.rng import generator
from swag.signals import Signals
from swag.types import TargetScore
from swagflow.config.identity import key_of
from tests.support.perturbed import classifier, pass_sizes, photographs, signals
from tests.support.toys import Linear, batch_of, classifier_of, images


def pictures(folder: Path, count: int = 5) -> Path:
    for number in range(count):
        value = np.random.default_rng(number).integers(0, 256, (20, 30 + number, 3), dtype=np.uint8)
        (folder / "deeper").mkdir(parents=True, exist_ok=True)
        Image.fromarray(value).save(folder / "deeper" / f"{number}.png")
    return folder


def drawn(ours: Signals, index: int, samples: int, background: Background) -> tuple[Tensor, Any]:
    """The normalised images and the places that our explainer draws for an image."""
    image_id, seed = ours.batch.image_ids[index], ours.batch.seed
    _, *shape = ours.normalised_BCHW.shape
    others = background.draw(generator(seed, image_id, "background"), samples, tuple(shape))  # type: ignore[arg-type]
    others = ours.classifier.normalised_colour(others).expand(samples, *shape)
    return others, generator(seed, image_id, "gradient_shap").random(samples)


@pytest.mark.parametrize("score", ["logit", "probability"])
@pytest.mark.parametrize("of_pictures", [False, True])
def test_equals_captums_on_the_same_draws(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, score: TargetScore, of_pictures: bool
) -> None:
    background: Background = RandomColours()
    if of_pictures:
        background = Pictures(folder=str(pictures(tmp_path)), num_pictures=4)
    model = classifier()
    ours = signals(photographs(24, 32), model)
    found = GradientSHAP(background=background, num_samples=6, score=score)(ours)

    def forward(x_NCHW: Tensor) -> Tensor:
        logit_NK = model.logits(x_NCHW)
        return model.scores(logit_NK) if score == "probability" else logit_NK

    for index in range(2):
        others, places = drawn(ours, index, 6, background)
        with monkeypatch.context() as patched:
            patched.setattr(peer.np.random, "choice", lambda count, _size: np.arange(count))
            patched.setattr(peer.np.random, "uniform", lambda *_: places)  # noqa: B023
            theirs = GradientShap(forward).attribute(
                ours.normalised_BCHW[index : index + 1].clone().requires_grad_(),
                baselines=others,
                n_samples=6,
                stdevs=0.0,
                target=int(ours.target_B[index]),
            )[0]
        scale = float(theirs.abs().max())
        torch.testing.assert_close(found[index], theirs.sum(0), rtol=0, atol=3e-6 * scale)


def test_of_a_linear_model_values_add_up_to_the_difference_from_the_background() -> None:
    weight_KCHW = torch.arange(24.0).view(2, 3, 2, 2) / 8 - 1
    ours = Signals(classifier_of(Linear(weight_KCHW)), batch_of(images(2, 2)))
    found = GradientSHAP(num_samples=5)(ours).sum((1, 2))
    for index, target in enumerate(ours.target_B.tolist()):
        others, _ = drawn(ours, index, 5, RandomColours())
        difference = (ours.normalised_BCHW[index] - others).mean(0) * weight_KCHW[target]
        torch.testing.assert_close(found[index], difference.sum())


@pytest.mark.slow
def test_of_any_model_they_do_so_in_the_mean_over_many_draws() -> None:
    model = classifier(64)
    ours = signals(photographs(16, 16, ("coffee",)), model)
    found = GradientSHAP(num_samples=4000)(ours).sum()
    others, _ = drawn(ours, 0, 4000, RandomColours())
    logit_TK = model.all_logits(others)
    target = int(ours.target_B[0])
    expected = ours.logit_BK[0, target] - logit_TK[:, target].mean()
    assert float(found) == pytest.approx(float(expected), rel=0.02)


def test_maps_of_other_channels_share_the_passes() -> None:
    model = classifier(16)
    ours = signals(photographs(24, 24), model)
    assert ours.target_B.shape == (2,)
    pass_sizes(model).clear()
    for channels in ("sum", "abs_sum", "max_abs"):
        GradientSHAP(num_samples=5, channels=channels)(ours)
    assert pass_sizes(model) == [8, 2]


@pytest.mark.parametrize("parts", [[7], [1, 6], [3, 2, 2]])
def test_draws_do_not_depend_on_how_many_are_drawn_at_once(
    tmp_path: Path, parts: list[int]
) -> None:
    for background in (RandomColours(), Pictures(folder=str(pictures(tmp_path)), num_pictures=3)):
        rng = generator(0, "a", "background")
        found = torch.cat([background.draw(rng, part, (3, 8, 8)) for part in parts])
        expected = background.draw(generator(0, "a", "background"), 7, (3, 8, 8))
        assert torch.equal(found, expected)
        assert 0 <= float(found.min()) <= float(found.max()) <= 1


def test_pictures_are_known_by_their_content(tmp_path: Path) -> None:
    folder = str(pictures(tmp_path / "a"))
    first = Pictures(folder=folder, num_pictures=3)
    assert Pictures(folder=folder, num_pictures=3) == first
    assert len(first.sha256) == 64
    assert Pictures(folder=folder, num_pictures=3, seed=1).sha256 != first.sha256
    before = key_of(GradientSHAP(background=first))
    for path in tmp_path.rglob("*.png"):
        Image.new("RGB", (9, 9)).save(path)
    changed = Pictures(folder=folder, num_pictures=3)
    assert changed.sha256 != first.sha256
    assert key_of(GradientSHAP(background=changed)) != before


def test_pictures_cover_the_input_of_any_channels(tmp_path: Path) -> None:
    background = Pictures(folder=str(pictures(tmp_path)), num_pictures=2)
    rng = np.random.default_rng(0)
    assert background.draw(rng, 4, (3, 10, 14)).shape == (4, 3, 10, 14)
    assert background.draw(rng, 4, (1, 10, 14)).shape == (4, 1, 10, 14)


def test_too_few_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has 5 pictures, wanted 6; name another folder"):
        Pictures(folder=str(pictures(tmp_path)), num_pictures=6)
    with pytest.raises(ValueError, match="num_pictures must be at least 1, got 0"):
        Pictures(folder=str(tmp_path), num_pictures=0)
    with pytest.raises(ValueError, match="needs a folder, and none is named"):
        Pictures().draw(np.random.default_rng(0), 1, (3, 8, 8))
    with pytest.raises(ValueError, match="num_samples must be at least 1, got 0"):
        GradientSHAP(num_samples=0)
