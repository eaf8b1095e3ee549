"""What a person would see and do: the page in a real browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from swagflow.page import build_report
from swagflow.store.run_folder import Store
from tests.support.browser import needs_browser, run_page
from tests.support.fake_run import FakeDataset, fake_benchmark, make_run, shown

pytestmark = [pytest.mark.slow, needs_browser]
METHODS = ("random", "grad_cam", "swag", "swag_g", "guided_backprop")
MODELS = ("tiny_vgg", "tiny_resnet")
NUM_IMAGES = 30


def fake_dataset(_name: str) -> Any:
    return FakeDataset()


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    benchmark = fake_benchmark(METHODS, MODELS)
    benchmark["experiments"]["table2"] = {
        "metric": "deletion",
        "explainers": ["swag"],
        "show": shown("table2"),
    }
    benchmark["subjects"] = {f"digit_scenes/{model}": {} for model in MODELS}
    folder = tmp_path_factory.mktemp("run")
    store = make_run(folder, methods=METHODS, num_images=NUM_IMAGES, benchmark=benchmark)
    build_report(store, open_datasets=fake_dataset)
    return store


@pytest.fixture
def page(store: Store) -> Path:
    return Path(store.uri) / "report.html"


SCRUB = """
  const box = document.querySelector(".scrubber");
  const part = (role) => box.querySelector(`[data-role="${role}"]`);
  const grey = (side, colour) => {
    const canvas = part(`canvas-${side}`);
    const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
    let count = 0;
    for (let at = 0; at < data.length; at += 4) {
      if (colour.every((value, channel) => data[at + channel] === value)) count += 1;
    }
    return count;
  };
  const seen = [];
  for (const step of [0, 7, 28]) {
    part("step").value = step;
    part("step").dispatchEvent(new Event("input"));
    await until(() => box.dataset.drawn === `${step}`);
    seen.push({
      step,
      gone: ["a", "b"].map((side) => grey(side, [124, 116, 104])),
      scores: ["a", "b"].map((side) => Number(part(`score-${side}`).textContent)),
      removed: part("removed").textContent,
      names: ["a", "b"].map((side) => part(`name-${side}`).textContent),
      spoken: part("step").getAttribute("aria-valuetext"),
    });
  }
  document.getElementById("theme").click();
  const { theme } = document.documentElement.dataset;
  return { seen, theme, problem: part("problem").textContent };
"""


def test_the_scrubber(page: Path) -> None:
    result = run_page(page, SCRUB)
    assert result["problem"] == ""
    assert result["theme"] == "light"
    for seen in result["seen"]:
        assert seen["gone"] == [28 * seen["step"], 28 * seen["step"]]
        assert seen["removed"].startswith(f"{round(100 * seen['step'] / 28)}\u2009%")
        assert seen["names"][0].startswith("SWAG G, AUC")
        assert "Grad-CAM" in seen["spoken"]
    first, last = result["seen"][0], result["seen"][-1]
    assert min(first["scores"]) > 0.9
    assert max(last["scores"]) < 0.2


BROWSE = """
  const box = document.querySelector(".browser");
  const get = (role) => box.querySelector(`[data-role="${role}"]`);
  const set = (role, value, kind = "change") => {
    get(role).value = value;
    get(role).dispatchEvent(new Event(kind));
  };
  const texts = (found) => [...found].map((item) => item.textContent);
  const cells = (role) => [...get(role).rows].map((row) => texts(row.cells));
  const look = () => ({
    count: get("count").textContent, images: cells("images"), means: cells("means"),
    page: get("page").textContent, title: get("detail").querySelector("h3")?.textContent ?? "",
    tiles: texts(get("detail").querySelectorAll("figcaption")),
    pictures: [...get("detail").querySelectorAll("img")].map((item) => item.naturalWidth),
    curves: get("detail").querySelectorAll("polyline").length,
  });
  const seen = {};
  await until(() => [...get("detail").querySelectorAll("img")].every((item) => item.complete));
  seen.first = look();
  get("next").click();
  seen.second = look();
  set("search", "scene-000", "input");
  seen.search = look();
  set("sort", "ahead");
  seen.ahead = look();
  const buttons = [...get("images").querySelectorAll("button")];
  buttons[0].focus();
  buttons[0].dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowDown", bubbles: true }));
  seen.down = { ...look(), focused: document.activeElement.textContent };
  set("search", "no such image", "input");
  seen.none = look();
  set("search", "", "input");
  set("subject", "1");
  seen.other = look();
  set("class", get("class").options[1].value);
  seen.class = { ...look(), name: get("class").options[1].textContent };
  return seen;
