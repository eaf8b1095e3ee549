"""Configurations drawn at random: what is right is taken, what is wrong is one clear line."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from swagflow.cli import main
from swagflow.config.compose import MOST_MEMBERS
from swagflow.config.description import describe_benchmark
from swagflow.config.load import load_benchmark
from swagflow.config.yaml_text import parse_yaml
from swagflow.errors import MOST_CHARACTERS, UserError
from swagflow.store.described import Described
from tests.support.runs import MINIMAL, Runner

EVERYTHING: dict[str, Any] = parse_yaml("""
name: study
seed: 3
target: label
shard_size: 4
only: [first, roar]
datasets:
  squares: {type: "tests.support.plugins:Squares", images: 6}
  train: {type: "tests.support.plugins:Squares", generation: 1, trains: true}
  pictures: {type: image_folder, root: nowhere, size: [32, 48], resize: {shorter: 50, crop: 32}}
models:
  tiny_vgg: {}
  toy: {architecture: "tests.support.plugins:toy_cnn", weights: "random:0", mean: [0.5, 0.5, 0.5],
        std: [0.2, 0.2, 0.2], on: {squares: {weights: "random:2"}}}
explainers:
  random: {}
  swag_ig: {superpixels: {num_segments: 75, colour_weight: 10}, on: {toy: {weights: gradient}}}
  lime: {num_samples: 30, superpixels: {type: quickshift, kernel_size: 2}}
  many: {type: swag, grid: {superpixels.num_segments: [15, 35]}}
metrics:
  deletion: {steps: 28}
  irof: {unit: {type: slic, num_segments: 20}, fill: blur}
  f_fidelity: {}
experiments:
  first: {explainers: [random, many], datasets: [squares], models: [toy], only_correct: true,
          show: {title: One, curves: {number: Figure 1, stem: x}, sweep: {x: superpixels}}}
  second: {explainers: [random, lime], metric: irof}
  third: {explainers: [random], metric: f_fidelity, datasets: [squares]}
roar:
  squares: {train: train, explainers: [random], fractions: [0.0, 0.5], epochs: 1, show: {title: R}}
tuning:
  squares: {train: train, epochs: 2, optimizer: adamw}
rankings:
  all: {metrics: [deletion, irof], explainers: [random], show: {title: T}}
