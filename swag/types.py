"""The words and shapes that all of swag shares.

Shape suffixes, in the order in which they stand in a name:
B images of a batch, C colour channels, H and W pixels down and across, h and w cells of a layer's
map, F channels of a layer or of a feature array, K classes, T points of a curve or perturbed copies
of one image, N masks, S superpixels. `labels_BHW` holds the number of each pixel's superpixel.

Words: an *image* is in [0, 1], RGB where it has three channels, at the network's input size. The
*target* is the class whose score is explained. A *saliency* is one float per pixel, higher is more
important. An *explainer* makes saliencies, a *metric* judges them, a *score* is what a metric
returns.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import torch
    from torch import Tensor

Kind = Literal["region", "pixel", "control"]

NEW_FIELD = "new_field"
"""In a field's metadata: rows were stored before there was this field, and with its default they
are still what they were."""
SAME_RESULT = "same_result"
"""In a field's metadata: it says how to compute and nothing of the result, so that rows are the
same whatever it is."""
Fill = Literal["mean", "black"]
"""What takes the place of pixels that are removed: a mean colour, or black."""
TargetScore = Literal["probability", "logit"]
"""What of the target is explained: its score (`Classifier.scores`), or its logit."""


@dataclass(frozen=True)
class Batch:
    """Images that are explained together.

    Nothing computed from a batch may depend on which images share it: what is random is drawn from
    `swag.rng.generator(seed, image_id, purpose)`.
    """

    image_BCHW: Tensor
    """float32 in [0, 1], not normalised; three channels are RGB."""
    image_ids: tuple[str, ...]
    target_B: Tensor | None = None
    """int64 classes to explain; None: that at `target_place` on the unmodified image."""
    seed: int = 0
    label_B: Tensor | None = None
    """int64 true classes, -1 where unknown."""
    boxes: tuple[Tensor | None, ...] | None = None
    """Per image a float32 (N, 4) tensor x0, y0, x1, y1 in pixels, x1 and y1 exclusive."""
    mask_BHW: Tensor | None = None
    """bool, the object's pixels, where the data set has them."""
    target_place: int = 1
    """Which class by falling logit is explained where `target_B` does not say; 1: the predicted."""

    def __post_init__(self) -> None:
        import torch  # noqa: PLC0415 - reports need this module's words and no PyTorch

        shape = tuple(self.image_BCHW.shape)
        if len(shape) != 4 or shape[1] < 1:
            raise ValueError(f"images must have shape (B, C, H, W), got {shape}")
        if shape[0] == 0:
            raise ValueError("a batch needs at least one image, got none")
        if len(self.image_ids) != shape[0]:
            raise ValueError(f"{shape[0]} images came with {len(self.image_ids)} ids")
        target_B = self.target_B
        if target_B is not None and (target_B.shape != shape[:1] or target_B.dtype != torch.int64):
            raise ValueError(
                f"targets must be int64 of shape {shape[:1]}, got {target_B.dtype} of shape "
                f"{tuple(target_B.shape)}"
            )
        if self.target_place < 1:
            raise ValueError(f"target_place must be at least 1, got {self.target_place}")
        if not self.image_BCHW.is_floating_point():
            raise ValueError(f"images must be float in [0, 1], got {self.image_BCHW.dtype}")
        if not bool(self.image_BCHW.isfinite().all()):
            raise ValueError("images must be finite")
        low, high = float(self.image_BCHW.min()), float(self.image_BCHW.max())
        if low < 0 or high > 1:
            raise ValueError(
                f"images must lie in [0, 1] (not normalised, not 0..255), got [{low:g}, {high:g}]"
            )

    def __len__(self) -> int:
        return len(self.image_ids)

    @property
    def device(self) -> torch.device:
        return self.image_BCHW.device


@dataclass(frozen=True)
class Score:
    """What a metric says of each image of a batch."""

    value_B: Tensor
    """float64; NaN where the image cannot be scored (stored as null, never as 0)."""
    curve_BT: Tensor | None = None
    """float32."""
    columns: Mapping[str, Tensor | tuple[str, ...]] = field(default_factory=dict)
    """Further per-image values, stored under their own names; each (B,), (B, n) or B texts."""
