"""Quicker ways through a model: the same outputs, or the model as it is."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.fx.experimental.optimization import fuse

from swag import forwards
from swag.classifier import Classifier
from swag.folding import folded
from swag.forwards import CLOSE, CopyPasses, Quickest, arranged, full_pass, quickest
from swag.metrics.deletion import Deletion
from swag.models import ModelSpec, load_classifier
from swag.models.tiny import TINY
from swag.signals import Signals
from swag.types import Batch

FOLDED = CopyPasses(forward="folded")


def normalised_twice(channels: int = 4, width: float = 1.0) -> nn.Module:
    """A model with batch normalisation whose statistics are far from those of an untrained one."""
    torch.manual_seed(3)
    model = nn.Sequential(
        nn.Conv2d(3, channels, 3, bias=False),
        nn.BatchNorm2d(channels),
        nn.ReLU(),
        nn.Conv2d(channels, 5, 3),
        nn.BatchNorm2d(5),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
    )
    for module in model:
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1, width)
            nn.init.normal_(module.bias)
            nn.init.normal_(module.running_mean)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 2)  # type: ignore[arg-type]
    return model.eval()


def test_one_sum_folded_by_hand() -> None:
    """3 x + 1, less 2, over the root of 4, times 5, and 7 more: 7.5 x + 4.5."""
    model = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1, eps=0), nn.Flatten()).eval()
    values = {"0.weight": 3, "0.bias": 1, "1.weight": 5, "1.bias": 7, "1.running_mean": 2,
              "1.running_var": 4}  # fmt: skip
    for name, value in values.items():
        model.state_dict()[name].fill_(value)
    found = arranged(model, "folded", torch.zeros(1, 1, 1, 2), "logit")
    folded = {name: value.item() for name, value in found.state_dict().items()}
    assert folded == {"0.weight": 7.5, "0.bias": 4.5}
    assert [type(module).__name__ for module in found.children()] == ["Conv2d", "Flatten"]


@pytest.mark.parametrize("seed", range(5))
def test_a_folded_model_has_the_outputs_of_the_model(seed: int) -> None:
    model = normalised_twice(width=0.5)
    x = torch.randn(6, 3, 9, 9, generator=torch.Generator().manual_seed(seed))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    found = arranged(model, "folded", x, "softmax")
    assert found is not model
    with torch.no_grad():
        torch.testing.assert_close(found(x), model(x), rtol=1e-5, atol=1e-5)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("name", ["tiny_resnet", "resnet18", "densenet121", "mobilenet_v2"])
def test_networks_with_batch_normalisation_are_folded(name: str) -> None:
    weights = "default" if name in TINY else "random:0"
    spec = ModelSpec(architecture=name, weights=weights, num_classes=10)
    classifier = load_classifier(spec, device=torch.device("cpu"), batch_size=4)
    x = torch.randn(2, 3, 64, 64)
    found = arranged(classifier.model, "folded", x, "softmax")
    count = sum(isinstance(module, nn.BatchNorm2d) for module in found.modules())
    assert count < sum(isinstance(m, nn.BatchNorm2d) for m in classifier.model.modules())
    is_last = [weight.is_contiguous(memory_format=torch.channels_last)
               for weight in found.parameters() if weight.ndim == 4]  # fmt: skip
    assert all(is_last)
    with torch.no_grad():
        away = (found(x).softmax(1) - classifier.model(x).softmax(1)).abs().max()
    assert away < CLOSE


def test_timms_convolutions_and_activations_are_folded() -> None:
    pytest.importorskip("timm")
    spec = ModelSpec(architecture="timm/tf_efficientnet_lite0", weights="random:0")
    model = load_classifier(spec, device=torch.device("cpu"), batch_size=2).model
    x = torch.randn(2, 3, 64, 64)
    found = folded(model).eval()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in found.modules())
    with torch.no_grad():
        torch.testing.assert_close(found(x), model(x), rtol=1e-4, atol=1e-5)


class Shared(nn.Module):
    """A convolution whose outputs are taken twice, one that is called twice, and one of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.both, self.again, self.own = (nn.Conv2d(3, 3, 1) for _ in range(3))
        self.norms = nn.ModuleList(
            nn.BatchNorm2d(3).requires_grad_(requires_grad=False) for _ in range(4)
        )
        for norm in self.norms:
            nn.init.normal_(norm.running_mean)  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        y = self.both(x)
        y = y + self.norms[0](y)
        y = self.norms[1](self.again(y)) + self.norms[2](self.again(x))
        z: Tensor = self.norms[3](self.own(y))
        return z.mean((2, 3))


def test_what_others_take_too_is_not_folded() -> None:
    model = Shared().eval()
    found = folded(model).eval()
    assert sum(isinstance(module, nn.BatchNorm2d) for module in found.modules()) == 3
    x = torch.rand(2, 3, 4, 4)
    torch.testing.assert_close(found(x), model(x))


