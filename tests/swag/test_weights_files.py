"""Weights files: every form comes back the same, and no code in one is run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from swag.models import ModelSpec, load_model, weights_sha256
from swag.models.tiny import tiny_vgg


def sha(**fields: Any) -> str:
    return weights_sha256(load_model(ModelSpec(**fields)))


def state_of(architecture: str = "tiny_vgg", seed: int = 7, **options: Any) -> dict[str, Tensor]:
    spec = ModelSpec(architecture=architecture, weights=f"random:{seed}", **options)
    return load_model(spec).state_dict()


WRITERS: dict[str, Callable[[dict[str, Tensor], Path], object]] = {
    "a.safetensors": save_file,
    "a.pt": torch.save,
    "a.pth": lambda state, path: torch.save({"epoch": 3, "state_dict": state}, path),
    "b.pt": lambda state, path: torch.save({"model": state}, path),
    "c.pt": lambda state, path: torch.save({f"module.{k}": v for k, v in state.items()}, path),
    "old.pth": lambda state, path: torch.save(state, path, _use_new_zipfile_serialization=False),
}


@pytest.mark.parametrize("name", list(WRITERS))
@pytest.mark.parametrize("num_classes", [None, 4])
def test_weights_come_back_from_every_file(
    tmp_path: Path, name: str, num_classes: int | None
) -> None:
    """The number of classes is that of the file."""
    state = state_of(num_classes=4)
    WRITERS[name](state, tmp_path / name)
    spec = ModelSpec(architecture="tiny_vgg", weights=str(tmp_path / name), num_classes=num_classes)
    model = load_model(spec)
    assert weights_sha256(model) == sha(architecture="tiny_vgg", weights="random:7", num_classes=4)
    assert model(torch.rand(1, 3, 112, 112)).shape == (1, 4)


class Malicious:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.path, "code was run")


@pytest.mark.parametrize("new", [True, False])
def test_code_in_a_weights_file_is_not_run(tmp_path: Path, new: bool) -> None:
    trap = tmp_path / "trap"
    content = {**state_of(), "extra": Malicious(trap)}
    torch.save(content, tmp_path / "a.pt", _use_new_zipfile_serialization=new)
    with pytest.raises(ValueError, match="holds more than tensors, and code in it is not run"):
        load_model(ModelSpec(architecture="tiny_vgg", weights=str(tmp_path / "a.pt")))
    assert not trap.exists()


def test_a_whole_pickled_model_is_refused(tmp_path: Path) -> None:
    torch.save(tiny_vgg(), tmp_path / "a.pt")
    with pytest.raises(ValueError, match=r"write torch.save\(model.state_dict\(\), ...\)"):
        load_model(ModelSpec(architecture="tiny_vgg", weights=str(tmp_path / "a.pt")))
