"""What stands in a benchmark for the functions, maps and models that somebody has made."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import InitVar, dataclass
from functools import partial
from typing import Any, ClassVar, TypeVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from swag.signals import Signals
from swag.types import Kind, Score

T = TypeVar("T")
Explain = Callable[[nn.Module, Tensor, Tensor], Any]
Judge = Callable[[nn.Module, Tensor, Tensor, Tensor], Any]


@dataclass(frozen=True)
class Named:
    """A thing, and a name that changes when it does."""

    thing: Any
    id: str


def named(thing: T, *, id: str) -> T:  # noqa: A002 - what it is called everywhere
    """Say what an object is, for `evaluate` to know stored rows of it again.

    `evaluate` reads the source of functions and the bytes of models and images by itself; this is
    for what it cannot read, and for data sets too large to be read through.

    Args:
        thing: a model, data, an explainer or a metric, as `evaluate` takes it.
        id: any text; rows that were stored under it are taken for this object's.
    """
    return cast(T, Named(thing, id))


@dataclass(frozen=True)
class GivenExplainer:
    """A function `f(model, images, targets) -> maps` as an explainer."""

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "pixel"
    needs: ClassVar[frozenset[str]] = frozenset()

    function: str
    code: str
    call: InitVar[Explain | None] = None

    def __post_init__(self, call: Explain | None) -> None:
        object.__setattr__(self, "call", call)

    @property
    def about(self) -> str:
        """What the function says of itself."""
        return _docstring(getattr(self, "call"))  # noqa: B009

    def __call__(self, signals: Signals) -> Tensor:
        call = cast(Explain, getattr(self, "call"))  # noqa: B009 - mypy knows no InitVar
        images = signals.normalised_BCHW.detach().clone()
        maps = call(signals.classifier.model, images, signals.target_B.clone())
        found_BHW = torch.as_tensor(maps).detach()
        if found_BHW.ndim == 4 and found_BHW.shape[1] == 1:
            found_BHW = found_BHW[:, 0]
        return found_BHW.to(signals.batch.device, torch.float32)


@dataclass(frozen=True)
class GivenMetric:
    """A function `f(model, images, targets, maps) -> values` as a metric."""

    version: ClassVar[int] = 1

    function: str
    code: str
    higher_is_better: bool = True
    call: InitVar[Judge | None] = None

    def __post_init__(self, call: Judge | None) -> None:
        object.__setattr__(self, "call", call)

    @property
    def about(self) -> str:
        """What the function says of itself."""
        return _docstring(getattr(self, "call"))  # noqa: B009

    def __call__(self, signals: Signals, saliency_BHW: Tensor) -> Score:
        call = cast(Judge, getattr(self, "call"))  # noqa: B009
        images = signals.normalised_BCHW.detach().clone()
        values = call(signals.classifier.model, images, signals.target_B.clone(), saliency_BHW)
        value_B = torch.as_tensor(values, dtype=torch.float64).detach().cpu()
        if value_B.shape != (len(signals.batch),):
            raise ValueError(
                f"the metric returned shape {tuple(value_B.shape)}, wanted a value for each of "
                f"{len(signals.batch)} images"
            )
        return Score(value_B)


@dataclass(frozen=True)
class GivenMaps:
    """Maps that are there already: one for each image, by its id."""

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "pixel"
    needs: ClassVar[frozenset[str]] = frozenset()

    code: str
    maps: InitVar[Mapping[str, np.ndarray] | None] = None

    def __post_init__(self, maps: Mapping[str, np.ndarray] | None) -> None:
        object.__setattr__(self, "maps", maps)

    def __call__(self, signals: Signals) -> Tensor:
        maps = cast(Mapping[str, np.ndarray], getattr(self, "maps"))  # noqa: B009
        missing = [name for name in signals.batch.image_ids if name not in maps]
        if missing:
            raise ValueError(f"there is no map of image {missing[0]}")
        found = [torch.as_tensor(np.asarray(maps[name])) for name in signals.batch.image_ids]
        return torch.stack(found).to(signals.batch.device, torch.float32)


class Called(nn.Module):
    """A function from images to outputs as a model."""

    def __init__(self, function: Callable[[Tensor], Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, image_BCHW: Tensor) -> Any:
        return self.function(image_BCHW)


def _docstring(function: object) -> str:
    """Return that of the author's function, of which a partial one is made; else of its class."""
    while isinstance(function, partial):
        function = function.func
    return "" if function is None else inspect.getdoc(function) or ""


def image_id(index: int) -> str:
    """Return the id of an image that has none: its place, from 0."""
    return f"{index:06d}"
