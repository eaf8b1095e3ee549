"""Whether a saliency depends on what the model has learnt, and on the class that it is of."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn

from swag.checks import require_at_least, require_fit, require_one_of
from swag.classifier import Classifier
from swag.rng import generator
from swag.signals import Signals
from swag.similarity import Similarity, similarity
from swag.types import Score

Order = Literal["cascading", "independent"]


@dataclass(frozen=True, kw_only=True)
class ParameterRandomisation:
    """How alike a saliency stays as the model's layers are drawn anew (Adebayo et al., 2018).

    Layers are taken in `num_steps` groups of about as many, the last ones first. The curve is the
    similarity with the saliency of the trained model after each group, the value its mean. A method
    that explains the model should fall to 0, which a constant saliency of the random model has.
    Null where that of the trained model is constant.
    """

    version: ClassVar[int] = 2
    higher_is_better: ClassVar[bool] = False

    order: Order = "cascading"
    """Groups add up, or each alone is random."""
    num_steps: int = 4
    similarity: Similarity = "spearman"
    absolute: bool = False
    """Whether magnitudes are compared, so that a changed sign does not count."""

    def __post_init__(self) -> None:
        require_one_of("order", self.order, get_args(Order))
        require_one_of("similarity", self.similarity, get_args(Similarity))
        require_at_least("num_steps", self.num_steps, 1)

    @property
    def num_explanations(self) -> int:
        return self.num_steps

    def __call__(self, signals: Signals, saliency_BHW: Tensor) -> Score:
        require_fit(signals, saliency_BHW)
        before_BHW = saliency_BHW.abs() if self.absolute else saliency_BHW
        found = []
        for share in self.randomised_once:
            classifier = randomised_copy(signals, share)
            after_BHW = signals.explained_again(classifier=classifier)
            after_BHW = after_BHW.abs() if self.absolute else after_BHW
            alike_B = similarity(after_BHW, before_BHW, self.similarity)
            is_known = before_BHW.amax((1, 2)) > before_BHW.amin((1, 2))
            is_flat = after_BHW.amax((1, 2)) == after_BHW.amin((1, 2))
            found.append(alike_B.masked_fill(is_known & is_flat, 0.0))
        curve_BT = torch.stack(found, 1)
        return Score(value_B=curve_BT.mean(1), curve_BT=curve_BT.float())

    @property
    def randomised_once(self) -> tuple[tuple[float, float], ...]:
        """The share of layers drawn anew at each step, counted from the last."""
        steps = range(self.num_steps)
        firsts = steps if self.order == "independent" else [0] * self.num_steps
        return tuple(
            (first / self.num_steps, (step + 1) / self.num_steps)
            for first, step in zip(firsts, steps, strict=True)
        )


@dataclass(frozen=True, kw_only=True)
class EfficientRandomisation:
    """How much more complex a saliency is when all layers are random (Hedstroem et al., 2024).

    Efficient MPRT, eq. 5: the histogram's entropy of the random model's saliency, less the trained
    one's, divided by that. Above 0 the trained model's says more than noise. Null where that
    saliency is constant.
    """

    version: ClassVar[int] = 1
    higher_is_better: ClassVar[bool] = True
    num_explanations: ClassVar[int] = 1
    randomised_once: ClassVar[tuple[tuple[float, float], ...]] = ((0.0, 1.0),)

    bins: int = 100
    """Of equal width, from a saliency's lowest to its highest value; more of them, more entropy."""

    def __post_init__(self) -> None:
        require_at_least("bins", self.bins, 2)

    def __call__(self, signals: Signals, saliency_BHW: Tensor) -> Score:
        require_fit(signals, saliency_BHW)
        random = randomised_copy(signals, self.randomised_once[0])
        before_B, after_B = (
            histogram_entropy(map_BHW, self.bins)
            for map_BHW in (saliency_BHW, signals.explained_again(classifier=random))
        )
        return Score(value_B=(after_B - before_B) / before_B.where(before_B > 0, torch.nan))


@dataclass(frozen=True, kw_only=True)
class RandomLogit:
    """How alike the saliencies of the target and of another class are (Sixt et al., ICML 2020).

    The other class is drawn for each image. Null where a saliency is constant.
    """

    version: ClassVar[int] = 2
    higher_is_better: ClassVar[bool] = False
    num_explanations: ClassVar[int] = 1

    similarity: Similarity = "ssim"

    def __post_init__(self) -> None:
        require_one_of("similarity", self.similarity, get_args(Similarity))

    def __call__(self, signals: Signals, saliency_BHW: Tensor) -> Score:
        require_fit(signals, saliency_BHW)
        batch, num_classes = signals.batch, signals.logit_BK.shape[1]
        if num_classes < 2:
            raise ValueError("the model has one class, so that there is no other")
        steps = [
            int(generator(batch.seed, name, "random logit").integers(1, num_classes))
            for name in batch.image_ids
        ]
        target_B = signals.target_B
        other_B = (target_B + torch.tensor(steps, device=target_B.device)) % num_classes
        found_BHW = signals.explained_again(target_B=other_B)
        return Score(value_B=similarity(found_BHW, saliency_BHW, self.similarity))


def randomised_copy(signals: Signals, share: tuple[float, float]) -> Classifier:
    """Return `randomised` of the signals' model, made once for all methods of a batch."""
    return signals.once(
        (randomised_copy, share),
        lambda: randomised(signals.classifier, signals.batch.seed, share),
    )


def randomised(classifier: Classifier, seed: int, share: tuple[float, float]) -> Classifier:
    """Return a copy of a model some of whose layers are as before any training.

    A layer is a module with `reset_parameters`, as PyTorch's own have; parameters outside such stay
    (class tokens, positions).

    Args:
        seed: of the draws, made on the CPU and the same on every device.
        share: of the layers counted from the last, from and up to which they are drawn.

    Raises:
        ValueError: the model has no such layer.
    """
    model = copy.deepcopy(classifier.model).cpu()
    layers = resettable(model)
    if not layers:
        raise ValueError("the model has no layer with reset_parameters, so none can be randomised")
    first, last = (round(edge * len(layers)) for edge in share)
    rng = generator(seed, "", "parameter randomisation")
    seeds = [int(rng.integers(2**62)) for _ in layers]  # a layer's draws do not hang on others'
    with torch.random.fork_rng(devices=[]):
        for reset, own in list(zip(layers, seeds, strict=True))[first:last]:
            torch.manual_seed(own)
            reset()
    return classifier.with_model(model.to(classifier.device))


def resettable(model: nn.Module) -> Sequence[Callable[[], None]]:
    """Return what draws each layer anew, the last layer first."""
    found = []
    for module in model.modules():
        # PyTorch's multi-head attention has the private one for its joint projection.
        reset = getattr(module, "reset_parameters", getattr(module, "_reset_parameters", None))
        if reset is not None and any(True for _ in module.parameters(recurse=False)):
            found.append(reset)
    return found[::-1]


def histogram_entropy(map_BHW: Tensor, bins: int) -> Tensor:
    """Return the entropy of each map's values in equal bins, float64 (B,), in nats."""
    found = []
    for map_HW in map_BHW.detach().cpu().double().numpy():
        if not np.isfinite(map_HW).all():
            found.append(float("nan"))
            continue
        share = np.histogram(map_HW, bins)[0] / map_HW.size
        share = share[share > 0]
        found.append(float(-(share * np.log(share)).sum()))
    return torch.tensor(found, dtype=torch.float64, device=map_BHW.device)
