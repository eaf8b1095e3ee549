"""What documents and docstrings show as code is run: it works, and gives what they say."""

from __future__ import annotations

import doctest
import pkgutil
import re
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest
import torch
import torchvision
from torch import Tensor

import swag
import swagflow
from swag.signals import Signals
from swag.types import Kind
from tests.support.fake_run import make_run
from tests.support.toys import toy

pytestmark = pytest.mark.usefixtures("undrawn")
ROOT = Path(__file__).resolve().parents[2]


def modules() -> list[ModuleType]:
    """Return every module of the two packages, but for the one that is the command itself."""
    names = [
        module.name
        for package in (swag, swagflow)
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    ]
    return [import_module(name) for name in names if not name.endswith("__main__")]


def test_examples_in_docstrings_give_what_they_say() -> None:
    results = [doctest.testmod(module) for module in modules()]
    assert sum(result.failed for result in results) == 0
    assert sum(result.attempted for result in results) >= 3


def test_an_example_that_gives_something_else_is_found() -> None:
    module = ModuleType("wrong", "Adds.\n\n>>> 1 + 1\n3\n")
    runner = doctest.DocTestRunner(verbose=False)
    for test in doctest.DocTestFinder().find(module):
        runner.run(test, out=lambda _: None)
    assert runner.summarize(verbose=False).failed == 1


def examples(document: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / document).read_text(), re.DOTALL)


def run(code: str, **names: Any) -> dict[str, Any]:
    # The blocks are this repository's own, and read alone by whoever copies them.
    exec(compile(code, "example", "exec", dont_inherit=True), names)
    return names


def test_the_examples_of_the_readme(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    evaluated, explained, read = examples("README.md")
    whole = torchvision.models.resnet18  # smaller, and its weights need no download
    monkeypatch.setattr("torchvision.models.resnet50", lambda weights: whole())
    images = torch.rand(2, 3, 64, 64)
    found = run(evaluated, images=images, labels=[1, 2])
    assert len(found["results"].table()) == 3
    found = run(explained, images=images, model=found["model"])["saliency_BHW"]
    assert found.shape == (2, 64, 64)

    make_run(tmp_path / "RUN", methods=("swag", "random"), models=("vgg16",), num_images=2)
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    run(read)
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    means = {row[-2]: float(row[-1]) for row in rows if row[-2:-1] in (["swag"], ["random"])}
    assert 0 < means["swag"] < means["random"] < 1


def test_the_example_of_an_explainer() -> None:
    (code,) = examples("CONTRIBUTING.md")
    names = {"dataclass": dataclass, "ClassVar": ClassVar, "Kind": Kind}
    made = run(code, **names, Signals=Signals, Tensor=Tensor, __name__=__name__)
    saliency_BHW = swag.explain(toy(), torch.rand(2, 3, 32, 32), method=made["SquaredGradient"]())
    assert saliency_BHW.shape == (2, 32, 32)
    assert saliency_BHW.max() > 0
