import base64
import json
import re
import xml.etree.ElementTree as ET
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from swag.curves.ranks import removal_step
from swagflow.config.load import load_benchmark
from swagflow.errors import UserError
from swagflow.page import build_report
from swagflow.page.gallery import overlay, save_explanation, stretched
from swagflow.page.scrubber import scrubber_data
from swagflow.report.figures import Axis, MeanCurve, Panel, line_figure, look_of, render
from swagflow.report.sections import build_sections
from swagflow.report.source import Run, RunStore
from swagflow.report.sweeps import sweep_of, sweep_panels
from swagflow.store.failures import SHOWN_FILES
from swagflow.store.run_folder import Store
from tests.support.fake_run import (
    LEVELS,
    FakeDataset,
    fake_benchmark,
    make_run,
    shown,
    write_benchmark,
    write_scores,
)

METHODS = ("random", "grad_cam", "swag", "swag_g", "guided_backprop")
HOSTILE = "</script><script>alert('no')</script> & so on"
TABLES, FIGURES = ("csv", "json", "md", "tex"), ("png", "svg", "pdf")
CLASSES = [f"{number} {HOSTILE}" for number in range(10)]


class Page(HTMLParser):
    """What a test needs to know of a page: its ids, links, pictures, tables and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    handle_startendtag = handle_starttag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    def having(self, attribute: str) -> list[str]:
        return [values[attribute] for _, values in self.tags if attribute in values]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


Written = tuple[list[str], dict[str, bytes]]


class FirstSeen:
    """A store that keeps what a report writes."""

    def __init__(self, store: RunStore) -> None:
        self.store = store
        self.written: dict[str, bytes] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self.store, name)

    def write_bytes(self, relative: str, content: bytes) -> None:
        self.written[relative] = content


def report(store: RunStore, dataset: Any = None) -> Written:
    seen = FirstSeen(store)
    paths = build_report(seen, open_datasets=lambda name: dataset)
    return paths, seen.written


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    errors = {("grad_cam", "scene-0002"): HOSTILE}
    benchmark = fake_benchmark(METHODS, ("tiny_vgg", "tiny_resnet"))
    for name, metric in (("table2", "deletion"), ("table3", "insertion")):
        experiment = {"metric": metric, "explainers": ["swag"], "show": shown(name)}
        benchmark["experiments"][name] = experiment
    benchmark["metrics"]["insertion"] = {"class": "Insertion", "higher_is_better": True}
    cases = ("digit_scenes/tiny_vgg", "digit_scenes/tiny_resnet")
    benchmark["subjects"] = {case: {} for case in cases}
    for fields in benchmark["explainers"].values():
        fields["passes"] = {"forwards": 1, "backwards": 2}
    folder = tmp_path_factory.mktemp("run")
    store = make_run(folder, methods=METHODS, errors=errors, benchmark=benchmark)
    for number in range(SHOWN_FILES + 5):
        text = f"ValueError: number {number}\n\n{HOSTILE}\n{'x' * 20_000}\nthe last line"
        store.write_bytes(f"failures/{number:012d}.txt", text.encode())
    return store


@pytest.fixture(scope="module")
def written(store: Store) -> Written:
    return report(store, FakeDataset(broken="scene-0001", class_names=CLASSES))


@pytest.fixture(scope="module")
def page(written: Written) -> Page:
    return Page(written[1]["report.html"].decode())


def scrubber_of(html: bytes) -> Any:
    found = re.search(rb'id="scrubber-data">(.*?)</script>', html, re.DOTALL)
    assert found
    return json.loads(found[1])


def test_the_files_of_the_contract_are_written(written: Written) -> None:
    paths, contents = written
    assert paths == list(contents)
    tables = ("table1_deletion", "table2_sanity", "missing", "maps_agreement")
    asked = [f"table1_deletion_{what}" for what in ("pairs", "order", "friedman")]
    of_table1 = ("figure1_gallery", "figure2_curves", "table1_deletion_ranks")
    figures = (*of_table1, "quality_cost", "maps_agreement")
    assert set(paths) == {
        *(f"tables/{name}.{kind}" for name in (*tables, *asked) for kind in TABLES),
        *(f"figures/{name}.{kind}" for name in figures for kind in FIGURES),
        "report.html",
    }
    assert contents["figures/figure2_curves.png"].startswith(b"\x89PNG")
    for name in figures:
        assert contents[f"figures/{name}.pdf"].startswith(b"%PDF")
        assert ET.fromstring(contents[f"figures/{name}.svg"]).tag.endswith("svg")


@pytest.mark.slow
def test_the_same_rows_give_the_same_bytes(store: Store, written: Written) -> None:
    again = report(store, FakeDataset(broken="scene-0001", class_names=CLASSES))[1]
    assert again.keys() == written[1].keys()
    assert [path for path in again if again[path] != written[1][path]] == []


def test_the_page_needs_no_network(page: Page) -> None:
    for link in page.having("href") + page.having("src") + page.having("xlink:href"):
        inside = ("image/jpeg", "image/png", "text/csv")
        assert link.startswith(("#", *(f"data:{kind};base64," for kind in inside)))
    policies = [v["content"] for t, v in page.tags if v.get("http-equiv")]
    assert policies[0].startswith("default-src 'none'")
    assert {tag for tag, _ in page.tags}.isdisjoint({"link", "iframe", "object"})


def test_the_page_holds_its_tables(written: Written, page: Page) -> None:
    """It can be sent on without the run folder."""
    held = [link for link in page.having("href") if link.startswith("data:text/csv;base64,")]
    contents = {base64.b64decode(link.partition(",")[2]) for link in held}
    tables = {data for path, data in written[1].items() if path.endswith(".csv")}
    assert contents == tables


def test_ids_are_unique_and_links_lead_somewhere(page: Page) -> None:
    ids = page.having("id")
    assert len(ids) == len(set(ids))
    inner = {link[1:] for link in page.having("href") if link.startswith("#")}
    assert inner <= set(ids)
    labels = {name for value in page.having("aria-labelledby") for name in value.split()}
    assert labels <= set(ids)


def test_pictures_and_tables_can_be_read_aloud(page: Page) -> None:
    assert all(values.get("alt") for tag, values in page.tags if tag == "img")
    assert all("scope" in values for tag, values in page.tags if tag == "th")
    for tag, values in page.tags:
        if tag in {"svg", "canvas"} and "aria-hidden" not in values:
            assert values.get("role")
    assert dict(page.tags)["html"] == {"lang": "en"}


def test_texts_from_files_are_escaped(written: Written, page: Page) -> None:
    html = written[1]["report.html"].decode()
    assert "alert('no')</script>" not in html.replace("\\u0027", "'")
    assert HOSTILE in page.text
    assert all(HOSTILE in item["target"] for item in scrubber_of(html.encode())["items"])


def test_missing_rows_are_counted_listed_and_written(written: Written, page: Page) -> None:
    assert "2 rows missing" in page.text
    assert page.text.count("1 missing") == 2
    assert HOSTILE in written[1]["tables/missing.csv"].decode()


def test_files_of_failures_are_folded_up_in_the_page(written: Written, page: Page) -> None:
    html = written[1]["report.html"].decode()
    folded = html.split('<details class="failure">')[1:]
    assert len(folded) == SHOWN_FILES
    first = folded[0].partition("</details>")[0]
    assert "<code>failures/000000000000.txt</code>: ValueError: number 0</summary>" in first
    assert "the last line</pre>" in first
    assert len(first) < 9_000
    assert f"ValueError: number 0 {HOSTILE} xxx" in page.text


def test_captions_name_size_seed_versions_and_machine(page: Page) -> None:
    assert "11 to 12 images; seed 0; swagflow 0.1.0; torch 2.15.0; Imaginary CPU." in page.text
    assert "10,000 resamples" in page.text


def test_sections_without_rows_leave_no_trace(page: Page) -> None:
    text = page.text.partition("Every setting")[0]
    assert "Table 2" in text
    for absent in ("Table 3", "Table 4", "Table 5", "Table 6", "Figure 3", "Insertion AUC"):
        assert absent not in text


def test_a_run_without_scores_is_an_error(tmp_path: Path) -> None:
    store = make_run(tmp_path, methods=(), models=())
    write_benchmark(store, fake_benchmark(METHODS, ("tiny_vgg",)))
    with pytest.raises(UserError, match="no score yet"):
        report(store)


@pytest.mark.slow
def test_without_the_data_the_gallery_shows_saliencies_alone(store: Store) -> None:
    html = report(store, None)[1]["report.html"].decode()
    page = Page(html)
    assert any("Saliency of" in alt for alt in page.having("alt"))
    assert not any(alt.startswith("Image ") for alt in page.having("alt"))
    assert "scrubber" not in page.having("id")


def test_an_image_that_cannot_be_read_is_left_out_of_the_scrubber(written: Written) -> None:
    images = {item["image"] for item in scrubber_of(written[1]["report.html"])["items"]}
    assert "scene-0000" in images
    assert "scene-0001" not in images


def test_the_scrubber_takes_away_what_the_metric_took_away(store: Store, written: Written) -> None:
    data = scrubber_of(written[1]["report.html"])
    item = data["items"][-1]
    assert item["subject"] == "Digit scenes, Tiny ResNet"
    assert base64.b64decode(data["pictures"][item["picture"]]).startswith(b"\xff\xd8")
    scores = store.read_scores("deletion")
    for method in item["methods"]:
        name = method["name"]
        found = store.read_explanations("digit_scenes", "tiny_resnet", name, [item["image"]])
        saliency_HW = found[item["image"]]
        packed = zlib.decompress(base64.b64decode(method["steps"]))
        step_HW = np.frombuffer(packed, np.uint8).reshape(item["height"], item["width"])
        expected = removal_step(torch.from_numpy(saliency_HW.copy())[None], 28)[0]
        np.testing.assert_array_equal(step_HW, expected)
        here = scores[(scores["image_id"] == item["image"]) & (scores["explainer"] == name)]
        row = here[here["model"] == "tiny_resnet"].iloc[0]
        assert method["curve"] == pytest.approx(row["curve"], abs=1e-4)
        assert method["value"] == pytest.approx(row["value"], abs=1e-4)


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(
    ("fill", "mean", "expected"),
    [
        ("mean", None, [124, 116, 104]),
        ("mean", [0.5, 0.2, 1.0], [128, 51, 255]),
        ("black", [0.5, 0.2, 1.0], [0, 0, 0]),
    ],
)
def test_gone_pixels_have_the_colour_of_the_metric(
    tmp_path: Path, fill: str, mean: list[float] | None, expected: list[int]
) -> None:
    benchmark = fake_benchmark(("swag",), ("tiny_vgg",))
    benchmark["metrics"]["deletion"]["fill"] = fill
    if mean:
        benchmark["subjects"] = {"digit_scenes/tiny_vgg": {"model": {"mean": mean}}}
    one = ("tiny_vgg",)
    store = make_run(tmp_path, benchmark=benchmark, methods=("swag",), models=one, num_images=2)
    data = scrubber_of(report(store, FakeDataset())[1]["report.html"])
    assert data["items"][0]["fill"] == expected


def test_other_metrics_have_no_scrubber(store: Store) -> None:
    run = Run(store)
    run.described.metrics["deletion"] = {"class": "Insertion", "steps": 28, "fill": "mean"}
    assert scrubber_data(run, run.experiments["table1"], []) is None


def test_figures_follow_the_theme_of_the_page(written: Written) -> None:
    html = written[1]["report.html"].decode()
    drawings = re.findall(r'<svg role="group".*?</svg>', html, re.DOTALL)
    assert len(drawings) == 4
    assert all("var(--ink)" in drawing for drawing in drawings)
    assert not any("#1b1f24" in drawing for drawing in drawings)
    with_keys = [drawing for drawing in drawings if 'data-method="swag_g"' in drawing]
    assert len(with_keys) == 2
    for drawing in with_keys:
        assert 'class="key text" data-method="swag_g"' in drawing


def test_saliencies_are_stretched_between_minimum_and_99th_percentile() -> None:
    ramp_HW = np.arange(10_000, dtype=np.float32).reshape(100, 100)
    stretched_HW = stretched(ramp_HW)
    assert stretched_HW[0, 0] == 0
    assert stretched_HW[98, 99] == pytest.approx(1, abs=1e-3)
    assert stretched_HW[99].min() == 1
    assert not stretched(np.full((3, 3), 7, np.float32)).any()
    spike_HW = np.zeros((50, 50), np.float32)
    spike_HW[3, 4] = 2.0
    assert stretched(spike_HW)[3, 4] == 1
    assert overlay(None, spike_HW).shape == (50, 50, 3)


def test_one_explanation_can_be_saved(tmp_path: Path) -> None:
    image_CHW = np.random.default_rng(0).random((3, 20, 30), dtype=np.float32)
    path = tmp_path / "picture.png"
    save_explanation(image_CHW, image_CHW[0], path)
    with Image.open(path) as picture:
        assert picture.size == (64, 20)


def sweep_run(folder: Path, name: str, settings: Sequence[Mapping[str, object]]) -> Run:
    explainers = [f"variant_{number}" for number in range(len(settings))]
    for explainer in explainers:
        LEVELS[explainer] = ("region", 0.1)
    benchmark = fake_benchmark(explainers, ("tiny_vgg",))
    experiment = {"metric": "deletion", "explainers": explainers, "show": shown(name)}
    benchmark["experiments"] = {name: experiment}
    for explainer, setting in zip(explainers, settings, strict=True):
        benchmark["explainers"][explainer]["superpixels"] = setting
    one = ("tiny_vgg",)
    store = make_run(folder, benchmark=benchmark, methods=explainers, models=one, num_images=3)
    for explainer in explainers:
        del LEVELS[explainer]
    return Run(store)


@pytest.mark.usefixtures("undrawn")
def test_a_sweep_is_a_line_per_series_along_its_setting(tmp_path: Path) -> None:
    settings = [
        {"colour_weight": colour, "gradient_weight": gradient}
        for colour in (20.0, 4.0)
        for gradient in (8.0, 4.0)
    ]
    run = sweep_run(tmp_path, "figure3", settings)
    (section,) = build_sections(run)
    sweep = sweep_of(run, run.experiments["figure3"])
    assert sweep is not None
    (panel,) = sweep_panels(section.table, run, sweep, 1.0)
    assert [line.label for line in panel.lines] == ["$w_c$ = 4", "$w_c$ = 20"]
    assert panel.lines[0].x_T.tolist() == [4.0, 8.0]
    column = ("digit_scenes", "tiny_vgg", "")
    means = [section.table.cell(f"variant_{n}", column).mean for n in (3, 2)]
    assert panel.lines[0].mean_T.tolist() == means
    (drawing,) = section.drawings
    assert set(drawing.rendered) == set(FIGURES)
    page = Page(report(run.store)[1]["report.html"].decode())
    assert "Figure 3" in page.text
    assert "table" not in [tag for tag, v in page.tags if v.get("class") == "results"]


def test_roar_has_a_table_and_a_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        {
            "dataset": "cub200",
            "model": "resnet50",
            "explainer": method,
            "removed_fraction": fraction,
            "repeat": repeat,
            "accuracy": 0.8 - fraction / 2 + repeat / 100,
            "error": None,
        }
        for repeat in range(3)
        for method, fraction in [("none", 0.0), ("swag", 0.5), ("swag", 0.9)]
    ]
    benchmark = fake_benchmark(("swag",), ("resnet50",))
    settings = {"train": "more", "explainers": ["swag"], "fractions": [0.0, 0.5, 0.9], "repeats": 3}
    show = asdict(load_benchmark("full-benchmark").roar["digit_scenes"].show)
    settings = {**settings, "show": show}
    benchmark |= {"experiments": {}, "roar": {"cub200": settings}}
    store = FirstSeen(make_run(tmp_path, methods=(), models=(), benchmark=benchmark))
    monkeypatch.setattr(store, "read_roar", lambda: pd.DataFrame(rows))
    paths = build_report(store, open_datasets=lambda name: None)
    assert paths == [
        *(f"tables/table4_roar.{kind}" for kind in TABLES),
        *(f"figures/figure4_roar.{kind}" for kind in FIGURES),
        "report.html",
    ]
    text = Page(store.written["report.html"].decode()).text
    assert "3 repeats" in text
    assert "paper 0.173" in text


def test_a_part_of_errors_alone_does_not_hide_a_metrics_columns(tmp_path: Path) -> None:
    store = make_run(tmp_path, methods=(), models=())
    failed = {"image_id": "a", "target": 0, "value": None, "curve": None, "error": "no memory"}
    scored = {**failed, "value": 0.5, "error": None, "iou_value": [0.25]}
    write_scores(store, "weak_localisation", ("imagenet", "vgg16", "lime"), [failed])
    write_scores(store, "weak_localisation", ("imagenet", "vgg16", "swag"), [scored])
    rows = store.read_scores("weak_localisation").set_index("explainer")
    assert rows.loc["swag", "iou_value"].tolist() == [0.25]
    assert rows.loc["lime", "iou_value"] is None


def test_timings_name_their_machine(tmp_path: Path) -> None:
    benchmark = fake_benchmark(("swag",), ("vgg16",))
    benchmark["experiments"] = {
        "table6": {"metric": "efficiency", "explainers": ["swag"], "show": shown("table6")}
    }
    timing = {"class": "Efficiency", "images": 2, "higher_is_better": False}
    benchmark["metrics"]["efficiency"] = timing
    store = make_run(tmp_path, methods=(), models=(), benchmark=benchmark)
    rows = [
        {"image_id": image_id, "value": seconds, "seconds_batched": seconds / 4, "error": None}
        | {"target": 0, "curve": None, "hardware": "Imaginary GPU"}
        for image_id, seconds in (("a", 0.2), ("b", 0.4))
    ]
    write_scores(store, "efficiency", ("imagenet", "vgg16", "swag"), rows)
    text = Page(report(store)[1]["report.html"].decode()).text
    assert "Timed on Imaginary GPU. The paper's times are those of an NVIDIA Titan X." in text
    assert "0.300" in text
    assert "paper 0.120" in text
    assert "0.0750" in text


def test_every_method_of_the_catalogue_looks_different() -> None:
    looks = [look_of(name) for name in LEVELS]
    assert len(set(map(str, looks))) == len(looks)
    assert look_of("a_method_of_yours") == look_of("a_method_of_yours")


def test_a_name_with_a_formula_sign_is_drawn_as_it_is() -> None:
    points = np.array([0.0, 1.0])
    line = MeanCurve("one", "swag", points, points, points, points)
    figure = line_figure([Panel("5$ and $x$", [line])], Axis(x="x", y="y"))
    assert "5$ and $x$" in render(figure)["svg"].decode()


def contrast(first: str, second: str) -> float:
    """Return the contrast of two colours by WCAG 2."""

    def luminance(colour: str) -> float:
        channels = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
        return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    low, high = sorted((luminance(first), luminance(second)))
    return (high + 0.05) / (low + 0.05)


def test_text_has_enough_contrast_in_both_themes() -> None:
    style = (files("swagflow.page") / "style.css").read_text()
    blocks = re.findall(r":root[^{]*\{([^}]*)\}", style)
    themes = [dict(re.findall(r"--([\w-]+): (#\w{6})", block)) for block in blocks]
    assert len(themes) == 3
    assert themes[1] == themes[2]
    for theme in themes:
        for text in ("ink", "muted", "accent", "warn"):
            for ground in ("paper", "raised"):
                assert contrast(theme[text], theme[ground]) >= 4.5, (text, ground)


@pytest.mark.slow
def test_a_full_page_is_small(tmp_path: Path) -> None:
    methods = tuple(LEVELS)[:15]
    store = make_run(tmp_path, methods=methods, num_images=128, size=112)
    html = report(store, FakeDataset(size=112))[1]["report.html"]
    assert len(html) < 6_000_000


def test_a_run_of_errors_alone_has_a_report_that_shows_them(tmp_path: Path) -> None:
    ids = [f"scene-{number:04d}" for number in range(12)]
    errors = {("swag", image_id): "no memory" for image_id in ids}
    store = make_run(tmp_path, methods=("swag",), models=("tiny_vgg",), errors=errors)
    paths, files = report(store)
    assert "tables/missing.csv" in paths
    assert files["tables/missing.csv"].count(b"no memory") == 12
    page = Page(files["report.html"].decode())
    assert "no memory" in page.text
    assert "12 rows" in page.text
