"""A method of another library, and one image as libraries take it."""

from __future__ import annotations

import copy
import inspect
import io
import json
import random
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module, metadata
from typing import Any, ClassVar, get_args

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from swag.adapters.names import BESIDE, EXTRAS, LIBRARIES
from swag.channels import Channels, over_channels
from swag.checks import require_one_of
from swag.classifier import Classifier
from swag.layers import Layout, layout_of
from swag.rng import generator
from swag.signals import Signals
from swag.superpixels import SLIC
from swag.types import Kind

SUPERPIXELS = SLIC(num_segments=50)
"""Where a library wants features of an image that are more than pixels."""


@dataclass(frozen=True, kw_only=True)
class Adapted:
    """A method of another library, by its name there."""

    version: ClassVar[int] = 1
    kind: ClassVar[Kind] = "pixel"
    needs: ClassVar[frozenset[str]] = frozenset()
    reads_layer: ClassVar[bool] = True
    """It may: which methods do is their library's affair."""

    method: str
    """The library's prefix and the method's name, as in "captum:Occlusion"."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Of the method's constructor or call, by the library's own names."""
    channels: Channels = "sum"
    """What becomes of an attribution for each colour channel."""
    library: str = ""
    """The package and its version, found by itself."""

    def __post_init__(self) -> None:
        require_one_of("channels", self.channels, get_args(Channels))
        object.__setattr__(self, "library", self._installed())
        known = self._module.accepted(self._name)
        if unknown := sorted(self.parameters.keys() - known):
            raise ValueError(
                f"{self.method} takes no {', '.join(unknown)}; it takes {', '.join(sorted(known))}"
            )

    def __hash__(self) -> int:
        return hash((self.method, json.dumps(self.parameters, default=str), self.channels))

    def _installed(self) -> str:
        """Return the library and its version, and likewise what it needs beside it."""
        library = self.method.partition(":")[0]
        found = []
        for package in (LIBRARIES[library], *BESIDE.get(library, ())):
            try:
                found.append(f"{package} {metadata.version(package)}")
            except metadata.PackageNotFoundError:
                extra = EXTRAS.get(library, "adapters")
                raise ValueError(
                    f"{self.method} needs the package {package}: pip install 'swagflow[{extra}]'"
                ) from None
        return ", ".join(found)

    @property
    def about(self) -> str:
        """What reports say of it."""
        return f"{self._name} of the library {self.library}."

    @property
    def _name(self) -> str:
        return self.method.partition(":")[2]

    @property
    def _module(self) -> Any:
        return import_module(f"swag.adapters.of_{self.method.partition(':')[0]}")

    def __call__(self, signals: Signals) -> Tensor:
        handed = Handed.of(signals)
        return torch.stack([self._explained(handed, index) for index in range(len(signals.batch))])

    def _explained(self, handed: Handed, index: int) -> Tensor:
        """Return saliency_HW of one image."""
        batch = handed.signals.batch
        image = OneImage(handed, index)
        with (
            _seeded(batch.seed, batch.image_ids[index]) as seed,
            torch.enable_grad(),
            warnings.catch_warnings(),
            redirect_stdout(io.StringIO()),  # bars and notes of a library for every image
            redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            found = self._module.explain(self._name, image, seed, dict(self.parameters))
        map_hw = self._flat(torch.as_tensor(found).detach().float().to(batch.device))
        size = tuple(batch.image_BCHW.shape[2:])
        if tuple(map_hw.shape) == size:
            return map_hw
        resized = F.interpolate(map_hw[None, None], size=size, mode="bilinear", align_corners=False)
        return resized[0, 0]

    def _flat(self, found: Tensor) -> Tensor:
        """Return one number for each place of an attribution of shape ([1, [C,]] h, w)."""
        while found.ndim > 3 and found.shape[0] == 1:
            found = found[0]
        if found.ndim == 2:
            return found
        if found.ndim != 3:
            raise ValueError(f"{self.method} returned shape {tuple(found.shape)}, wanted a map")
        return over_channels(found[None], self.channels)[0]


class Logits(nn.Module):
    """A model whose output is its logits, whatever it puts out itself."""

    def __init__(self, classifier: Classifier, model: nn.Module) -> None:
        super().__init__()
        self.model = model
        self._classifier = copy.copy(classifier)
        self._classifier.model = model

    def forward(self, x_BCHW: Tensor) -> Tensor:
        return self._classifier.logits(x_BCHW)


@dataclass(frozen=True)
class Handed:
    """A batch and a copy of its model, on which a library may do what it likes."""

    signals: Signals
    model: Logits
    layer_name: Callable[[], str]

    @classmethod
    def of(cls, signals: Signals) -> Handed:
        """Copy the model; what a library leaves on it, as after an error, meets no other."""
        model = copy.deepcopy(signals.classifier.model).requires_grad_(requires_grad=False)
        for module in model.modules():
            if getattr(module, "inplace", False):  # several libraries keep what is overwritten
                module.__dict__["inplace"] = False
        logits = Logits(signals.classifier, model).eval()
        first_1CHW = signals.batch.image_BCHW[:1]
        return cls(signals, logits, lambda: signals.classifier.layer(first_1CHW)[0])


@dataclass(frozen=True)
class OneImage:
    """One image, its target and the model."""

    handed: Handed
    index: int

    @property
    def model(self) -> Logits:
        return self.handed.model

    @property
    def target(self) -> int:
        return int(self.handed.signals.target_B[self.index])

    @property
    def x_1CHW(self) -> Tensor:
        """Normalised; asks for gradients."""
        x_BCHW = self.handed.signals.normalised_BCHW
        return x_BCHW[self.index : self.index + 1].detach().clone().requires_grad_()

    @property
    def image_HWC(self) -> np.ndarray:
        """In [0, 1], float64."""
        image_CHW = self.handed.signals.batch.image_BCHW[self.index]
        return image_CHW.permute(1, 2, 0).double().cpu().numpy()

    @cached_property
    def labels_HW(self) -> Tensor:
        """Superpixels."""
        return self.handed.signals.segments(SUPERPIXELS)[self.index]

    @property
    def layer(self) -> nn.Module:
        """Grad-CAM's layer, of the copy."""
        return self.model.model.get_submodule(self.handed.layer_name())

    def layout(self, output: Tensor) -> Layout:
        """Return where the map is in the layer's output."""
        found = layout_of(output.shape, self.x_1CHW.shape[2:])
        if found is None:
            raise ValueError(f"the layer puts out no map but shape {tuple(output.shape)}")
        return found

    def reshaped(self, output: Tensor) -> Tensor:
        """Return the layer's output, or something of its shape, as a map (B, F, h, w)."""
        return self.layout(output).map_BFhw(output)

    def normalised(self, image_NHWC: np.ndarray) -> Tensor:
        """Return images in [0, 1] as the model takes them."""
        classifier = self.handed.signals.classifier
        image_NCHW = torch.as_tensor(np.ascontiguousarray(image_NHWC)).permute(0, 3, 1, 2)
        return classifier.normalise(image_NCHW.to(classifier.device, torch.float32))

    def probabilities(self, image_NHWC: np.ndarray) -> np.ndarray:
        """Return score_NK of images in [0, 1]."""
        classifier = self.handed.signals.classifier
        found: np.ndarray = classifier.probabilities(self.normalised(image_NHWC)).cpu().numpy()
        return found


@contextmanager
def _seeded(seed: int, image_id: str) -> Iterator[int]:
    """Seed the global random numbers for an image inside the block; yield a seed to pass on."""
    own = int(generator(seed, image_id, "adapters").integers(2**31))
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 - libraries draw there
    devices = list(range(torch.cuda.device_count()))
    with torch.random.fork_rng(devices=devices):
        random.seed(own)
        np.random.seed(own)  # noqa: NPY002
        torch.manual_seed(own)
        try:
            yield own
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002


def names_of(*callables: Any) -> set[str]:
    """Return the names of parameters that callables take by name."""
    found: set[str] = set()
    for each in callables:
        for name, parameter in inspect.signature(each).parameters.items():
            if parameter.kind not in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
                found.add(name)
    return found - {"self"}


def split(parameters: Mapping[str, Any], make: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the parameters of a constructor, and the others; lists become tuples."""
    own = names_of(make)
    plain = {key: _tuples(value) for key, value in parameters.items()}
    made = {key: value for key, value in plain.items() if key in own}
    return made, {key: value for key, value in plain.items() if key not in own}


def _tuples(value: Any) -> Any:
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
