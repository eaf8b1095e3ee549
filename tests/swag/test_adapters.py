"""Methods of other libraries: what they give there, seeded, image by image, and nothing left."""

from __future__ import annotations

import random
import sys
from importlib import metadata
from types import SimpleNamespace
from typing import Any

import captum.attr
import lime.lime_image
import numpy as np
import pytest
import saliency.core
import torch
from saliency.core import guided_ig
from torch import Tensor, nn
from torchvision.models import vgg11

import swag
from swag.adapters import of_saliency
from swag.adapters.adapted import SUPERPIXELS, Adapted
from swag.adapters.names import LIBRARIES, all_names, methods_of
from swag.classifier import Classifier
from swag.models import ModelSpec, load_classifier
from swag.signals import Signals
from swag.types import Batch
from swagflow.config.identity import describe
from swagflow.config.load import resolve
from swagflow.errors import UserError
from tests.support.perturbed import photographs
from tests.support.runs import changed
from tests.support.toys import toy_cnn, untouched

QUICK: dict[str, dict[str, Any]] = {
    "captum:KernelShap": {"n_samples": 40},
    "captum:Lime": {"n_samples": 40},
    "captum:ShapleyValueSampling": {"n_samples": 1},
    "lime:image": {"num_samples": 40},
    "saliency:BlurIG": {"steps": 8},
    "saliency:GuidedIG": {"x_steps": 8},
    "saliency:Occlusion": {"size": 60},
    "shap:PartitionExplainer": {"max_evals": 40},
    "torchcam:ISCAM": {"num_samples": 2},
    "torchcam:SSCAM": {"num_samples": 2},
}
REFUSED = {
    "captum:DeepLift": "does not contain some of the input/output attributes",
    "captum:DeepLiftShap": "does not contain some of the input/output attributes",
    "shap:DeepExplainer": "modified inplace",
    "torchcam:LeGrad": "takes torchvision's vision transformers only",
}
"""What a ResNet, whose ReLUs are used more than once, cannot have."""
APART = "lxt"
"""It is not imported everywhere: test_lxt.py."""
NAMES = [name for name in all_names() if not name.startswith(f"{APART}:")]


def quick(name: str) -> Adapted:
    return Adapted(method=name, parameters=QUICK.get(name, {}))


def signals_of(classifier: Classifier, size: int = 64, seed: int = 0) -> Signals:
    images = photographs(size, size, ("astronaut", "chelsea"))
    return Signals(classifier, Batch(images, ("a", "b"), seed=seed))


@pytest.fixture
def toy_signals() -> Signals:
    torch.manual_seed(0)
    return signals_of(Classifier(toy_cnn().eval().requires_grad_(requires_grad=False)))


def test_there_are_many() -> None:
    names = all_names()
    assert len(names) == len(set(names)) >= 60
    assert {name.partition(":")[0] for name in names} == set(LIBRARIES)


@pytest.mark.parametrize("library", sorted(LIBRARIES.keys() - {APART}))
def test_every_name_is_the_librarys(library: str) -> None:
    for method in methods_of(library):
        assert Adapted(method=f"{library}:{method}").library.startswith(LIBRARIES[library])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_method_runs_on_a_residual_network_or_says_why() -> None:
    spec = ModelSpec(
        architecture="tests.support.toys:short_resnet", weights="random:0", num_classes=7
    )
    classifier = load_classifier(spec, device=torch.device("cpu"), batch_size=32)
    signals = signals_of(classifier)
    failed = {}
    for name in NAMES:
        with untouched(classifier.model, signals.batch.image_BCHW):
            try:
                found_BHW = quick(name)(signals)
            except Exception as error:  # noqa: BLE001 - whatever a library raises
                failed[name] = str(error)
                continue
        assert found_BHW.shape == (2, 64, 64), name
        assert torch.isfinite(found_BHW).all(), name
        varies = any(map_HW.unique().numel() > 1 for map_HW in found_BHW)
        assert varies or name == "grad_cam:FEM", name  # which marks outliers among 2x2 cells
    assert failed.keys() == REFUSED.keys(), failed
    for name, reason in REFUSED.items():
        assert reason in failed[name]


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_seed_is_all_that_chance_knows() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, 2), nn.ReLU(), nn.Conv2d(8, 8, 3, 2), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 4),
    )  # fmt: skip
    classifier = Classifier(model.eval().requires_grad_(requires_grad=False))
    both = signals_of(classifier)
    for name in NAMES:
        if name in {"torchcam:LeGrad", "captum:LRP"}:  # which knows no rule for Flatten
            continue
        first_BHW = quick(name)(both)
        random.seed(1)
        np.random.seed(1)  # noqa: NPY002
        torch.manual_seed(1)
        other = Signals(classifier, Batch(both.batch.image_BCHW[1:], ("b",)))
        again_1HW = quick(name)(other)
        scale = float(first_BHW[1].abs().max()) or 1.0
        worst = float((again_1HW[0] - first_BHW[1]).abs().max())
        assert worst <= 1e-4 * scale, (name, worst, scale)


