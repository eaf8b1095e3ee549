"""Score-CAM against pytorch-grad-cam and one channel at a time."""

from __future__ import annotations

import copy
from functools import partial

import numpy as np
import pytest
import torch
import torchvision
from pytorch_grad_cam import ScoreCAM as Peer
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor

from swag.explainers import ScoreCAM
from swag.explainers.cam import enlarged
from swag.packing import of_target
from swag.signals import Signals
from swag.types import TargetScore
from tests.support import reference
from tests.support.toys import Counted, batch_of, classifier_of, images, toy, toy_cnn


def peers(signals: Signals, layer: str) -> Tensor:
    model = copy.deepcopy(signals.classifier.model)
    with Peer(model, [model.get_submodule(layer)]) as cam:
        wanted = [ClassifierOutputTarget(k) for k in signals.target_B.tolist()]
        return torch.from_numpy(cam(signals.normalised_BCHW, wanted))


def scaled(saliency_BHW: Tensor) -> Tensor:
    low_B11 = saliency_BHW.amin((1, 2), keepdim=True)
    return (saliency_BHW - low_B11) / (saliency_BHW.amax((1, 2), keepdim=True) - low_B11)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_at_the_images_size_it_is_pytorch_grad_cams() -> None:
    signals = Signals(classifier_of(toy_cnn(inplace=False), cam_layer="1"), batch_of(images(2)))
    assert signals.layer_activation_BFhw.shape[2:] == (32, 32)
    torch.testing.assert_close(scaled(ScoreCAM()(signals)), peers(signals, "1"), rtol=0, atol=1e-5)


@pytest.mark.slow
def test_of_a_resnet_it_is_pytorch_grad_cams_but_for_the_corners_of_masks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The peer aligns the corners of masks, and not of the map that it returns."""
    torch.manual_seed(0)
    model = torchvision.models.resnet18(weights=None).eval()
    signals = Signals(classifier_of(model, cam_layer="layer4.1"), batch_of(images(1, 64)))
    unaligned = partial(torch.nn.Upsample, mode="bilinear", align_corners=False)
    monkeypatch.setattr(torch.nn, "UpsamplingBilinear2d", unaligned)
    ours, theirs = scaled(ScoreCAM()(signals)), peers(signals, "layer4.1")
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("score", ["logit", "probability"])
def test_equals_one_channel_at_a_time(score: TargetScore) -> None:
    explainer = ScoreCAM(score=score)
    signals = Signals(toy(), batch_of(images(2, 32)))
    found, classifier = explainer(signals), signals.classifier
    for image, target in enumerate(signals.target_B.tolist()):
        x_CHW = signals.normalised_BCHW[image]
        scores = []
        activation_Fhw = signals.layer_activation_BFhw[image].numpy()
        for map_hw in activation_Fhw:
            mask_HW = reference.bilinear(map_hw.astype(float), 32, 32)
            mask_HW = (mask_HW - mask_HW.min()) / (mask_HW.max() - mask_HW.min())
            logit_K = classifier.model((x_CHW * torch.from_numpy(mask_HW).float())[None])[0]
            scores.append(
                float(logit_K.softmax(0)[target] if score == "probability" else logit_K[target])
            )
        weight_F = np.exp(np.array(scores) - max(scores))
        weight_F /= weight_F.sum()
        total = (activation_Fhw * weight_F[:, None, None]).sum(0)
        expected = reference.bilinear(np.maximum(total, 0).astype(float), 32, 32)
        np.testing.assert_allclose(found[image], expected, rtol=1e-4, atol=1e-6)


def test_of_few_channels_those_that_vary_most_are_taken() -> None:
    signals = Signals(toy(), batch_of(images(1, 32)))
    few = ScoreCAM(num_channels=3)(signals)
    activation_Fhw = signals.layer_activation_BFhw[0]
    chosen = activation_Fhw.flatten(1).std(1).topk(3).indices
    scores = []
    for channel in chosen.tolist():
        mask_HW = enlarged(activation_Fhw[channel][None], torch.Size((32, 32)))[0]
        logit_BK = signals.classifier.model(signals.normalised_BCHW * mask_HW)
        scores.append(logit_BK[0, signals.target_B[0]])
    map_hw = torch.einsum("t,thw->hw", torch.stack(scores).softmax(0), activation_Fhw[chosen])
    expected = reference.bilinear(map_hw.relu().double().numpy(), 32, 32)
    np.testing.assert_allclose(few[0], expected, rtol=1e-4, atol=1e-6)


def test_masks_reach_from_0_to_1_and_constant_maps_show_nothing() -> None:
    map_Thw = torch.tensor([[[1.0, 3.0], [2.0, -1.0]], [[4.0, 4.0], [4.0, 4.0]]])
    mask_THW = enlarged(map_Thw, torch.Size((8, 8)))
    assert [float(end) for end in mask_THW[0].aminmax()] == [0, 1]
    assert not mask_THW[1].any()


def test_copies_of_all_images_fill_the_passes() -> None:
    model = Counted(toy_cnn())
    signals = Signals(classifier_of(model, cam_layer="model.4", batch_size=5), batch_of(images(2)))
    assert of_target(signals, "logit").shape == (2,)
    _ = signals.layer_activation_BFhw
    before = len(model.forwards)
    ScoreCAM()(signals)
    assert model.forwards[before:] == [5, 5, 5, 1]


def test_settings_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="num_channels must be at least 1, got 0"):
        ScoreCAM(num_channels=0)
    with pytest.raises(ValueError, match="score 'loss' is unknown"):
        ScoreCAM(score="loss")  # type: ignore[arg-type]
