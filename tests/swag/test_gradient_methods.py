"""Methods of gradients at the image, at noisy copies and on the way to it, against captum."""

from __future__ import annotations

import warnings
from dataclasses import replace
from itertools import pairwise
from typing import Any, get_args

import numpy as np
import pytest
import saliency.core as peer
import torch
from captum.attr import GuidedGradCam, InputXGradient, IntegratedGradients, NoiseTunnel, Saliency
from torch import Tensor, nn

from swag.channels import over_channels
from swag.curves.fillings import Black, Blur, ImageMean, MeanColour, White, blank_images
from swag.explainers import (
    GradCAM,
    GuidedBackprop,
    GuidedGradCAM,
    SmoothGrad,
    VanillaGradient,
)
from swag.explainers import InputXGradient as OurInputXGradient
from swag.explainers import IntegratedGradients as OurIntegratedGradients
from swag.explainers.gradient import Moment
from swag.integrated import Rule, contributions, points_of
from swag.packing import target_gradients
from swag.rng import generator
from swag.signals import Signals
from swag.types import TargetScore
from tests.support.perturbed import classifier, pass_sizes, photographs, signals
from tests.support.toys import Linear, batch_of, classifier_of, dyadic, images, toy

RULES: dict[Rule, str] = {
    "middle": "riemann_middle",
    "left": "riemann_left",
    "right": "riemann_right",
    "gauss_legendre": "gausslegendre",
}


def test_input_x_gradient_is_captums() -> None:
    ours = signals(photographs(32, 40))
    model = ours.classifier.model
    theirs = InputXGradient(model).attribute(
        ours.normalised_BCHW.clone().requires_grad_(), target=ours.target_B
    )
    assert torch.equal(OurInputXGradient()(ours), theirs.sum(1))
    assert torch.equal(OurInputXGradient(channels="abs_sum")(ours), theirs.abs().sum(1))


def test_input_x_gradient_of_a_linear_model_adds_up_to_its_logit() -> None:
    weight_KCHW = torch.arange(24.0).view(2, 3, 2, 2) / 8 - 1
    found = Signals(classifier_of(Linear(weight_KCHW)), batch_of(images(2, 2)))
    logit_B = found.logit_BK.gather(1, found.target_B[:, None])[:, 0]
    torch.testing.assert_close(OurInputXGradient()(found).sum((1, 2)), logit_B)


def test_channels_by_hand() -> None:
    attribution_BCHW = torch.tensor([1.0, -3.0, 0.5]).view(1, 3, 1, 1)
    assert over_channels(attribution_BCHW, "sum").item() == -1.5
    assert over_channels(attribution_BCHW, "abs_sum").item() == 4.5
    assert over_channels(attribution_BCHW, "max_abs").item() == 3.0


def test_guided_grad_cam_is_captums() -> None:
    """But for the way to the image's size, which is bilinear as in the paper."""
    model = dyadic(
        nn.Sequential(
            *(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2)),
            *(nn.Conv2d(6, 8, 3, padding=1), nn.ReLU()),
            *(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(32, 5)),
        ),
        seed=104,
    )
    ours = Signals(classifier_of(model, cam_layer="3"), batch_of(images(2)))
    x_BCHW = ours.normalised_BCHW.clone().requires_grad_()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it sets hooks, and says so
        method = GuidedGradCam(model, model[3])
        theirs = method.attribute(x_BCHW, ours.target_B, interpolate_mode="bilinear")
    assert theirs.abs().amax((1, 2, 3)).min() > 0
    torch.testing.assert_close(GuidedGradCAM()(ours), theirs.abs().amax(1))
    product_BHW = GradCAM()(ours) * GuidedBackprop()(ours)
    assert torch.equal(GuidedGradCAM()(ours), product_BHW)


def noisy_copies(ours: Signals, samples: int, noise: float) -> Tensor:
    """The copies that our images draw, image after image."""
    copies = []
    for index, image_id in enumerate(ours.batch.image_ids):
        rng = generator(ours.batch.seed, image_id, "noisy_gradients")
        image_CHW = ours.batch.image_BCHW[index]
        width = noise * (image_CHW.max() - image_CHW.min()) / ours.classifier.std_1C11
        drawn = rng.standard_normal((samples, *image_CHW.shape), dtype=np.float32)
        copies.append(ours.normalised_BCHW[index] + width * torch.from_numpy(drawn))
    return torch.cat(copies)


