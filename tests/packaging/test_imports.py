"""Everything can be imported where the base packages are all there is, and on other systems."""

from __future__ import annotations

import pytest

from tests.support.processes import python

pytestmark = pytest.mark.slow

OTHERS = (
    *("typer", "rich", "pandas", "pyarrow", "yaml", "pydantic", "matplotlib", "ray", "lime"),
    *("sklearn", "fsspec", "jinja2", "timm", "filelock"),
)

IMPORT_ALL = """
from importlib import import_module
from pkgutil import walk_packages

def import_all(package):
    names = [module.name for module in walk_packages(package.__path__, package.__name__ + ".")]
    for name in names:
        if not name.endswith(".__main__"):
            import_module(name)
    return len(names)
"""

EXPLAIN = """
import swag, torch
from swag.models import ModelSpec, load_model
assert import_all(swag) > 30
model = load_model(ModelSpec(architecture="tiny_vgg"))
images = torch.rand(2, 3, 112, 112, generator=torch.Generator().manual_seed(0))
for method in ("swag_ig", "grad_cam", "lime_i", "xrai", "guided_backprop", "sobel"):
    saliency_BHW = swag.explain(model.eval(), images, method=method)
    print(method, tuple(saliency_BHW.shape), bool(saliency_BHW.isfinite().all()))
"""

ELSEWHERE = """
import builtins, os
# Packages of others know which system they are on.
import aiohttp, matplotlib.figure, pandas, pyarrow.parquet, ray.job_submission, ray.train.torch
import skimage.segmentation, sklearn.datasets, torchvision
import swag, swagflow

MISSING = {"fcntl", "resource", "pwd", "grp", "termios"}
os.sched_getaffinity = os.sysconf = None
del os.sched_getaffinity, os.sysconf
real = builtins.__import__

def without(name, globals=None, locals=None, fromlist=(), level=0):
    ours = str((globals or {}).get("__name__")).partition(".")[0] in {"swag", "swagflow"}
    if ours and not level and name.partition(".")[0] in MISSING:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return real(name, globals, locals, fromlist, level)

builtins.__import__ = without
print(import_all(swag), import_all(swagflow))
from swagflow.cores import num_cores
from swagflow.hardware import description
print(description()["memory_gib"], num_cores() == os.cpu_count())
"""


def test_swag_needs_the_base_packages_only() -> None:
    done = python(IMPORT_ALL + EXPLAIN, without=OTHERS)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 6
    assert all(line.endswith(" (2, 112, 112) True") for line in lines)


def test_every_module_can_be_imported_on_systems_without_unix_modules() -> None:
    done = python(IMPORT_ALL + ELSEWHERE)
    assert done.returncode == 0, done.stderr
    counts, machine = done.stdout.splitlines()
    assert all(int(count) > 30 for count in counts.split())
    assert machine == "None True"