def test_global_random_numbers_are_put_back(toy_signals: Signals) -> None:
    torch.manual_seed(3)
    np.random.seed(3)  # noqa: NPY002
    random.seed(3)
    expected = (torch.rand(1), np.random.random(), random.random())  # noqa: NPY002
    torch.manual_seed(3)
    np.random.seed(3)  # noqa: NPY002
    random.seed(3)
    quick("captum:GradientShap")(toy_signals)
    assert (torch.rand(1), np.random.random(), random.random()) == expected  # noqa: NPY002


def test_captums_gradient_is_captums(toy_signals: Signals) -> None:
    model = toy_signals.classifier.model
    theirs_BCHW = captum.attr.IntegratedGradients(model).attribute(
        toy_signals.normalised_BCHW, target=toy_signals.target_B, n_steps=20
    )
    ours = Adapted(method="captum:IntegratedGradients", parameters={"n_steps": 20})
    torch.testing.assert_close(ours(toy_signals), theirs_BCHW.sum(1).float(), rtol=1e-3, atol=1e-6)
    largest = Adapted(method="captum:Saliency", channels="max_abs")
    torch.testing.assert_close(
        largest(toy_signals), toy_signals.gradient_BCHW.abs().amax(1), rtol=1e-3, atol=1e-8
    )


def test_a_layers_attribution_is_a_map_of_the_image(toy_signals: Signals) -> None:
    captums = Adapted(method="captum:LayerGradCam", parameters={"relu_attributions": True})
    ours_BHW = swag.EXPLAINERS["grad_cam"](toy_signals)
    torch.testing.assert_close(captums(toy_signals), ours_BHW, rtol=1e-3, atol=1e-7)
    theirs_BHW = quick("grad_cam:GradCAM")(toy_signals)
    for ours, theirs in zip(ours_BHW, theirs_BHW, strict=True):
        if float(ours.max()) > float(ours.min()):
            assert np.corrcoef(ours.flatten(), theirs.flatten())[0, 1] > 0.99


def test_superpixels_are_what_features_are_taken_away_by(toy_signals: Signals) -> None:
    labels_BHW = toy_signals.segments(SUPERPIXELS)
    found_BHW = quick("captum:FeatureAblation")(toy_signals)
    for map_HW, labels_HW in zip(found_BHW, labels_BHW, strict=True):
        for label in range(int(labels_HW.max()) + 1):
            assert map_HW[labels_HW == label].unique().numel() == 1


def test_lime_is_limes(toy_signals: Signals) -> None:
    explainer = Adapted(method="lime:image", parameters={"num_samples": 50})
    maps_BHW = explainer(toy_signals)
    assert all(map_HW.unique().numel() > 1 for map_HW in maps_BHW)
    again = lime.lime_image.LimeImageExplainer
    assert explainer._module._class() is again