@pytest.mark.parametrize(
    ("statistic", "name"),
    [("mean", "smoothgrad"), ("square", "smoothgrad_sq"), ("variance", "vargrad")],
)
def test_moments_of_noisy_gradients_are_captums(statistic: Any, name: str) -> None:
    """Given the same copies, since its own noise is PyTorch's."""
    ours = signals(photographs(24, 32))
    tunnel: Any = NoiseTunnel(Saliency(ours.classifier.model))
    copies = noisy_copies(ours, 6, 0.15).requires_grad_()
    tunnel._add_noise_to_inputs = lambda *_: (copies,)
    theirs = tunnel.attribute(
        ours.normalised_BCHW, target=ours.target_B, nt_type=name, nt_samples=6, abs=False
    )
    found = SmoothGrad(statistic=statistic, num_samples=6)(ours)
    scale = float(theirs.abs().max())
    torch.testing.assert_close(found, theirs.abs().amax(1), rtol=0, atol=2e-6 * scale)


def test_all_moments_read_the_same_passes() -> None:
    model = classifier(16)
    ours = signals(photographs(24, 24), model)
    assert ours.target_B.shape == (2,)
    pass_sizes(model).clear()
    found = [SmoothGrad(statistic=s, num_samples=5)(ours) for s in get_args(Moment)]
    assert pass_sizes(model) == [8, 2]
    assert all((map_BHW >= 0).all() for map_BHW in found)


def test_without_noise_smooth_grad_is_the_gradient_and_var_grad_nothing() -> None:
    ours = Signals(toy(), batch_of(images(2)))
    expected = VanillaGradient()(ours)
    torch.testing.assert_close(SmoothGrad(noise=0.0, num_samples=3)(ours), expected)
    squared = SmoothGrad(noise=0.0, num_samples=3, statistic="square")(ours)
    torch.testing.assert_close(squared, expected.square())
    variance = SmoothGrad(noise=0.0, num_samples=3, statistic="variance")(ours)
    assert variance.max() <= 1e-12 * expected.max() ** 2


@pytest.mark.parametrize("score", ["probability", "logit"])
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("baseline", [Black(), White(), ImageMean(), Blur()], ids=repr)
def test_integrated_gradients_are_captums(rule: Rule, score: TargetScore, baseline: Any) -> None:
    model = classifier()
    ours = signals(photographs(24, 32), model)

    def forward(x_NCHW: Tensor) -> Tensor:
        logit_NK = model.logits(x_NCHW)
        return model.scores(logit_NK) if score == "probability" else logit_NK

    theirs = IntegratedGradients(forward).attribute(
        ours.normalised_BCHW,
        baselines=blank_images(ours, baseline),
        target=ours.target_B,
        n_steps=7,
        method=RULES[rule],
    )
    found = OurIntegratedGradients(baseline=baseline, rule=rule, score=score, steps=7)(ours)
    scale = float(theirs.abs().max())
    torch.testing.assert_close(found, theirs.sum(1).float(), rtol=0, atol=2e-6 * scale)


def test_the_trapezoid_is_that_of_the_authors_code() -> None:
    """captum's has a step less than it divides by, so that a constant gradient loses a part."""
    model = classifier()
    ours = signals(photographs(24, 32), model)
    start_BCHW = blank_images(ours, Black())
    gradients = []
    for step in range(6):
        x_BCHW = start_BCHW + step / 5 * (ours.normalised_BCHW - start_BCHW)
        x_BCHW = x_BCHW.detach().requires_grad_()
        score = model.scores(model.logits(x_BCHW)).gather(1, ours.target_B[:, None]).sum()
        gradients.append(torch.autograd.grad(score, x_BCHW)[0])
    means = [(first + second) / 2 for first, second in pairwise(gradients)]
    expected = torch.stack(means).mean(0) * (ours.normalised_BCHW - start_BCHW)
    found = OurIntegratedGradients(rule="trapezoid", steps=5)
    assert found.num_forwards == found.num_backwards == 6
    torch.testing.assert_close(found(ours), expected.sum(1), rtol=1e-4, atol=1e-8)


