"""XRAI: regions of an image, ranked by integrated gradients."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from swag.checks import require_at_least, require_one_of
from swag.explainers.regions import dilated_regions, grow, grow_fast, segmentations
from swag.integrated import integrated_gradient, key_of, num_passes
from swag.protocols import Passes
from swag.signals import Signals
from swag.types import Kind

Algorithm = Literal["full", "fast"]


@dataclass(frozen=True, kw_only=True)
class XRAI:
    """Each region's mean attribution at the time it is chosen (Kapishnikov et al., 2019).

    Attributions are the largest over channels of the integrated gradients of the target's
    probability. Regions are those of the authors' `saliency`, for a float image in [0, 1].
    """

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "region"
    needs: ClassVar[frozenset[str]] = frozenset()

    steps: int = 100
    """Points from each baseline to the image, ends included."""
    algorithm: Algorithm = "full"

    def __post_init__(self) -> None:
        require_at_least("steps", self.steps, 2)
        require_one_of("algorithm", self.algorithm, get_args(Algorithm))

    @property
    def num_forwards(self) -> int:
        """Model passes per image; both baselines' paths end at the image, in one pass."""
        return num_passes(self.steps)

    num_backwards = num_forwards

    @property
    def passes_once(self) -> Mapping[Hashable, Passes]:
        return {key_of(self.steps): Passes(self.num_forwards, self.num_backwards)}

    def __call__(self, signals: Signals) -> Tensor:
        image_BHWC = signals.batch.image_BCHW.permute(0, 2, 3, 1).cpu().numpy()
        if image_BHWC.shape[-1] not in {1, 3}:
            image_BHWC = signals.lab_BHWC  # as many channels as regions are defined for
        # scikit-image's segmentation lets go of the interpreter, so it hides behind the passes.
        with ThreadPoolExecutor(torch.get_num_threads()) as pool:
            labels_of_B = pool.map(segmentations, image_BHWC)
            attribution_BHW = integrated_gradient(signals, self.steps).amax(1).cpu().numpy()
            saliencies = list(pool.map(self._grow, labels_of_B, attribution_BHW))
        return torch.from_numpy(np.stack(saliencies)).float().to(signals.batch.device)

    def _grow(self, labels: list[np.ndarray], attribution_HW: np.ndarray) -> np.ndarray:
        algorithm = grow if self.algorithm == "full" else grow_fast
        saliency_P = algorithm(dilated_regions(labels), attribution_HW.ravel().astype(np.float64))
        return saliency_P.reshape(attribution_HW.shape)