def test_guided_ig_is_its_authors(toy_signals: Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a NumPy that took `interpolation`; and the library is left as it was."""
    found_BHW = quick("saliency:GuidedIG")(toy_signals)
    assert guided_ig.np is np
    assert "GetMask" in vars(saliency.core.GuidedIG)
    then = SimpleNamespace(**{**vars(np), "quantile": quantile_of_then})
    monkeypatch.setattr(guided_ig, "np", then)
    monkeypatch.setattr(of_saliency, "_guided_ig", lambda kind: kind)
    torch.testing.assert_close(quick("saliency:GuidedIG")(toy_signals), found_BHW, rtol=0, atol=0)
    assert found_BHW.abs().sum() > 0


def quantile_of_then(values: np.ndarray, share: float, interpolation: str) -> Any:
    """The largest value that at most so large a share of the others is below."""
    assert interpolation == "lower"
    return np.sort(values, axis=None)[int(np.floor(share * (values.size - 1)))]


@pytest.mark.slow
def test_le_grad_takes_a_vision_transformer() -> None:
    spec = ModelSpec(architecture="vit_b_32", weights="random:0", num_classes=4)
    classifier = load_classifier(spec, device=torch.device("cpu"), batch_size=1)
    nn.init.normal_(classifier.model.heads.head.weight)  # type: ignore[union-attr, arg-type]
    found_1HW = quick("torchcam:LeGrad")(
        Signals(classifier, Batch(photographs(224, 224, ("astronaut",)), ("a",)))
    )
    assert found_1HW.shape == (1, 224, 224)
    assert found_1HW.unique().numel() > 10


@pytest.mark.slow
def test_relevance_of_a_plain_network_adds_up() -> None:
    """Without biases, epsilon rules keep the sum: the target's logit."""
    torch.manual_seed(0)
    model = vgg11(weights=None, num_classes=5).eval().requires_grad_(requires_grad=False)
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
            module.bias.zero_()
    classifier = Classifier(model)
    signals = signals_of(classifier, 64)
    found_BHW = quick("zennit:EpsilonPlus")(signals)
    assert torch.isfinite(found_BHW).all()
    assert float(found_BHW.abs().max()) > 0


def test_a_name_works_wherever_names_do() -> None:
    model, images = toy_cnn().eval(), torch.rand(1, 3, 16, 16)
    found_BHW = swag.explain(model, images, method="captum:InputXGradient")
    signals = Signals(Classifier(model), Batch(images, ("0",)))
    expected_BHW = (signals.gradient_BCHW * signals.normalised_BCHW).sum(1)
    torch.testing.assert_close(found_BHW, expected_BHW, rtol=1e-4, atol=1e-7)
    fields = {"type": "captum:Occlusion", "parameters": {"strides": [3, 4, 4]}}
    (explainer,) = resolve(changed(explainers={"mine": fields})).explainers.values()
    described = describe(explainer)
    assert described["library"].startswith("captum ")
    assert described["parameters"] == {"strides": [3, 4, 4]}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"type": "captum:Salienzy"}, "captum has no 'Salienzy'; did you mean 'Saliency'"),
        ({"type": "lxt:AttnLPR"}, "lxt has no 'AttnLPR'; did you mean 'AttnLRP'"),
        (
            {"type": "captum:Saliency", "parameters": {"n_steps": 3}},
            "explainers.mine: captum:Saliency takes no n_steps; it takes abs",
        ),
        ({"type": "captum:Saliency", "channels": "mean"}, "explainers.mine"),
        ({"type": "captom:Saliency"}, "cannot be imported"),
    ],
)
def test_what_is_not_there_is_said(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        resolve(changed(explainers={"mine": fields}))


@pytest.mark.parametrize(
    ("name", "extra"),
    [("captum:Saliency", "adapters"), ("lime:image", "benchmark"), ("lxt:AttnLRP", "lxt")],
)
def test_a_library_that_is_not_installed_is_named(
    name: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(LIBRARIES, name.partition(":")[0], "what-is-not-there")
    with pytest.raises(ValueError, match=rf"pip install 'swagflow\[{extra}\]'"):
        Adapted(method=name)


@pytest.mark.parametrize(
    ("transformers", "message"),
    [
        ("5.24.0", r"transformers 5.24.0 \(import of lxt.*\); .* pip install 'transformers<5'"),
        ("4.50.3", r"transformers 4.50.3 \(import of lxt.*\); try pip install 'swagflow\[lxt\]'"),
        ("", r"needs transformers, which is not installed: pip install 'swagflow\[lxt\]'"),
    ],
)
def test_why_lxt_is_not_imported_is_said(
    transformers: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = {"lxt": "2.1", "zennit": "0.5.1", "transformers": transformers}

    def version(package: str) -> str:
        if not versions[package]:
            raise metadata.PackageNotFoundError
        return versions[package]

    monkeypatch.setattr(metadata, "version", version)
    monkeypatch.setitem(sys.modules, "lxt", None)
    monkeypatch.setitem(sys.modules, "lxt.efficient", None)
    for fields in ({"type": "lxt:AttnLRP"}, {"type": "lxt:CP_LRP", "parameters": {"gamma": 1}}):
        with pytest.raises(UserError, match=rf"lxt:\w+ cannot be used: lxt 2.1 .*{message}"):
            resolve(changed(explainers={"mine": fields}))


def test_a_map_of_more_than_a_number_a_pixel_is_refused(toy_signals: Signals) -> None:
    explainer = quick("captum:Saliency")
    wrong: Tensor = torch.zeros(2, 2, 3, 4, 4)
    with pytest.raises(ValueError, match=r"returned shape \(2, 2, 3, 4, 4\)"):
        explainer._flat(wrong)
    assert toy_signals.batch.image_BCHW.shape[1] == 3