""")
ODD: list[Any] = [
    *(None, True, 0, -1, 10**30, 10**400, 1e308, float("nan"), float("inf"), "", " ", "x" * 5000),
    *(
        "a/b",
        "../x",
        "\0",
        "\ud800",
        "\u202e",
        "a\nb",
        "😀",
        "os:system",
        "../x:y",
        ":",
        "random:x",
    ),
    *([], {}, [[]], [{}], [None], {1: 2}, {None: {}}, {"": {}}, {True: {}}, {"\ud800": 3}),
    *({"type": 3}, {"type": ":"}, {"grid": {}}, {"grid": {"a.b": [1]}}, {"on": 3}, {"show": 3}),
    *({"a\nb": 3}, {"x" * 3000: 3}, {"superpixels": {"superpixels": {}}}, list(range(50))),
]
KEYS = [
    "",
    "typ",
    "é",
    3,
    None,
    True,
    "a/b",
    "on",
    "grid",
    "type",
    "show",
    "a.b",
    "x" * 300,
    "\ud800",
]

Place = tuple[Any, ...]


def places(node: Any, above: Place = ()) -> Iterator[Place]:
    keys: Any = (
        node if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    )
    for key in keys:
        yield (*above, key)
        yield from places(node[key], (*above, key))


def at(raw: Any, place: Place) -> Any:
    for key in place:
        raw = raw[key]
    return raw


@st.composite
def spoilt(draw: st.DrawFn) -> dict[str, Any]:
    """Return a configuration in which something is replaced, moved, left out, added or wrapped."""
    raw = copy.deepcopy(EVERYTHING)
    if draw(st.booleans()):
        del raw["only"]
    for _ in range(draw(st.integers(1, 3))):
        known = list(places(raw))
        place = draw(st.sampled_from(known))
        parent, key = at(raw, place[:-1]), place[-1]
        match draw(st.sampled_from(["odd", "odd", "move", "omit", "add", "wrap"])):
            case "odd":
                parent[key] = copy.deepcopy(draw(st.sampled_from(ODD)))
            case "move":
                parent[key] = copy.deepcopy(at(raw, draw(st.sampled_from(known))))
            case "omit":
                del parent[key]
            case "wrap":
                parent[key] = draw(st.sampled_from([[parent[key]], {"x": parent[key]}]))
            case "add" if isinstance(parent, dict):
                parent[draw(st.sampled_from(KEYS))] = parent[key]
    return raw


def is_refused(path: Path, *overrides: str) -> bool:
    """Return whether a configuration is refused; where it is not, it must make sense."""
    try:
        benchmark = load_benchmark(str(path), overrides)
    except UserError as error:
        text = str(error)
        assert text.isprintable(), text
        assert 10 < len(text) <= MOST_CHARACTERS
        return True
    described = describe_benchmark(benchmark)
    assert Described.parse(described.encoded(), "run") == described
    return False


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=spoilt())
def test_whatever_is_wrong_is_one_line(tmp_path: Path, raw: dict[str, Any]) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(raw))
    is_refused(path)


def test_nothing_is_wrong_with_what_the_tests_spoil(tmp_path: Path) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(EVERYTHING))
    assert not is_refused(path)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.sampled_from("[]{}:,-?&*!|>%@`'\"#\\ \n\t01ax.~<=_T\ud800é"), max_size=30))
@example("!!int x")
@example("!!int ''")
@example("!!bool x")
@example("!!map 3")
@example("[!!set [a]]")
@example("!!timestamp x")
@example("2020-99-99")
@example("0x_")
@example("9" * 5000)
@example('"\\UFFFFFFFF"')
@example("%YAML 1." + "9" * 5000)
def test_whatever_text_a_value_is(tmp_path: Path, text: str) -> None:
    """Most are no YAML, or no seed."""
    path = tmp_path / "toy.yaml"
    path.write_text(yaml.safe_dump(MINIMAL))
    is_refused(path, f"seed={text}")
    path.write_text(f"seed: {text}", errors="surrogatepass")
    assert is_refused(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("only=5", "only: wanted the name of an experiment or a list of them, got 5"),
        ("only=0", "only: wanted the name of an experiment"),
        ("only={}", "only: wanted the name of an experiment"),
        ("experiments.table1.explainers=swag", "table1.explainers: wanted a list of names, got"),
        ("experiments.table1.metric=[deletion]", "table1.metric: wanted a name, got"),
        ("roar.digit_scenes.train={}", "roar.digit_scenes.train: wanted a name, got {}"),
        ("rankings.all.metrics=[[]]", "rankings.all.metrics: wanted a list of names, got"),
        (f"models.{'x' * 101}.architecture=tiny_vgg", "use at most 100 letters"),
        ("seed=2020-99-99", "the value is not YAML: a value is no such number, date"),
        (
            f"explainers.swag.grid={{a: {[*range(101)]}, b: {[*range(100)]}}}",
            f"it stands for 10,100 explainers; give values for at most {MOST_MEMBERS:,}",
        ),
        (f"explainers.{'x' * 9000}=3", "wanted a mapping of fields, got 3"),
        ("explainers.swag\x1b[31m=3", "wanted a mapping of fields, got 3"),
    ],
)
def test_the_command_refuses_it_by_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, message: str
) -> None:
    call = ["run", "full-benchmark", "--set", text, "--run-dir", str(tmp_path / "run")]
    with pytest.raises(SystemExit) as ended:
        main(call)
    said = capsys.readouterr()
    assert ended.value.code == 2
    assert said.out == ""
    assert said.err.startswith("Error: ")
    assert message in said.err
    assert said.err.count("\n") == 1
    assert "\x1b" not in said.err
    assert not list(tmp_path.iterdir())


SEGMENTERS = st.one_of(
    st.fixed_dictionaries({"num_segments": st.integers(1, 40)}),
    st.fixed_dictionaries({"type": st.just("quickshift"), "kernel_size": st.floats(1, 4)}),
    st.sampled_from(["slic", "pixel"]),
)
NAMES = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,20}", fullmatch=True)
EXPLAINERS = st.one_of(
    st.fixed_dictionaries({"type": st.sampled_from(["random", "centre", "noise", "grad_cam"])}),
    st.fixed_dictionaries(
        {"type": st.sampled_from(["swag", "swag_ig"]), "superpixels": SEGMENTERS}
    ),
    st.fixed_dictionaries({"type": st.just("lime"), "num_samples": st.integers(2, 9)}),
    st.fixed_dictionaries({"type": st.just("rise"), "num_masks": st.integers(1, 9)}),
)
METRICS = st.one_of(
    st.fixed_dictionaries({"type": st.just("deletion"), "steps": st.integers(1, 9)}),
    st.fixed_dictionaries({"type": st.just("insertion"), "steps": st.integers(1, 9)}),
    st.fixed_dictionaries({"type": st.just("irof"), "fill": st.sampled_from(["black", "blur"])}),
)


@st.composite
def right(draw: st.DrawFn) -> dict[str, Any]:
    """Return a configuration in which nothing is wrong."""
    explainers = draw(st.dictionaries(NAMES, EXPLAINERS, min_size=1, max_size=4))
    metrics = draw(st.dictionaries(NAMES, METRICS, min_size=1, max_size=2))
    experiments = {
        name: {
            "explainers": draw(st.lists(st.sampled_from([*explainers]), unique=True)),
            "metric": draw(st.sampled_from([*metrics])),
            "only_correct": draw(st.booleans()),
        }
        for name in draw(st.lists(NAMES, max_size=3, unique=True))
    }
    squares = {"type": "tests.support.plugins:Squares", "images": draw(st.integers(1, 5))}
    return {
        **MINIMAL,
        "name": draw(NAMES),
        "datasets": {draw(NAMES): squares},
        "models": {draw(NAMES): dict(MINIMAL["models"]["toy"])},  # type: ignore[index]
        "explainers": explainers,
        "metrics": metrics,
        "experiments": experiments,
        "seed": draw(st.integers(0, 2**70)),
        "target": draw(st.sampled_from(["predicted", "label", "top:2", 1])),
        "shard_size": draw(st.integers(1, 10**15)),
        "batch_size": draw(st.integers(1, 10**15)),
        "forward": draw(st.sampled_from(["eager", "folded"])),
        "precision": draw(st.sampled_from(["float32", "bf16"])),
    }


@pytest.mark.slow
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=right())
def test_what_is_right_is_taken(tmp_path: Path, raw: dict[str, Any]) -> None:
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(raw, sort_keys=False))
    assert not is_refused(path)


@pytest.mark.slow
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(raw=right())
def test_what_is_right_runs(tmp_path_factory: pytest.TempPathFactory, raw: dict[str, Any]) -> None:
    runner = Runner(tmp_path_factory.mktemp("any"))
    assert runner(**raw) == 0, runner.output
    assert runner.files()
