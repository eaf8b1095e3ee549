"""What counts as the same code, and what nobody can tell."""

from __future__ import annotations

import functools
import importlib.util
import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from swagflow.errors import UserError
from swagflow.front.code import code_of, is_installed

MODULE = """
import torch
FACTOR = 2.0
def helper(x):
    return x * FACTOR
def outer(exponent=1):
    def inner(model, images, targets):
        return helper(images.sum(1)) ** exponent
    return inner
def calls_itself(n):
    return 1 if n < 2 else n * calls_itself(n - 1)
class Net(torch.nn.Module):
    scale = 3
    def __init__(self, shift=0):
        super().__init__()
        self.shift = shift
        self.layer = torch.nn.Linear(2, 2)
    def forward(self, x):
        return self.layer(x) + self.shift
"""


@pytest.fixture
def written(tmp_path: Path) -> Callable[..., ModuleType]:
    """Import the module with some of its text replaced, under the same name."""
    count = 0

    def write(old: str = "", new: str = "") -> ModuleType:
        nonlocal count
        count += 1
        file = tmp_path / str(count) / "theirs.py"
        file.parent.mkdir()
        assert old in MODULE
        file.write_text(MODULE.replace(old, new) if old else MODULE)
        spec = importlib.util.spec_from_file_location("theirs", file)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return write


def test_the_same_text_is_the_same_code(written: Callable[..., ModuleType]) -> None:
    first, second = written(), written()
    for one, other in (
        (first.outer(), second.outer()),
        (first.calls_itself, second.calls_itself),
        (first.Net, second.Net),
    ):
        assert code_of(one, "it") == code_of(other, "it")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("images.sum(1)", "images.mean(1)"),
        ("x * FACTOR", "x + FACTOR"),
        ("FACTOR = 2.0", "FACTOR = 3.0"),
    ],
)
def test_what_a_function_calls_and_reads_counts(
    written: Callable[..., ModuleType], old: str, new: str
) -> None:
    assert code_of(written().outer(), "it") != code_of(written(old, new).outer(), "it")


def test_what_a_function_closes_over_counts(written: Callable[..., ModuleType]) -> None:
    module = written()
    assert code_of(module.outer(1), "it") != code_of(module.outer(2), "it")
    assert code_of(module.outer(np.ones(3)), "it") != code_of(module.outer(np.zeros(3)), "it")
    assert code_of(functools.partial(module.helper, 1), "it") != code_of(
        functools.partial(module.helper, 2), "it"
    )


@pytest.mark.parametrize(
    ("old", "new"), [("scale = 3", "scale = 4"), ("+ self.shift", "- self.shift")]
)
def test_a_models_class_counts(written: Callable[..., ModuleType], old: str, new: str) -> None:
    state = written().Net().state_dict()

    def made(module: ModuleType, **fields: Any) -> nn.Module:
        model: nn.Module = module.Net(**fields)
        model.load_state_dict(state)
        return model

    assert code_of(made(written()), "it") == code_of(made(written()), "it")
    assert code_of(made(written()), "it") != code_of(made(written(old, new)), "it")
    assert code_of(made(written()), "it") != code_of(made(written(), shift=1), "it")


def test_weights_and_structure_count() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(2, 2)
    assert code_of(layer, "it") != code_of(nn.Linear(2, 2), "it")
    assert code_of(nn.Sequential(layer), "it") != code_of(nn.Sequential(layer, nn.ReLU()), "it")
    mode = code_of(layer, "it")
    assert code_of(layer.eval(), "it") == mode


@pytest.mark.parametrize(
    ("folder", "is_one"),
    [
        ("other/lib/python3.12/site-packages", True),  # of the environment below this one
        ("usr/lib/python3/dist-packages", True),
        ("home/mine", False),
    ],
)
def test_what_lies_among_packages_is_known_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str, is_one: bool
) -> None:
    module = ModuleType("theirs")
    module.__file__ = str(tmp_path / folder / "theirs.py")
    monkeypatch.setitem(sys.modules, "theirs", module)
    assert is_installed(type("Net", (), {"__module__": "theirs"})) is is_one


@pytest.mark.slow
def test_another_process_finds_the_same(tmp_path: Path) -> None:
    (tmp_path / "theirs.py").write_text(MODULE)
    script = (
        "import theirs\nfrom swagflow.front.code import code_of\n"
        "print(code_of([theirs.outer({'a', 'b', 'c'}), theirs.Net], 'it'))"
    )
    found = [
        subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            text=True,
            check=True,
            env={
                "PYTHONHASHSEED": seed,
                "PYTHONPATH": f"{Path(__file__).parents[2]}:{tmp_path}",
            },
        ).stdout
        for seed in ("1", "2")
    ]
    assert found[0] == found[1]


def test_an_object_that_shows_its_settings_counts_by_them() -> None:
    from torchvision import transforms  # noqa: PLC0415 - a second

    one, two = (transforms.Compose([transforms.CenterCrop(size)]) for size in (3, 4))
    assert code_of(one, "it") != code_of(two, "it")
    assert code_of(math.sin, "it") != code_of(math.cos, "it")


def test_what_nobody_can_tell_is_said() -> None:
    class Opaque:
        pass

    thing = Opaque()

    def uses(images: object) -> object:
        return (thing, images)

    with pytest.raises(UserError, match=r"explainers\.mine: it uses thing, a Opaque.*id='mine-1'"):
        code_of(uses, "explainers.mine")
    made: Any = eval("lambda x: x")
    with pytest.raises(UserError, match="source text of <lambda> cannot be read"):
        code_of(made, "it")


def test_a_dataclass_counts_by_its_fields() -> None:
    @dataclass(frozen=True)
    class Mine:
        number: int

        def __call__(self) -> int:
            return self.number

    assert code_of(Mine(1), "it") == code_of(Mine(1), "it")
    assert code_of(Mine(1), "it") != code_of(Mine(2), "it")
