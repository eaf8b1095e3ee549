"""Slow, literal second implementations, written from the papers, to compare with."""

from __future__ import annotations

import copy
import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn


class _GuidedReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, ceiling: float) -> Tensor:
        ctx.save_for_backward((x > 0) & (x < ceiling))
        return torch.minimum(torch.maximum(x, torch.tensor(0.0)), torch.tensor(ceiling))

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        (active,) = ctx.saved_tensors
        gradient = gradients[0]
        return torch.where(active & (gradient > 0), gradient, 0.0), None


class GuidedModule(nn.Module):
    def __init__(self, ceiling: float = math.inf) -> None:
        super().__init__()
        self.ceiling = ceiling

    def forward(self, x: Tensor) -> Tensor:
        return _GuidedReLU.apply(x, self.ceiling)


def guided_model(model: nn.Module) -> nn.Module:
    """A copy of a model with each ReLU module replaced by one with the guided rule."""
    twin = copy.deepcopy(model)
    for parent in list(twin.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.ReLU6):
                setattr(parent, name, GuidedModule(6.0))
            elif isinstance(child, nn.ReLU):
                setattr(parent, name, GuidedModule())
    return twin.eval()


def input_gradient(model: nn.Module, x_BCHW: Tensor, target_B: Tensor) -> Tensor:
    """The gradient of each image's target logit, image by image."""
    gradients = []
    for x_CHW, target in zip(x_BCHW, target_B.tolist(), strict=True):
        x_1CHW = x_CHW[None].clone().requires_grad_()
        (gradient,) = torch.autograd.grad(model(x_1CHW)[0, target], x_1CHW)
        gradients.append(gradient[0])
    return torch.stack(gradients)


def grad_cam_plus_plus(activation_Fhw: np.ndarray, gradient_Fhw: np.ndarray) -> np.ndarray:
    """The authors' map, cell by cell, without the common factor exp(score)."""
    num_channels, height, width = activation_Fhw.shape
    total = np.zeros((height, width))
    for channel in range(num_channels):
        activation, gradient = activation_Fhw[channel], gradient_Fhw[channel]
        alphas = {}
        for row in range(height):
            for column in range(width):
                g = gradient[row, column]
                if g > 0:
                    bottom = 2 * g**2 + g**3 * activation.sum()
                    alphas[row, column] = g**2 / (bottom if bottom != 0 else 1)
        norm = sum(alphas.values())
        weight = sum(
            alpha / (norm if norm != 0 else 1) * gradient[cell] for cell, alpha in alphas.items()
        )
        total += weight * activation
    return np.maximum(total, 0)


def bilinear(map_hw: np.ndarray, height: int, width: int) -> np.ndarray:
    """Bilinear resizing with pixel centres at half integers, the border repeated."""

    def source(position: int, size: int, new_size: int) -> tuple[int, int, float]:
        place = max((position + 0.5) * size / new_size - 0.5, 0)
        low = min(int(place), size - 1)
        return low, min(low + 1, size - 1), place - low

    result = np.zeros((height, width))
    for row in range(height):
        top, bottom, down = source(row, map_hw.shape[0], height)
        for column in range(width):
            left, right, across = source(column, map_hw.shape[1], width)
            upper = (1 - across) * map_hw[top, left] + across * map_hw[top, right]
            lower = (1 - across) * map_hw[bottom, left] + across * map_hw[bottom, right]
            result[row, column] = (1 - down) * upper + down * lower
    return result


def swag(importance_HW: np.ndarray, labels_HW: np.ndarray, statistic: str) -> np.ndarray:
    """Each pixel's saliency is the statistic of the importances that share its label."""
    members: dict[int, list[float]] = {}
    for row, column in np.ndindex(labels_HW.shape):
        members.setdefault(int(labels_HW[row, column]), []).append(
            float(importance_HW[row, column])
        )
    statistics: dict[str, Callable[[list[float]], Any]] = {
        "mean": np.mean,
        "max": np.max,
        "median": np.median,
        "sum": np.sum,
    }
    of = statistics[statistic]
    result = np.zeros(labels_HW.shape)
    for row, column in np.ndindex(labels_HW.shape):
        result[row, column] = of(members[int(labels_HW[row, column])])
    return result


def sobel(image_CHW: np.ndarray) -> np.ndarray:
    grey = 0.2125 * image_CHW[0] + 0.7154 * image_CHW[1] + 0.0721 * image_CHW[2]
    padded = np.pad(grey, 1, mode="edge")
    kernel = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]]) / 8
    result = np.zeros(grey.shape)
    for row, column in np.ndindex(grey.shape):
        window = padded[row : row + 3, column : column + 3]
        result[row, column] = math.hypot((window * kernel).sum(), (window * kernel.T).sum())
    return result


def deletion_curve(
    probability: Callable[[Tensor], float],
    image_CHW: Tensor,
    saliency_HW: Tensor,
    steps: int,
    fill_C: Tensor,
) -> list[float]:
    """The scores of an image whose pixels go one by one, noted after each full step."""
    height, width = saliency_HW.shape
    value = saliency_HW.flatten().tolist()
    order = sorted(range(height * width), key=lambda pixel: (-value[pixel], pixel))
    per_step = math.ceil(height * width / steps)
    image_CHW = image_CHW.clone()
    scores = [probability(image_CHW)]
    for count, pixel in enumerate(order, start=1):
        image_CHW[:, pixel // width, pixel % width] = fill_C
        if count % per_step == 0 or count == len(order):
            scores.append(probability(image_CHW))
    return scores


def area(scores: list[float]) -> float:
    pairs = list(itertools.pairwise(scores))
    return sum((left + right) / 2 for left, right in pairs) / len(pairs)
