"""What a configuration says of its report: checked, kept, and no part of any number."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from swagflow.config.description import _about, describe_benchmark
from swagflow.config.load import load_benchmark, resolve
from swagflow.engine.joining import reconcile
from swagflow.errors import UserError
from swagflow.store.experiments import Picture, Show, Sweep
from swagflow.store.run_folder import Store


def study(**show: object) -> dict[str, Any]:
    return {
        "name": "study",
        "datasets": {"digit_scenes": {}},
        "models": ["tiny_vgg"],
        "explainers": ["swag", "random"],
        "metrics": ["deletion", "insertion"],
        "experiments": {
            "one": {"explainers": ["swag"], "show": show},
            "two": {"metric": "insertion", "explainers": ["random"]},
        },
    }


def test_show_is_read_and_has_defaults() -> None:
    show = {"title": "One", "curves": {"stem": "mine"}, "sweep": {"x": "a.b"}, "table": False}
    experiments = resolve(study(**show)).experiments
    wanted = Show(title="One", curves=Picture(stem="mine"), sweep=Sweep(x="a.b"), table=False)
    assert experiments["one"].show == wanted
    assert experiments["two"].show == Show()


@pytest.mark.parametrize(
    ("show", "message"),
    [
        ({"tabel": False}, "unknown key 'experiments.one.show.tabel'; did you mean 'table'"),
        (
            {"curves": {"nummber": 2}},
            "'experiments.one.show.curves.nummber'; did you mean 'number'",
        ),
        ({"curves": "yes"}, "Input should be 'auto', True or False, got 'yes'"),
        ({"sweep": {"series": "a"}}, "experiments.one.show.sweep: wanted x"),
        ({"stem": "../other"}, "stem '../other' cannot be the name of files"),
        ({"gallery": {"stem": "a/b"}}, "stem 'a/b' cannot be the name of files"),
        ({"stem": "two_insertion"}, "is the name of the files of experiments.one already"),
        ({"paper": "table9"}, "show.paper"),
    ],
)
def test_what_cannot_be_shown_is_an_error(show: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as caught:
        resolve(study(**show))
    assert message in str(caught.value)


def test_a_folder_takes_over_how_it_is_to_be_shown(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    before = describe_benchmark(resolve(study()))
    plain = before.plain()
    for experiment in plain["experiments"].values():  # as version 0.1 wrote them
        del experiment["show"]
    store.write_bytes("benchmark.yaml", yaml.safe_dump(plain).encode())
    assert store.read_benchmark() == before
    wanted = describe_benchmark(resolve(study(title="New", number="Table 7")))
    joined = reconcile(store, wanted)
    assert joined.experiments["one"].show == Show(title="New", number="Table 7")
    assert joined.explainer("swag", "tiny_vgg") == before.explainer("swag", "tiny_vgg")


def test_docstrings_are_for_readers_alone() -> None:
    described = describe_benchmark(resolve(study()))
    about = described.explainers["swag"]["about"]
    assert about == "Superpixels weighted by their mean gradient (Hartley et al., eq. 1)."
    assert "about" not in described.explainer("swag", "tiny_vgg")
    assert "about" not in described.metric("deletion")


@dataclass(frozen=True)
class Spoken:
    """Two lines
    make a paragraph.

    And more.
    """

    about: object = None


@dataclass(frozen=True)
class Silent:
    version: int = 1


def test_what_a_class_says_of_itself_is_its_first_paragraph() -> None:
    assert _about(Spoken()) == {"about": "Two lines make a paragraph."}
    assert _about(Spoken(about="Itself,\nby   property.\n \nMore.")) == {
        "about": "Itself, by property."
    }
    assert _about(Spoken(about=3)) == {"about": "Two lines make a paragraph."}
    assert _about(Silent()) == {}
    long = _about(Spoken(about="word " * 200))["about"]
    assert len(long) <= 400
    assert long.endswith("word \u2026")


def test_how_remove_and_retrain_is_shown_is_no_recipe() -> None:
    roar = load_benchmark("full-benchmark").roar["digit_scenes"]
    assert (roar.show.number, roar.show.after) == ("Table 4", "figure3")
    assert list(load_benchmark("paper/all").experiments)[:4] == [
        "table1",
        "table2",
        "table3",
        "figure3",
    ]