def test_folding_is_that_of_pytorch() -> None:
    model, x = normalised_twice(), torch.rand(3, 3, 9, 9)
    with torch.no_grad():
        assert torch.equal(folded(model).eval()(x), fuse(model).eval()(x))


class Undecided(nn.Module):
    """Asks the images which way to go, which tracing cannot follow."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = normalised_twice()

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x) if x.sum() > 0 else self.inner(-x)


def test_a_model_that_cannot_be_traced_stays_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    model = Undecided().eval()
    with caplog.at_level(logging.INFO, "swag"):
        assert arranged(model, "folded", torch.rand(2, 3, 9, 9), "softmax") is model
    assert "copies do not go through a folded Undecided" in caplog.text


@pytest.mark.parametrize("away", [2 * CLOSE, float("nan")])
def test_a_model_that_comes_out_different_stays_as_it_is(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, away: float
) -> None:
    class Away(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return model(x) * (1 + away)

    def _folded(*_: Any) -> nn.Module:
        return Away()

    monkeypatch.setattr(forwards, "_folded", _folded)
    model = normalised_twice()
    with caplog.at_level(logging.WARNING, "swag"):
        found = arranged(model, "folded", torch.rand(2, 3, 9, 9), "logit")
    assert found is model
    assert "away, 5e-05 may be" in caplog.text


def test_without_batch_normalisation_there_is_nothing_to_fold() -> None:
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 2)).eval()
    assert arranged(model, "folded", torch.rand(2, 3, 2, 2), "softmax") is model


def test_without_a_compiler_copies_take_the_folded_model(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("swag.forwards.which", lambda _: None)
    model = normalised_twice()
    with caplog.at_level(logging.INFO, "swag"):
        found = arranged(model, "compiled", torch.rand(2, 3, 9, 9), "softmax")
    assert type(found).__name__ == "GraphModule"
    assert "there is no C++ compiler" in caplog.text


def deleted(classifier: Classifier) -> Tensor:
    batch = Batch(image_BCHW=torch.rand(3, 3, 16, 16), image_ids=("a", "b", "c"))
    saliency_BHW = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(1))
    return Deletion(steps=7)(Signals(classifier, batch), saliency_BHW).value_B


def test_perturbed_copies_take_it_and_signals_do_not() -> None:
    eager = Classifier(normalised_twice(), batch_size=5)
    torch.manual_seed(0)
    wanted_B = deleted(eager)
    folded = Classifier(eager.model, batch_size=5)
    folded.copies = FOLDED
    calls: list[int] = []
    folded.model.register_forward_hook(lambda *_: calls.append(1))
    torch.manual_seed(0)
    torch.testing.assert_close(deleted(folded), wanted_B, rtol=0, atol=1e-6)
    # The images, a blank one, and the first pass of copies, with which the folded is compared.
    assert len(calls) <= 3


def test_a_copy_of_a_classifier_with_other_weights_is_folded_anew() -> None:
    classifier = Classifier(normalised_twice(), batch_size=5)
    classifier.copies = FOLDED
    x = torch.rand(2, 3, 9, 9)
    classifier.copies_logits(x)
    torch.manual_seed(9)
    other = classifier.with_model(nn.Sequential(nn.Flatten(), nn.Linear(243, 5)).eval())
    assert torch.equal(other.copies_logits(x), other.all_logits(x))


def test_bfloat16_is_near_and_comes_as_float32() -> None:
    classifier = Classifier(normalised_twice(), batch_size=5)
    x = torch.rand(7, 3, 9, 9)
    wanted_NK = classifier.all_logits(x)
    classifier.copies = CopyPasses(precision="bf16")
    found_NK = classifier.copies_logits(x)
    assert found_NK.dtype == torch.float32
    assert not torch.equal(found_NK, wanted_NK)
    torch.testing.assert_close(found_NK, wanted_NK, rtol=0.05, atol=0.05)
    assert torch.equal(classifier.all_logits(x), wanted_NK)


def test_tensorfloat_is_for_gpus() -> None:
    classifier = Classifier(normalised_twice())
    classifier.copies = CopyPasses(precision="tf32")
    with pytest.raises(ValueError, match="'tf32' is for GPUs"):
        classifier.copies_logits(torch.rand(1, 3, 9, 9))


def test_the_numbers_of_others_are_left_as_they_were() -> None:
    backends = torch.backends.cudnn, torch.backends.cuda.matmul
    before = [backend.allow_tf32 for backend in backends]
    with FOLDED.numbers(torch.device("cpu")):
        assert not any(backend.allow_tf32 for backend in backends)
    assert [backend.allow_tf32 for backend in backends] == before


@pytest.mark.parametrize(
    ("field", "value"), [("forward", "quick"), ("precision", "float16"), ("forward", ["folded"])]
)
def test_an_unknown_way_is_refused(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{field} .* is unknown; choose one of"):
        CopyPasses(**{field: value})


class Taking(nn.Module):
    """A model whose passes take so many seconds of a clock that stands still otherwise."""

    def __init__(self, model: nn.Module, seconds: float, now: list[float]) -> None:
        super().__init__()
        self.model = model
        self.seconds = seconds
        self.now = now

    def forward(self, x: Tensor) -> Tensor:
        self.now[0] += self.seconds
        y: Tensor = self.model(x)
        return y


def quickest_of(
    monkeypatch: pytest.MonkeyPatch,
    seconds: dict[str, float],
    inner: dict[str, nn.Module] | None = None,
) -> Quickest:
    """Return what is found where each way takes so long and, but for some, has the same outputs."""
    model, now = normalised_twice(), [0.0]
    made = {
        way: Taking((inner or {}).get(way, model), took, now).eval()
        for way, took in seconds.items()
    }
    for way in ("folded", "compiled"):

        def arrange(*_: Any, way: str = way) -> nn.Module:
            if way not in made:
                raise RuntimeError("there is none")
            return made[way]

        monkeypatch.setattr(forwards, f"_{way}", arrange)
    x = torch.rand(2, 3, 9, 9)
    return quickest(made["eager"], CopyPasses(), x, "softmax", clock=lambda: now[0])


@pytest.mark.parametrize(
    ("seconds", "chosen"),
    [
        ({"eager": 10, "folded": 8, "compiled": 4}, "compiled"),
        ({"eager": 10, "folded": 8, "compiled": 9}, "folded"),
        ({"eager": 10, "folded": 8, "compiled": 7.7}, "folded"),  # no twentieth less
        ({"eager": 10, "folded": 9.6}, "eager"),
        ({"eager": 10, "folded": 9.6, "compiled": 9.4}, "compiled"),
        ({"eager": 10, "compiled": 5}, "compiled"),
        ({"eager": 10}, "eager"),
    ],
)
def test_the_way_that_takes_least_is_found(
    monkeypatch: pytest.MonkeyPatch, seconds: dict[str, float], chosen: str
) -> None:
    found = quickest_of(monkeypatch, seconds)
    assert found.forward == chosen
    assert found.seconds == pytest.approx(seconds)
    assert isinstance(found.model, Taking)
    assert found.model.seconds == seconds[chosen]


def test_a_way_with_other_outputs_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    other = nn.Sequential(nn.Flatten(), nn.Linear(243, 5)).eval()
    seconds = {"eager": 10.0, "folded": 1.0, "compiled": 8.0}
    found = quickest_of(monkeypatch, seconds, {"folded": other})
    assert found.forward == "compiled"
    assert found.seconds == pytest.approx({"eager": 10, "compiled": 8})


def test_ways_are_timed_in_the_numbers_asked_for() -> None:
    with pytest.raises(ValueError, match="'tf32' is for GPUs"):
        quickest(normalised_twice(), CopyPasses(precision="tf32"), torch.rand(1, 3, 9, 9), "logit")


def test_a_full_pass_repeats_images_in_turn() -> None:
    x = torch.arange(3.0).view(3, 1, 1, 1)
    assert full_pass(x, 7).flatten().tolist() == [0, 1, 2, 0, 1, 2, 0]
    assert full_pass(x, 2).flatten().tolist() == [0, 1]


def test_a_classifier_measures_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def found(model: nn.Module, _: CopyPasses, x: Tensor, *__: Any) -> Quickest:
        sizes.append(len(x))
        return Quickest("eager", model, {"eager": 1.0})

    monkeypatch.setattr("swag.classifier.quickest", found)
    classifier = Classifier(normalised_twice(), batch_size=5)
    classifier.copies = CopyPasses(forward="fastest", precision="bf16")
    x = torch.rand(2, 3, 9, 9)
    classifier.copies_logits(x)
    classifier.copies_logits(x)
    classifier.with_model(normalised_twice()).copies_logits(x)
    assert sizes == [5]
    assert classifier.copies == CopyPasses(forward="eager", precision="bf16")


def test_full_passes_are_those_that_are_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []

    def compiled(model: nn.Module, x: Tensor) -> nn.Module:
        sizes.append(len(x))
        return model

    monkeypatch.setattr(forwards, "_compiled", compiled)
    classifier = Classifier(normalised_twice(), batch_size=5)
    classifier.copies = CopyPasses(forward="compiled")
    classifier.copies_logits(torch.rand(2, 3, 9, 9))
    assert sizes == [5]


@pytest.mark.slow
def test_a_compiled_model_has_the_outputs_of_the_model() -> None:
    classifier = Classifier(normalised_twice(), batch_size=4)
    classifier.copies = CopyPasses(forward="compiled")
    x = torch.rand(10, 3, 9, 9)
    torch.testing.assert_close(
        classifier.copies_logits(x), classifier.all_logits(x), rtol=0, atol=1e-5
    )
    assert type(classifier._copies_model).__name__ == "_OfOneSize"
