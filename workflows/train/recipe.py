"""What a training is told; plans and the state of a run know of it without PyTorch."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Fit:
    """How a model is trained; its loss is the cross entropy."""

    epochs: int
    learning_rate: float
    batch_size: int = 32
    optimizer: Literal["sgd", "adamw"] = "sgd"
    """SGD has a momentum of 0.9."""
    weight_decay: float = 0.0
    schedule: Literal["constant", "cosine"] = "constant"
    """How the learning rate changes from epoch to epoch; cosine falls to 0 after the last."""
    label_smoothing: float = 0.0
    mixed_precision: bool = False
    """bfloat16 on a GPU; the CPU keeps float32."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        if self.learning_rate <= 0:
            raise ValueError(f"learning_rate must be positive, got {self.learning_rate}")
        if self.weight_decay < 0:
            raise ValueError(f"weight_decay must not be negative, got {self.weight_decay}")
        if not 0 <= self.label_smoothing < 1:
            raise ValueError(f"label_smoothing must lie in [0, 1), got {self.label_smoothing}")

    def rate(self, epoch: int) -> float:
        """Return an epoch's learning rate."""
        if self.schedule == "constant":
            return self.learning_rate
        return self.learning_rate * (1 + math.cos(math.pi * epoch / self.epochs)) / 2
