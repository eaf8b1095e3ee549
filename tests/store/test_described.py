"""benchmark.yaml says all that its reader asks, and what is written is what is read."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from swagflow.config.benchmark import Benchmark
from swagflow.config.description import describe_benchmark
from swagflow.config.identity import describe
from swagflow.config.load import load_benchmark
from swagflow.engine.joining import reconcile
from swagflow.errors import UserError
from swagflow.store.described import SCHEMA_VERSION, Described
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


def rewritten(described: Described, **keys: object) -> bytes:
    """Return its file with other keys, None for those that are left out."""
    plain = {**described.plain(), **keys}
    kept = {key: value for key, value in plain.items() if value is not None}
    return yaml.safe_dump(kept, sort_keys=False).encode()


def test_the_schema_version_is_written_first_and_read(described: Described) -> None:
    first = described.encoded().splitlines()[1]
    assert first == f"schema_version: {SCHEMA_VERSION}".encode()
    assert Described.parse(described.encoded(), "RUN").schema_version == SCHEMA_VERSION


def test_a_folder_without_schema_version_is_of_the_first_and_gets_this_one(
    tmp_path: Path, described: Described
) -> None:
    old = rewritten(described, schema_version=None)
    assert Described.parse(old, "RUN").schema_version == 1
    (tmp_path / "benchmark.yaml").write_bytes(old)
    assert reconcile(Store(str(tmp_path)), described).schema_version == SCHEMA_VERSION


def test_a_newer_schema_is_refused_whatever_else_is_in_it(described: Described) -> None:
    newer = SCHEMA_VERSION + 1
    for content in (
        rewritten(described, schema_version=newer),
        rewritten(described, schema_version=newer, models=None, datasets=[1], later="unknown"),
    ):
        with pytest.raises(
            UserError, match=rf"'RUN' has schema version {newer}, .*up to {SCHEMA_VERSION}; use"
        ):
            Described.parse(content, "RUN")


@pytest.mark.parametrize("version", [0, -1, "two", 1.0, True, [1]])
def test_a_schema_version_that_is_no_number_is_damage(
    described: Described, version: object
) -> None:
    content = rewritten(described, schema_version=version)
    with pytest.raises(UserError, match=r"cannot be read \(schema_version: wanted a number"):
        Described.parse(content, "RUN")
