"""What names a configured object in keys: pinned hashes of the package's own, modules of others."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from types import ModuleType, SimpleNamespace
from typing import Any, ClassVar

import pytest

from swag.catalog import EXPLAINERS, METRICS
from swag.metrics.efficiency import Efficiency
from swag.models import ModelSpec
from swagflow.config.identity import describe, key_of
from swagflow.data import DigitScenes
from swagflow.errors import UserError
from swagflow.store.experiments import Roar
from tests.support.plugins import Brightness, Squares

PINNED = {
    "swag": (
        EXPLAINERS["swag"],
        "da7400885f8fc7ee2121a9dc434065c284a9d65ea3c8681fc8193aaa435f8e99",
    ),
    "swag_ig": (
        EXPLAINERS["swag_ig"],
        "08f14aab030f37ea811de235c3e27b09880fdb39e0e6cdc1cbf8ecb04fe1f336",
    ),
    "lime": (
        EXPLAINERS["lime"],
        "38d3c3284c38f788b6df66722fe71a347201a78985230dbbce3c4d701baf3a0d",
    ),
    "grad_cam": (
        EXPLAINERS["grad_cam"],
        "0cc66222166f241f5839c134367edece5a0029bf06c7d73426f11354a2cc8a41",
    ),
    "rise": (
        EXPLAINERS["rise"],
        "12b37c8b5686d32ce7e204a4f6e404ead8074893c7bee38428e2f305733413dc",
    ),
    "xrai": (
        EXPLAINERS["xrai"],
        "1c60f6419ccefe60fb5968dc2785a41799c41a0ced9173e31aedb7ef1dbbb9c0",
    ),
    "deletion": (
        METRICS["deletion"],
        "308610919e99f4e1c80130f8ba09900c9f489d30c5011770a980a87598012776",
    ),
    "insertion": (
        METRICS["insertion"],
        "a5999a2987d36a7fc48c5e8b9f5fe4eb79ddd75aa3c841637be66243524f2919",
    ),
    "weak_localisation": (
        METRICS["weak_localisation"],
        "44bc1afc39540a6f3736fbb25ca2cce3525cdbeef0997793ff5188779a6d3520",
    ),
    "pointing_game": (
        METRICS["pointing_game"],
        "61c25566e59c6f045bc21741992cdd73832eccc6db002d99ab6e51a28a2c127c",
    ),
    "efficiency": (
        Efficiency(),
        "f50410df22a2228f2208d22fc6929350dd07d53e80a44499fdab94d1d2619927",
    ),
    "a model": (
        ModelSpec(architecture="tiny_resnet"),
        "52b2690de775fa582b2be7e51f2078ba3524b9776f6e51d381e999c7c428afb8",
    ),
    "remove and retrain": (
        Roar(train="a", explainers=("swag",)),
        "f8c3358121241b2e0f15a509841525b87faa4dcf731510d3f6d7b58873ee6f84",
    ),
    "a data set": (
        DigitScenes(),
        "6d2b35a77ba14aed8e6ca54ccb5f1d648eb49f68d6d06fe74dfae241e14847e6",
    ),
}


@pytest.mark.parametrize("name", PINNED)
def test_the_hashes_of_the_package_s_own_classes_stay(name: str) -> None:
    item, key = PINNED[name]
    assert key_of(item) == key


def test_a_class_of_others_is_named_with_its_module() -> None:
    assert describe(Brightness(offset=2.0)) == {
        "class": "Brightness",
        "module": "tests.support.plugins",
        "version": 1,
        "offset": 2.0,
    }
    assert describe(Squares())["module"] == "tests.support.plugins"
    expected = "b96f0500c64e339873d268fba0008531a59770bd140f9bfe59fac24de54b8e12"
    assert key_of(Brightness()) == expected


def other(module: str, name: str = "Brightness") -> Any:
    """Return an object like a `Brightness` whose class is another package's."""
    kind = type(name, (Brightness,), {"__module__": module, "__qualname__": name})
    made: Any = dataclass(frozen=True, kw_only=True)(kind)
    return made()


def test_classes_of_one_name_have_keys_of_their_own() -> None:
    items = [Brightness(), other("another.package"), other("another.package", "Outer.Brightness")]
    assert len({key_of(item) for item in items}) == 3
    assert describe(items[2])["class"] == "Outer.Brightness"
    # A package whose name only begins like one of the two is another's, and so is a class within.
    assert describe(other("swag_plus.methods"))["module"] == "swag_plus.methods"
    nested = [describe({"superpixels": [item]})["superpixels"][0] for item in items]
    assert [item.get("module") for item in nested[:2]] == [
        "tests.support.plugins",
        "another.package",
    ]


@pytest.mark.parametrize(
    ("main", "name"),
    [
        (SimpleNamespace(__spec__=SimpleNamespace(name="my_pkg.study")), "my_pkg.study"),
        (SimpleNamespace(__spec__=None, __file__="/home/me/study.py"), "study"),
        (SimpleNamespace(__spec__=None), "__main__"),
    ],
)
def test_a_script_s_own_classes_have_the_name_that_it_is_imported_by(
    monkeypatch: pytest.MonkeyPatch, main: ModuleType, name: str
) -> None:
    monkeypatch.setitem(sys.modules, "__main__", main)
    assert describe(other("__main__"))["module"] == name


def test_a_field_that_would_hide_the_module_is_refused() -> None:
    @dataclass(frozen=True)
    class Hiding:
        version: ClassVar[int] = 1
        module: str = "x"

    with pytest.raises(UserError, match=r"Hiding .*a field called 'module'.*rename it"):
        describe(Hiding())


def test_what_has_no_canonical_form_is_an_error() -> None:
    with pytest.raises(TypeError, match="holds a set, which has no canonical form"):
        describe({"a": {1}})