def test_the_right_sum_is_the_saliency_packages_without_its_first_point() -> None:
    """PAIR's points are those of both ends, all counted alike."""
    model = classifier()
    ours = signals(photographs(24, 32, ("coffee",)), model)
    image_HWC = ours.batch.image_BCHW[0].permute(1, 2, 0).numpy()

    def call(images_NHWC: np.ndarray, **_options: Any) -> dict[str, np.ndarray]:
        x_NCHW = torch.from_numpy(np.asarray(images_NHWC, dtype=np.float32)).permute(0, 3, 1, 2)
        x_NCHW = x_NCHW.requires_grad_()
        score = model.scores(model.logits(model.normalise(x_NCHW)))[:, ours.target_B[0]].sum()
        gradient = torch.autograd.grad(score, x_NCHW)[0].permute(0, 2, 3, 1).numpy()
        return {peer.base.INPUT_OUTPUT_GRADIENTS: gradient}

    theirs = peer.IntegratedGradients().GetMask(
        image_HWC, call, x_baseline=np.zeros_like(image_HWC), x_steps=6, batch_size=6
    )
    at_black = call(np.zeros_like(image_HWC)[None])[peer.base.INPUT_OUTPUT_GRADIENTS][0] * image_HWC
    expected = (theirs * 6 - at_black) / 5
    found = OurIntegratedGradients(rule="right", steps=5)(ours)[0].numpy()
    np.testing.assert_allclose(found, expected.sum(2), atol=2e-6 * np.abs(expected).max())


@pytest.mark.parametrize("rule", ["gauss_legendre", "middle", "trapezoid"])
@pytest.mark.parametrize("score", ["probability", "logit"])
def test_integrated_gradients_are_complete(rule: Rule, score: TargetScore) -> None:
    model = classifier()
    ours = signals(photographs(32, 32), model)
    total_B = OurIntegratedGradients(rule=rule, score=score, steps=60)(ours).sum((1, 2))
    start_BK = model.all_logits(blank_images(ours, Black()))
    end_BK = ours.logit_BK
    if score == "probability":
        start_BK, end_BK = model.scores(start_BK), model.scores(end_BK)
    difference_B = (end_BK - start_BK).gather(1, ours.target_B[:, None])[:, 0]
    torch.testing.assert_close(total_B, difference_B, rtol=0, atol=1e-3)


def test_of_a_linear_model_one_step_of_any_rule_is_enough() -> None:
    weight_KCHW = torch.arange(24.0).view(2, 3, 2, 2) / 8 - 1
    ours = Signals(classifier_of(Linear(weight_KCHW)), batch_of(images(2, 2)))
    start_BCHW = blank_images(ours, MeanColour())
    assert not start_BCHW.any()
    for rule in (*RULES, "trapezoid"):
        found = contributions(ours, start_BCHW, 1, rule, "logit")
        torch.testing.assert_close(found, ours.normalised_BCHW * weight_KCHW[ours.target_B])


@pytest.mark.parametrize("rule", [*RULES, "trapezoid"])
def test_points_count_as_many_as_there_are_steps(rule: Rule) -> None:
    fraction_T, weight_T = points_of(rule, 9)
    assert weight_T.sum() == pytest.approx(9)
    assert (np.diff(fraction_T) > 0).all()
    assert fraction_T.min() >= 0
    assert fraction_T.max() <= 1


def test_maps_of_other_channels_share_the_passes() -> None:
    model = classifier(16)
    ours = signals(photographs(24, 24), model)
    assert ours.target_B.shape == (2,)
    pass_sizes(model).clear()
    for channels in ("sum", "abs_sum", "max_abs"):
        OurIntegratedGradients(steps=4, channels=channels)(ours)
    assert pass_sizes(model) == [8]


@pytest.mark.parametrize(
    ("item", "fields", "message"),
    [
        (SmoothGrad(), {"num_samples": 0}, "num_samples must be at least 1, got 0"),
        (SmoothGrad(), {"noise": -1.0}, "noise must be at least 0, got -1"),
        (SmoothGrad(), {"statistic": "sum"}, "statistic 'sum' is unknown; choose one of mean"),
        (SmoothGrad(), {"channels": "mean"}, "channels 'mean' is unknown"),
        (OurIntegratedGradients(), {"steps": 0}, "steps must be at least 1, got 0"),
        (OurIntegratedGradients(), {"rule": "simpson"}, "rule 'simpson' is unknown"),
        (OurIntegratedGradients(), {"score": "loss"}, "score 'loss' is unknown"),
        (OurInputXGradient(), {"channels": "mean"}, "channels 'mean' is unknown"),
    ],
)
def test_settings_out_of_range_are_refused(item: Any, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(item, **fields)


def test_a_class_that_is_not_there_is_refused() -> None:
    ours = signals(photographs(16, 16), target_B=torch.tensor([0, 5]))
    with pytest.raises(ValueError, match="targets must be classes 0 to 4"):
        next(target_gradients(ours, [1, 1], lambda _part, _copies: None, "logit"))
