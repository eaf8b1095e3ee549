"""What explainers and metrics are made from, each computed at most once per batch."""

from __future__ import annotations

import copy
from collections.abc import Callable, Hashable, Iterable
from dataclasses import replace
from functools import cached_property
from typing import Protocol, Self, TypeVar, cast

import numpy as np
import torch
from torch import Tensor

from swag.backward import captured, guide, recording
from swag.channels import colours_BHWC
from swag.classifier import Classifier
from swag.layers import Layout, layout_of
from swag.targets import ranked_class
from swag.types import Batch

T = TypeVar("T")
GRADIENTS = frozenset({"gradient", "guided_gradient", "layer"})
SIGNALS = GRADIENTS | {"layer_activation"}
"""What methods may announce: gradients, and a layer's activation, which a forward pass alone has.
`layer` is its activation and its gradient."""


class Explains(Protocol):
    """What makes saliencies of signals, see `swag.protocols.Explainer`."""

    @property
    def needs(self) -> frozenset[str]: ...

    def __call__(self, signals: Signals) -> Tensor: ...


class Signals:
    """The model's reactions to a batch, computed on demand and kept for as long as the batch.

    Args:
        classifier: the model under study.
        batch: images on the classifier's device.
        needs: signals that will be asked for (of `SIGNALS`). The first one asked for computes them
            all: one forward pass, one backward pass for `gradient` and `layer` together, one for
            `guided_gradient`, none for `layer_activation`. What is not announced costs a pass of
            its own, and so does the rest where a model refuses one of them.
    """

    def __init__(
        self, classifier: Classifier, batch: Batch, needs: Iterable[str] = frozenset()
    ) -> None:
        if batch.image_BCHW.shape[1] != classifier.num_channels:
            raise ValueError(
                f"images have {batch.image_BCHW.shape[1]} channels, and the model's mean and std "
                f"are of {classifier.num_channels}; give it as many of both as images have channels"
            )
        self.classifier = classifier
        self.batch = batch
        self._needs = frozenset(needs)
        if unknown := self._needs - SIGNALS:
            raise ValueError(f"unknown signals {sorted(unknown)}; known: {sorted(SIGNALS)}")
        self._computed: dict[str, Tensor] = {}
        self._memory: dict[Hashable, object] = {}
        self._explainer: Explains | None = None

    def of_explainer(self, explainer: Explains) -> Self:
        """Return the same signals, what is computed shared, for judging this explainer's maps."""
        view = copy.copy(self)
        view._explainer = explainer
        return view

    def explained_again(
        self,
        image_BCHW: Tensor | None = None,
        *,
        classifier: Classifier | None = None,
        target_B: Tensor | None = None,
    ) -> Tensor:
        """Return what the explainer that is judged says of something else: its saliency_BHW.

        Targets stay those of the unmodified images, and what an explainer draws for an image at
        random stays the same, so that no difference is due to other draws.

        Args:
            image_BCHW: images in [0, 1] in place of the batch's, of any one size; None: the same.
            classifier: another model; None: the same.
            target_B: other classes; None: the same.

        Raises:
            ValueError: there is no explainer, but ready maps.
        """
        explainer = self._explainer
        if explainer is None or getattr(explainer, "is_ready_made", False):
            raise ValueError(
                "this metric explains again, which ready maps cannot; give the method that made "
                "them, by explainer= in swag.score"
            )
        images = self.batch.image_BCHW if image_BCHW is None else image_BCHW
        target_B = self.target_B if target_B is None else target_B
        batch = replace(self.batch, image_BCHW=images, target_B=target_B)
        return explainer(Signals(classifier or self.classifier, batch, explainer.needs))

    @cached_property
    def normalised_BCHW(self) -> Tensor:
        return self.classifier.normalise(self.batch.image_BCHW)

    @property
    def probability_BK(self) -> Tensor:
        """Score of each class for the unmodified images, float32; see `Classifier.scores`."""
        return self.once("probability", lambda: self.classifier.scores(self.logit_BK))

    @property
    def logit_BK(self) -> Tensor:
        """The number of each class whose gradient explainers take, float32."""
        if "logit" not in self._computed:
            if self._needs:
                self._run_announced(self._needs)
            if not self._needs:
                logit_BK = self.classifier.all_logits(self.normalised_BCHW.clone())
                if self.batch.target_B is not None:
                    require_classes(self.batch.target_B, logit_BK)
                self._computed["logit"] = logit_BK
        return self._computed["logit"]

    @cached_property
    def target_B(self) -> Tensor:
        """int64 class to explain: the one asked for, else the predicted one or another place."""
        if self.batch.target_B is not None:
            return self.batch.target_B
        return ranked_class(self.logit_BK, self.batch.target_place)

    @property
    def prediction_B(self) -> Tensor:
        """int64 class with the largest logit on the unmodified image."""
        return ranked_class(self.logit_BK, 1)

    @property
    def gradient_BCHW(self) -> Tensor:
        """Gradient of the target's logit by the normalised image."""
        return self._gradient("gradient")

    @property
    def guided_gradient_BCHW(self) -> Tensor:
        """The same by guided backpropagation."""
        return self._gradient("guided_gradient")

    @property
    def layer_activation_BFhw(self) -> Tensor:
        """Output of Grad-CAM's layer."""
        return self._gradient("layer_activation")

    @property
    def layer_gradient_BFhw(self) -> Tensor:
        """Gradient of the target's logit by the output of Grad-CAM's layer."""
        return self._gradient("layer")

    @cached_property
    def lab_BHWC(self) -> np.ndarray:
        """What superpixels compare pixels by: CIELAB, or see `swag.channels.colours_BHWC`."""
        return colours_BHWC(self.batch.image_BCHW)

    def segments(self, segmenter: Callable[[Signals], Tensor]) -> Tensor:
        """Return labels_BHW, int64 from 0 without gaps in each image, on the batch's device."""
        return self.once(segmenter, lambda: segmenter(self))

    def once(self, key: Hashable, compute: Callable[[], T]) -> T:
        """Return `compute()`, called at the first use of `key` in this batch only."""
        if key not in self._memory:
            self._memory[key] = compute()
        return cast(T, self._memory[key])

    def _gradient(self, name: str) -> Tensor:
        if name not in self._computed and self._needs:
            self._run_announced((self._needs | {name}) - self._computed.keys())
        if name not in self._computed:
            self._run_backward(frozenset({name}))
        return self._computed[name]

    def _run_announced(self, names: frozenset[str]) -> None:
        """Compute the named signals, or forget that they were announced where one is refused."""
        try:
            self._run_backward(names)
        except ValueError:
            # Who asks for the one that is refused is told why; all others get what they ask for.
            self._needs = frozenset()

    def _run_backward(self, names: frozenset[str]) -> None:
        """Compute the named signals and the logits, `batch_size` images at a time."""
        parts: dict[str, list[Tensor]] = {}
        size = self.classifier.backward_batch_size
        known = self.batch.target_B is not None or "logit" in self._computed
        for start in range(0, len(self.batch), size):
            chunk = self._backward_chunk(
                self.normalised_BCHW[start : start + size],
                self.target_B[start : start + size] if known else None,
                names,
            )
            for key, value in chunk.items():
                parts.setdefault(key, []).append(value)
        computed = {key: torch.cat(values) for key, values in parts.items()}
        # The first logits stay: whoever read them must agree with who reads them later.
        for key, value in computed.items():
            self._computed.setdefault(key, value)

    def _backward_chunk(
        self, x_BCHW: Tensor, target_B: Tensor | None, names: frozenset[str]
    ) -> dict[str, Tensor]:
        with recording():
            of_layer = names & {"layer", "layer_activation"}
            x_BCHW = x_BCHW.detach().clone().requires_grad_(names != of_layer)
            logits_BK, layer = self._forward(x_BCHW, with_layer=bool(of_layer))
            if target_B is None:
                target_B = ranked_class(logits_BK.detach(), self.batch.target_place)
            require_classes(target_B, logits_BK)
            score = logits_BK.gather(1, target_B.clone()[:, None]).sum()
            guided = "guided_gradient" in names
            result = {"logit": logits_BK.detach()}
            layout = cast(Layout, layout_of(layer[0].shape, x_BCHW.shape[2:])) if layer else None
            if layout is not None:
                result["layer_activation"] = layout.map_BFhw(layer[0].detach())
            wanted = ([x_BCHW] if "gradient" in names else []) + layer * ("layer" in names)
            if wanted:
                gradients = list(torch.autograd.grad(score, wanted, retain_graph=guided))
                if layout is not None and "layer" in names:
                    result["layer"] = layout.map_BFhw(gradients.pop())
                if gradients:
                    result["gradient"] = gradients.pop()
            if guided:
                guide(score)
                (result["guided_gradient"],) = torch.autograd.grad(score, [x_BCHW])
        return result

    def _forward(self, x_BCHW: Tensor, *, with_layer: bool) -> tuple[Tensor, list[Tensor]]:
        """Return logits_BK and, if asked for, the output of Grad-CAM's layer."""
        x_BCHW = x_BCHW.clone()  # the model's first layer may work in place
        if not with_layer:
            return self.classifier.logits(x_BCHW), []
        name, layer = self.classifier.layer(self.batch.image_BCHW[:1])
        with captured(name, layer, x_BCHW.shape[2:]) as outputs:
            logits_BK = self.classifier.logits(x_BCHW)
        return logits_BK, outputs


def require_classes(target_B: Tensor, output_BK: Tensor) -> None:
    """Raise ValueError where a target is none of the model's classes."""
    num_classes = output_BK.shape[1]
    low, high = int(target_B.min()), int(target_B.max())
    if low < 0 or high >= num_classes:
        raise ValueError(
            f"targets must be classes 0 to {num_classes - 1} of the model, got {low} to {high}"
        )
