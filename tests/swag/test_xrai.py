"""XRAI against its authors' own package."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import saliency.core as peer
import torch
from captum.attr import IntegratedGradients
from saliency.core import xrai as peer_xrai
from scipy.ndimage import gaussian_filter
from scipy.sparse import csr_array
from torch import Tensor

from swag.classifier import Classifier
from swag.explainers.regions import dilated_regions, grow, grow_fast, segmentations
from swag.explainers.xrai import XRAI, Algorithm
from swag.integrated import integrated_gradient
from tests.support.perturbed import classifier, pass_sizes, photographs, signals


def image_HWC(height: int, width: int, name: str) -> np.ndarray:
    return photographs(height, width, (name,))[0].permute(1, 2, 0).contiguous().numpy()


def smooth_noise(height: int, width: int, seed: int) -> np.ndarray:
    """Attributions with wide and narrow blobs, in float64."""
    noise = np.random.default_rng(seed).normal(size=(height, width))
    return gaussian_filter(noise, 4) + gaussian_filter(noise, 1) / 10


def call_model(model: Classifier, target: int) -> Any:
    """What `saliency` asks for: gradients of the softmax output by the [0, 1] image."""

    def call(images: np.ndarray, **_: object) -> dict[str, np.ndarray]:
        x = torch.from_numpy(images).float().permute(0, 3, 1, 2).requires_grad_()
        probability = model.model(model.normalise(x)).softmax(1)[:, target].sum()
        (gradient,) = torch.autograd.grad(probability, x)
        return {peer.base.INPUT_OUTPUT_GRADIENTS: gradient.permute(0, 2, 3, 1).numpy()}

    return call


@pytest.mark.parametrize(("height", "width"), [(48, 40), (224, 224), (60, 250)])
def test_regions_are_those_of_the_original(height: int, width: int) -> None:
    image = image_HWC(height, width, "astronaut")
    theirs = np.stack(peer_xrai._get_segments_felzenszwalb(image, dilation_rad=0))
    labels = segmentations(image)
    ours = dilated_regions(labels, radius=0).toarray().reshape(theirs.shape)
    assert np.array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("height", "width"), [(48, 40), pytest.param(20, 70, marks=pytest.mark.slow)]
)
def test_dilated_regions_are_those_of_the_original(height: int, width: int) -> None:
    image = image_HWC(height, width, "coffee")
    theirs = np.stack([mask.ravel() for mask in peer_xrai._get_segments_felzenszwalb(image)])
    ours = dilated_regions(segmentations(image)).toarray()
    # Segments that the small image lost are empty; the original leaves those at the ends out.
    assert np.array_equal(ours[ours.any(1)], theirs[theirs.any(1)])


ATTRIBUTIONS = {
    "noise": smooth_noise(90, 80, 0),
    "other noise": smooth_noise(90, 80, 1),
    "negative": smooth_noise(90, 80, 2) - 10,
    "tiny": smooth_noise(90, 80, 3) * 1e-30,
    "mostly zero": np.where(smooth_noise(90, 80, 4) > 0.3, smooth_noise(90, 80, 5), 0),
    "zero": np.zeros((90, 80)),
    "constant": np.full((90, 80), 0.1),
}


@pytest.fixture(scope="module")
def regions() -> csr_array:
    return dilated_regions(segmentations(image_HWC(90, 80, "chelsea")))


def check_growing(algorithm: Algorithm, attribution_HW: np.ndarray, regions: csr_array) -> None:
    segments = list(regions.toarray().astype(bool).reshape(-1, *attribution_HW.shape))
    original = peer_xrai.XRAI._xrai if algorithm == "full" else peer_xrai.XRAI._xrai_fast
    theirs, _ = original(attribution_HW, segments)
    ours = (grow if algorithm == "full" else grow_fast)(regions, attribution_HW.ravel())
    peak = np.abs(attribution_HW).max()
    np.testing.assert_allclose(ours, theirs.ravel(), rtol=0, atol=1e-9 * peak)


@pytest.mark.parametrize("attribution_HW", ATTRIBUTIONS.values(), ids=ATTRIBUTIONS)
@pytest.mark.parametrize("algorithm", ["full", "fast"])
def test_growing_is_that_of_the_original(
    algorithm: Algorithm, attribution_HW: np.ndarray, regions: csr_array
) -> None:
    check_growing(algorithm, attribution_HW, regions)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["astronaut", "coffee", "chelsea", "rocket"])
def test_growing_is_that_of_the_original_at_full_size(name: str) -> None:
    image = image_HWC(224, 224, name)
    theirs = np.stack(peer_xrai._get_segments_felzenszwalb(image))
    regions = dilated_regions(segmentations(image))
    assert np.array_equal(regions.toarray(), theirs.reshape(len(theirs), -1))
    for seed in range(3):
        check_growing("full", smooth_noise(224, 224, seed), regions)
        check_growing("fast", smooth_noise(224, 224, seed), regions)


def test_equal_gains_go_to_the_first_region() -> None:
    """Two columns of equal mean: the first one takes the pixels that both dilations hold."""
    labels_HW = np.repeat([[0] * 10 + [1] * 10], 20, axis=0)
    regions = dilated_regions([labels_HW])
    attribution_HW = np.zeros((20, 20))
    attribution_HW[:, [2, 17]] = 1
    saliency_HW = grow(regions, attribution_HW.ravel()).reshape(20, 20)
    assert saliency_HW[0].tolist() == [20 / 300] * 15 + [20 / 100] * 5


@pytest.mark.parametrize("algorithm", ["full", pytest.param("fast", marks=pytest.mark.slow)])
def test_saliency_is_that_of_the_original(algorithm: Algorithm) -> None:
    model = classifier(batch_size=16)
    batch_signals = signals(photographs(56, 64, ("coffee",)), model)
    (saliency_HW,) = XRAI(steps=12, algorithm=algorithm)(batch_signals)
    theirs = peer.XRAI().GetMask(
        image_HWC(56, 64, "coffee"),
        call_model(model, int(batch_signals.target_B)),
        batch_size=12,
        extra_parameters=peer.XRAIParameters(steps=12, algorithm=algorithm),
    )
    np.testing.assert_allclose(saliency_HW, theirs, rtol=0, atol=1e-5 * np.abs(theirs).max())


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_integrated_gradients_are_those_of_the_original(batch_size: int) -> None:
    model = classifier(batch_size)
    images = photographs(32, 40) * 0.8 + 0.1
    batch_signals = signals(images, model)
    attribution_BCHW = integrated_gradient(batch_signals, 9)
    for index, image_CHW in enumerate(images):
        image = image_CHW.permute(1, 2, 0).contiguous().numpy()
        theirs = np.mean(
            [
                peer.IntegratedGradients().GetMask(
                    image,
                    call_model(model, int(batch_signals.target_B[index])),
                    x_baseline=np.full_like(image, baseline),
                    x_steps=9,
                    batch_size=9,
                )
                for baseline in (image.min(), image.max())
            ],
            axis=0,
        )
        ours = attribution_BCHW[index].permute(1, 2, 0).numpy()
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-6 * np.abs(theirs).max())


def test_a_model_of_one_size_only_is_explained_too() -> None:
    model, fixed = classifier(), classifier()
    fixed.image_size = (32, 32)
    images = photographs(32, 32)
    expected_BCHW = integrated_gradient(signals(images, model), 4)
    torch.testing.assert_close(integrated_gradient(signals(images, fixed), 4), expected_BCHW)


def test_middles_of_steps_are_captums() -> None:
    model = classifier()
    batch_signals = signals(photographs(32, 32), model)

    def probability(image_NCHW: Tensor) -> Tensor:
        return model.scores(model.logits(model.normalise(image_NCHW)))

    image_BCHW = batch_signals.batch.image_BCHW
    expected_BCHW = torch.zeros_like(image_BCHW)
    for extreme in (image_BCHW.amin((1, 2, 3)), image_BCHW.amax((1, 2, 3))):
        expected_BCHW += 0.5 * IntegratedGradients(probability).attribute(
            image_BCHW,
            baselines=extreme.view(-1, 1, 1, 1).expand_as(image_BCHW),
            target=batch_signals.target_B,
            n_steps=7,
            method="riemann_middle",
        )
    found_BCHW = integrated_gradient(batch_signals, 7, with_ends=False)
    torch.testing.assert_close(found_BCHW, expected_BCHW.float(), rtol=1e-3, atol=1e-7)


def test_integrated_gradients_add_up_to_the_difference_of_the_probabilities() -> None:
    model = classifier()
    batch_signals = signals(photographs(32, 32), model)
    total_B = integrated_gradient(batch_signals, 200).sum((1, 2, 3))
    for index in range(2):
        target = batch_signals.target_B[index]
        image_CHW = batch_signals.batch.image_BCHW[index]
        starts = torch.stack(
            [torch.full_like(image_CHW, float(end)) for end in image_CHW.aminmax()]
        )
        start_2 = model.probabilities(model.normalise(starts))[:, target]
        difference = batch_signals.probability_BK[index, target] - start_2.mean()
        torch.testing.assert_close(total_B[index], difference, rtol=0, atol=0.01)


def test_points_of_all_images_fill_the_passes_and_share_the_end() -> None:
    model = classifier(batch_size=16)
    batch_signals = signals(photographs(32, 32, ("astronaut", "coffee", "chelsea")), model)
    assert batch_signals.target_B.shape == (3,)
    pass_sizes(model).clear()
    assert integrated_gradient(batch_signals, 10) is integrated_gradient(batch_signals, 10)
    assert pass_sizes(model) == [8] * 7 + [1]


def test_an_image_is_explained_alike_alone_and_in_company() -> None:
    images = photographs(48, 40)
    together = XRAI(steps=5)(signals(images, classifier(16)))
    alone = XRAI(steps=5)(signals(images[1:], classifier(3)))
    torch.testing.assert_close(alone[0], together[1], rtol=1e-4, atol=1e-7)


def test_a_constant_image_has_no_important_part() -> None:
    saliency = XRAI(steps=3)(signals(torch.full((2, 3, 20, 24), 0.3)))
    assert torch.equal(saliency, torch.zeros(2, 20, 24))


def test_inputs_model_and_random_state_are_left_alone() -> None:
    model = classifier()
    model.model.requires_grad_(True)
    images = photographs(32, 24)
    before, state = images.clone(), torch.get_rng_state()
    saliency = XRAI(steps=3)(signals(images, model))
    assert torch.equal(images, before)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.grad is None for parameter in model.model.parameters())
    assert not saliency.requires_grad
    assert saliency.dtype == torch.float32


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"steps": 1}, "steps must be at least 2, got 1"),
        ({"algorithm": "slow"}, "algorithm 'slow' is unknown"),
    ],
)
def test_bad_settings_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        XRAI(**fields)


def test_a_target_that_is_no_class_is_refused() -> None:
    with pytest.raises(ValueError, match="classes 0 to 4 of the model, got -1 to -1"):
        XRAI(steps=2)(signals(photographs(24, 24, ("coffee",)), target_B=torch.tensor([-1])))