"""


@pytest.fixture(scope="module")
def seen(store: Store) -> Any:
    return run_page(Path(store.uri) / "report.html", BROWSE)


def means_of(store: Store, model: str, ids: str = "scene-") -> dict[str, tuple[float, float, int]]:
    """Return each method's mean, standard error and n over images whose ids begin like that."""
    rows = store.read_scores("deletion")
    rows = rows[(rows["model"] == model) & rows["image_id"].str.startswith(ids)]
    grouped = rows.groupby("explainer")["value"]
    return {
        str(name): (float(own.mean()), float(own.std(ddof=1) / np.sqrt(len(own))), len(own))
        for name, own in grouped
    }


NAMES = {"SWAG": "swag", "SWAG G": "swag_g", "Grad-CAM": "grad_cam", "Random": "random"}


@pytest.mark.parametrize(
    ("state", "model", "ids"),
    [
        ("first", "tiny_vgg", "scene-"),
        ("search", "tiny_vgg", "scene-000"),
        ("other", "tiny_resnet", "scene-"),
    ],
)
def test_the_means_are_of_the_images_found(
    store: Store, seen: Any, state: str, model: str, ids: str
) -> None:
    wanted = means_of(store, model, ids)
    rows = {row[0]: row[1:] for row in seen[state]["means"]}
    for label, name in NAMES.items():
        mean, error, number = wanted[name]
        shown_mean, interval, _, shown_number = rows[label]
        low, high = map(float, interval.split("\u2009\u2013\u2009"))
        assert float(shown_mean) == pytest.approx(mean, abs=6e-4)
        assert (low, high) == pytest.approx((mean - 1.96 * error, mean + 1.96 * error), abs=6e-4)
        assert shown_number == str(number)
    means = [row[1] for row in seen[state]["means"]]
    assert means == sorted(means)
    shares = [int(row[3].split("\u2009")[0]) for row in seen[state]["means"]]
    assert sum(shares) == pytest.approx(100, abs=3)


def test_the_list_has_pages_and_follows_the_search(seen: Any) -> None:
    assert seen["first"]["count"] == "30 of 30 images."
    assert seen["first"]["page"] == "1 of 3"
    assert seen["first"]["images"][0][0] == "scene-0000"
    assert seen["second"]["images"][0][0] == "scene-0012"
    assert seen["search"]["count"] == "10 of 30 images."
    assert seen["search"]["page"] == "1 of 1"
    assert seen["none"]["count"] == "0 of 30 images."
    assert seen["none"]["images"] == []


def test_images_are_sorted_by_how_far_one_method_is_ahead(store: Store, seen: Any) -> None:
    rows = store.read_scores("deletion")
    rows = rows[(rows["model"] == "tiny_vgg") & rows["image_id"].str.startswith("scene-000")]
    values = rows.pivot(index="image_id", columns="explainer", values="value")
    order = (values["swag_g"] - values["grad_cam"]).sort_values().index.tolist()
    assert [row[0] for row in seen["ahead"]["images"]] == order
    assert seen["down"]["focused"] == order[1]
    assert seen["down"]["title"].startswith(f"{order[1]}, explained: disc ")


def test_an_image_shows_its_maps_best_first_and_its_curves(store: Store, seen: Any) -> None:
    rows = store.read_scores("deletion")
    own = rows[(rows["model"] == "tiny_vgg") & (rows["image_id"] == "scene-0000")]
    best = own.sort_values("value")["value"].tolist()
    assert seen["first"]["title"].startswith("scene-0000, explained: disc ")
    tiles = seen["first"]["tiles"]
    assert tiles[0] == "The image"
    assert [float(text[-5:]) for text in tiles[1:6]] == pytest.approx(best, abs=6e-4)
    assert seen["first"]["pictures"] == [28] * 6
    assert seen["first"]["curves"] == 5


def test_a_class_narrows_the_images(seen: Any) -> None:
    assert seen["class"]["name"].startswith("disc ")
    assert {row[1] for row in seen["class"]["images"]} == {seen["class"]["name"]}
    assert 0 < len(seen["class"]["images"]) < NUM_IMAGES


NARROW = """
  const isWide = (item) => item.getBoundingClientRect().right > innerWidth + 1
    && !item.closest(".scroll, pre, .skip");
  const wide = [...document.querySelectorAll("body *")].filter(isWide);
  return { width: document.documentElement.scrollWidth, wide: wide.map((item) => item.outerHTML) };
"""


def test_a_phone_needs_no_scrolling_sideways(page: Path) -> None:
    result = run_page(page, NARROW, width=390)
    assert result["wide"] == []
    assert result["width"] <= 390
