"""benchmark.yaml says all that its reader asks, and what is written is what is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from swagflow.config.benchmark import Benchmark
from swagflow.config.description import describe_benchmark
from swagflow.config.identity import describe
from swagflow.config.load import load_benchmark
from swagflow.store.described import Described
from swagflow.store.parts import Subject
from swagflow.store.run_folder import Store

SUBJECT = Subject("digit_scenes", "tiny_vgg")


@pytest.fixture(scope="module")
def benchmark() -> Benchmark:
    return load_benchmark("full-benchmark")


@pytest.fixture(scope="module")
def described(benchmark: Benchmark) -> Described:
    about = {"dataset": "f" * 64, "model": {"class": "ModelSpec", "mean": [0.1, 1e-7, 3.0]}}
    return describe_benchmark(benchmark, {SUBJECT: about}, {"digit_scenes": 100})


def test_what_is_written_is_read(tmp_path: Path, described: Described) -> None:
    store = Store(str(tmp_path))
    store.write_benchmark(described)
    assert store.read_benchmark() == described
    assert store.read_benchmark().cases == [SUBJECT]


def test_what_identifies_rows_is_the_object_itself(
    benchmark: Benchmark, described: Described
) -> None:
    """Keys of parts are the same from the object and from its description."""
    for name, explainer in benchmark.explainers.items():
        assert described.explainer(name, "tiny_vgg") == describe(explainer)
        assert described.kind(name) == explainer.kind
    for name, metric in benchmark.metrics.items():
        assert described.metric(name) == describe(metric)
        assert described.higher_is_better(name) == metric.higher_is_better
        assert not described.is_timing(name)
    assert described.is_timing("efficiency")


def test_an_explainers_own_settings_on_a_model_count_there() -> None:
    described = describe_benchmark(load_benchmark("paper/all"))
    assert described.explainer("rise", "vgg16")["num_masks"] == 4000
    assert described.explainer("rise", "resnet50")["num_masks"] == 8000
