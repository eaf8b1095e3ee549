"""The layer that Grad-CAM takes is part of the keys of rows that it changes, and of no others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from torch import nn

from swagflow.config.load import resolve
from swagflow.engine.opening import open_benchmark
from swagflow.engine.plan import cell_of
from swagflow.store.described import Described
from tests.support.runs import changed


def with_class_maps(num_classes: int = 2) -> nn.Module:
    """A small CNN whose head is a convolution, as SqueezeNet's."""
    features = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(inplace=True))
    head = nn.Sequential(nn.Conv2d(6, num_classes, 1), nn.ReLU(inplace=True))
    return nn.Sequential(features, head, nn.AdaptiveAvgPool2d(1), nn.Flatten())


def described(architecture: str, **fields: str) -> Described:
    models = {"toy": {"architecture": architecture, "weights": "random:0", **fields}}
    explainers = ["random", "grad_cam", "swag"]
    return open_benchmark(resolve(changed(models=models, explainers=explainers))).described


def keys_of(benchmark: Described) -> Mapping[str, str]:
    (subject,) = benchmark.cases
    return {
        f"{name.explainer} {name.metric}": cell_of(benchmark, name).key
        for name in benchmark.wanted(subject)
    }


def as_before(benchmark: Described) -> Described:
    """Return the description that earlier versions made."""
    subjects = {
        name: {key: value for key, value in fields.items() if key != "cam_layer"}
        for name, fields in benchmark.subjects.items()
    }
    return replace(benchmark, subjects=subjects)


def test_keys_change_where_the_layer_has_and_nowhere_else() -> None:
    found = described("tests.engine.test_cam_layer:with_class_maps")
    (about,) = found.subjects.values()
    assert about["cam_layer"] == "0.1"
    new, old = keys_of(found), keys_of(as_before(found))
    different = {name for name in new if new[name] != old[name]}
    assert different == {"grad_cam None", "grad_cam deletion"}
    assert Described.parse(found.encoded(), "run") == found


def test_keys_stay_where_the_layer_was_right_or_is_named() -> None:
    right = described("tests.support.plugins:toy_cnn")
    named = described("tests.engine.test_cam_layer:with_class_maps", cam_layer="0.1")
    for benchmark in (right, named):
        assert keys_of(benchmark) == keys_of(as_before(benchmark))
