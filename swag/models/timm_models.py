"""timm's image models, where timm is installed: names, settings and pretrained weights."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from swag.lookup import did_you_mean, nearest
from swag.models.weights_files import DAMAGE, State, read_state

PREFIX = "timm/"


def is_installed() -> bool:
    """Return whether timm is there; it is not imported."""
    return find_spec("timm") is not None


@dataclass(frozen=True)
class TimmModel:
    """A model of timm, with the settings that belong to its pretrained weights.

    Raises:
        ValueError: timm is not installed, or has no such architecture or tag.
    """

    name: str
    """As timm has it, "resnet50" or "resnet50.a1_in1k"; without a tag, timm's default one."""

    def __post_init__(self) -> None:
        known = _timm().list_models()
        base, _, tag = self.name.partition(".")
        if base not in known:
            hint = did_you_mean(base, known, prefix=PREFIX)
            raise ValueError(
                f"model {PREFIX + base!r} is unknown{f'; {hint}' if hint else ','} timm "
                f"{_timm().__version__} has {len(known)} others"
            )
        if tag and tag not in self.tags:
            hint = nearest(tag, self.tags)
            raise ValueError(f"weights {tag!r} of {PREFIX}{base} are unknown{hint}")

    def tagged(self, tag: str) -> TimmModel:
        """Return the same architecture with other pretrained weights."""
        return TimmModel(f"{self.name.partition('.')[0]}.{tag}")

    @property
    def tags(self) -> list[str]:
        """Names of all pretrained weights of the architecture."""
        configs = _timm().models.get_arch_pretrained_cfgs(self.name)
        return [name.partition(".")[2] for name in configs if "." in name]

    @property
    def normalisation(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Mean and standard deviation per channel."""
        return tuple(self._config.mean), tuple(self._config.std)

    @property
    def fixed_size(self) -> tuple[int, int] | None:
        """Height and width of the only images that the model takes; None: it takes others too."""
        return self._config.input_size[-2:] if self._config.fixed_input_size else None

    @property
    def data_config(self) -> dict[str, Any]:
        """What timm prepares images by for these weights: input_size, crop_pct, crop_mode, ..."""
        from timm.data import resolve_data_config  # noqa: PLC0415

        config = resolve_data_config({}, pretrained_cfg=self._config.to_dict())
        return cast(dict[str, Any], config)

    def build(self, **options: Any) -> nn.Module:
        """Return the model with random weights."""
        return cast(nn.Module, _timm().create_model(self.name, **options))

    def pretrained_state(self) -> State:
        """Return the pretrained weights, downloaded unless they are in a cache.

        Raises:
            ValueError: there are none, they have no classes, or they cannot be loaded.
        """
        config = self._config
        if not config.hf_hub_id and not config.url:
            raise ValueError(
                f"timm has no weights of {PREFIX}{self.name}; give a file or random:SEED"
            )
        if config.num_classes == 0:
            raise ValueError(
                f"timm's weights of {PREFIX}{self.name} have no classes, only features; "
                "train a classifier with them elsewhere and give its file"
            )
        overlay = {"state_dict": dict(self._stored())}
        with torch.random.fork_rng(devices=[]):
            try:
                # timm renames the tensors of older files as it loads them.
                model = _timm().create_model(
                    self.name, pretrained=True, pretrained_cfg_overlay=overlay
                )
            except DAMAGE as error:
                raise ValueError(
                    f"timm's weights of {PREFIX}{self.name} do not fit it: {error}"
                ) from error
        return cast(State, model.state_dict())

    @property
    def _config(self) -> Any:
        return _timm().models.get_pretrained_cfg(self.name)

    def _stored(self) -> State:
        """Return the tensors of the file that timm names."""
        config = self._config
        if not config.hf_hub_id:
            return read_state(_from_address(self.name, config.url))
        return read_state(_from_hub(self.name, config.hf_hub_id, config.hf_hub_filename))


def _timm() -> Any:
    try:
        # Imported here because it takes seconds, and few runs need it.
        import timm  # noqa: PLC0415
    except ImportError as error:
        raise ValueError(
            f"architectures called {PREFIX}NAME need timm: pip install timm ({error})"
        ) from error
    return timm


def _from_hub(name: str, place: str, file: str | None) -> Path:
    """Return the path of a file of the model hub; what is in its cache needs no network."""
    import huggingface_hub as hub  # noqa: PLC0415
    from huggingface_hub import errors  # noqa: PLC0415

    repository, _, revision = place.partition("@")
    files = [file] if file else ["model.safetensors", "pytorch_model.bin"]
    options: dict[str, Any] = {"repo_id": repository, "revision": revision or None}
    for wanted in files:
        cached = hub.try_to_load_from_cache(filename=wanted, **options)
        if isinstance(cached, str):
            return Path(cached)
    for wanted in files:
        try:
            return Path(hub.hf_hub_download(filename=wanted, **options))
        except (OSError, errors.EntryNotFoundError, errors.HfHubHTTPError) as error:
            unreachable = isinstance(error, errors.LocalEntryNotFoundError)
            if unreachable or not isinstance(error, errors.EntryNotFoundError):
                address = hub.hf_hub_url(filename=wanted, **options)
                raise _unreachable(name, address, error) from error
    raise ValueError(f"timm's repository {place} has no {' and no '.join(files)}")


def _from_address(name: str, address: str) -> Path:
    """Return the path of a file of the web, in PyTorch's cache."""
    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(address).name
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            torch.hub.download_url_to_file(address, str(file), progress=False)
        except OSError as error:
            raise _unreachable(name, address, error) from error
    return file


def _unreachable(name: str, address: str, error: Exception) -> ValueError:
    return ValueError(
        f"timm's weights of {PREFIX}{name} are in no cache and cannot be downloaded "
        f"({type(error).__name__}); without a network give `weights: FILE` with a copy of {address}"
    )
