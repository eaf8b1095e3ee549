"""The way in from Python: the same numbers as a command's, from objects."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

import swag
import swagflow
from swag.explainers import RISE
from swagflow.errors import UserError
from swagflow.front.objects import image_id
from tests.support.plugins import Squares, toy_cnn
from tests.support.runs import Runner

pytestmark = pytest.mark.usefixtures("quick_report")
Evaluate = Callable[..., Any]


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def model() -> nn.Module:
    torch.manual_seed(0)
    return toy_cnn().eval()


def squares(count: int = 6) -> tuple[Tensor, Tensor]:
    dataset = Squares(images=count).open()
    samples = [dataset.load(name) for name in dataset.image_ids]
    images = torch.stack([sample.image_CHW for sample in samples])
    return images, torch.tensor([sample.label or 0 for sample in samples])


def evaluate(*arguments: Any, **options: Any) -> Any:
    return swagflow.evaluate(*arguments, **{"progress": False, **options})


def gradient(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
    images.requires_grad_(True)
    model(images).gather(1, targets[:, None]).sum().backward()
    assert images.grad is not None
    return images.grad.abs().sum(1)


@pytest.mark.slow
def test_numbers_are_those_of_explain_and_score(model: nn.Module) -> None:
    images, labels = squares()
    results = evaluate(model, (images, labels), explainers=["grad_cam", "rise"], metrics="deletion")
    names = [image_id(index) for index in range(len(images))]
    for method in ("grad_cam", "rise"):
        maps = swag.explain(model, images, method=method, image_ids=names)
        stored = results.maps(method)
        assert list(stored) == names
        np.testing.assert_allclose(np.stack(list(stored.values())), maps, rtol=1e-3, atol=1e-8)
        score = swag.score(model, images, maps, image_ids=names)
        rows = results.frame[results.frame["explainer"] == method].set_index("image_id")
        assert rows.loc[names, "value"].tolist() == pytest.approx(score.value_B.tolist(), abs=1e-4)
    assert results.frame["label"].dropna().tolist() == labels.tolist() * 2


def test_numbers_are_those_of_the_command(runner: Runner) -> None:
    assert runner(explainers={"swag_ig": {}}) == 0
    results = evaluate(
        {"toy": swag.models.ModelSpec(
            architecture="tests.support.plugins:toy_cnn", weights="random:0"
        )},
        {"squares": Squares()},
        explainers=["swag_ig"],
        name="toy",
        shard_size=4,
    )  # fmt: skip
    theirs = runner.scores().set_index("image_id")["value"]
    mine = results.frame.set_index("image_id")["value"]
    pd.testing.assert_series_equal(mine.sort_index(), theirs.sort_index(), check_exact=True)


def test_functions_maps_and_settings(model: nn.Module) -> None:
    images, _ = squares()
    maps = np.random.default_rng(0).random((6, 16, 16), np.float32)

    def share(model: nn.Module, images: Tensor, targets: Tensor, maps: Tensor) -> Tensor:
        assert len(model(images)) == len(targets)
        return maps.flatten(1).mean(1)

    results = evaluate(
        {"net": model},
        {"mine": images},
        explainers={
            "own": gradient,
            "ready": maps,
            "rise": RISE(num_masks=8),
            "few": {"type": "rise", "num_masks": 8},
        },
        metrics={"share": share},
    )
    table = results.table().set_index("explainer")["mean"]
    assert table["ready"] == pytest.approx(maps.mean(), rel=1e-6)
    assert table["rise"] == table["few"]
    own = swag.explain(model, images, method="vanilla_gradient")
    normalised = gradient(model, swag.Classifier(model).normalise(images), results_targets(results))
    np.testing.assert_allclose(np.stack(list(results.maps("own").values())), normalised, rtol=1e-5)
    assert own.shape == normalised.shape
    by_id = {name: maps[index] for index, name in enumerate(results.maps("own"))}
    again = evaluate(model, images, explainers={"ready": by_id}, metrics={"share": share})
    assert again.table()["mean"].tolist() == [table["ready"]]


def results_targets(results: Any) -> Tensor:
    rows = results.frame[results.frame["explainer"] == "own"].sort_values("image_id")
    return torch.tensor(rows["target"].tolist())


def test_what_is_stored_is_not_computed_again(model: nn.Module, tmp_path: Path) -> None:
    images, _ = squares()
    calls: list[int] = []

    def counting(model: nn.Module, images: Tensor, targets: Tensor) -> Tensor:
        calls.append(len(images))
        return images[:, 0]

    note = swagflow.named(counting, id="first")
    options: dict[str, Any] = {"run_dir": str(tmp_path / "run"), "metrics": "deletion"}
    first = evaluate(model, images, explainers={"mine": note}, **options)
    assert calls == [6]
    again = evaluate(model, images, explainers={"mine": note}, **options)
    assert calls == [6]
    pd.testing.assert_frame_equal(first.frame, again.frame)
    changed = swagflow.named(counting, id="second")
    evaluate(model, images, explainers={"mine": changed}, **options)
    assert calls == [6, 6]
    both = evaluate(model, images, explainers={"mine": changed, "centre": "centre"}, **options)
    assert calls == [6, 6]
    assert set(both.frame["explainer"]) == {"mine", "centre"}
    pd.testing.assert_frame_equal(swagflow.Results.read(str(tmp_path / "run")).frame, both.frame)


def test_another_model_or_other_images_do_not_join(model: nn.Module, tmp_path: Path) -> None:
    images, _ = squares()
    options: dict[str, Any] = {"run_dir": str(tmp_path / "run"), "explainers": ["centre"]}
    evaluate({"net": model}, images, **options)
    torch.manual_seed(1)
    with pytest.raises(UserError, match="belongs to another benchmark"):
        evaluate({"net": toy_cnn().eval()}, images, **options)
    with pytest.raises(UserError, match="belongs to another benchmark"):
        evaluate({"net": model}, images.flip(3), **options)


def test_the_model_is_left_as_it_was(model: nn.Module) -> None:
    model.train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    evaluate(model, squares()[0], explainers=["grad_cam"])
    assert model.training
    assert all(parameter.requires_grad for parameter in model.parameters())
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(tensor, before[name], rtol=0, atol=0)


def test_a_function_and_a_classifier_are_models(model: nn.Module) -> None:
    images, _ = squares()

    def calls(images: Tensor) -> Tensor:
        return model(images)

    classifier = swag.Classifier(model, mean=(0.0,) * 3, std=(1.0,) * 3, output="logit")
    results = evaluate({"function": calls, "classifier": classifier}, images, explainers=["centre"])
    probability = results.frame.set_index("model")["probability"]
    plain = model(images).max(1).values
    np.testing.assert_allclose(probability["classifier"], plain.detach(), rtol=1e-5)
    scores = model(swag.Classifier(model).normalise(images)).softmax(1).max(1).values
    np.testing.assert_allclose(probability["function"], scores.detach(), rtol=1e-5)


def test_comparisons_and_pictures(model: nn.Module) -> None:
    images, _ = squares(8)
    results = evaluate(
        model, images, explainers=["grad_cam", "centre", "random"],
        metrics=["deletion", "pointing_game"],
    )  # fmt: skip
    found = results.compare("centre", "deletion").set_index("explainer")
    values = results.frame[results.frame["metric"] == "deletion"].pivot(
        index="image_id", columns="explainer", values="value"
    )
    for name in ("grad_cam", "random"):
        difference = (values[name] - values["centre"]).mean()
        assert found.loc[name, "difference"] == pytest.approx(difference)
        assert found.loc[name, "ci_low"] <= difference <= found.loc[name, "ci_high"]
        assert found.loc[name, "p_holm"] >= found.loc[name, "p_value"]
    assert results.compare()["reference"].unique().tolist() == [values.mean().idxmin()]
    assert isinstance(results.plot("deletion"), Figure)
    assert len(results.plot("deletion").axes[0].lines) >= 3
    with pytest.raises(UserError, match="reference 'xrai' has no values"):
        results.compare("xrai", "deletion")
    with pytest.raises(UserError, match="pointing_game: every row has an error"):
        results.table("pointing_game")
    with pytest.raises(UserError, match="metric 'insertion' is not there"):
        results.table("insertion")


def test_a_notebook_shows_the_table_and_where_the_report_is(model: nn.Module) -> None:
    results = evaluate(model, squares()[0], explainers=["centre"])
    shown = results._repr_html_()
    assert "<td>centre</td>" in shown
    assert results.report() in shown
    assert Path(results.report()).is_file()
    assert isinstance(results._bars("deletion"), Figure)
    folder = Path(results.run_dir)
    del results
    assert not folder.exists(), "a temporary folder goes with its results"


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((3, None), {}, "models.int: got a int, wanted a torch.nn.Module"),
        (({}, None), {}, "models: wanted at least one"),
        (("resnet5", None), {}, "data.nonetype: got a NoneType, wanted a tensor of images"),
        ((None, None), {"model": True, "explainers": ["rize"]}, "did you mean 'rise'"),
        ((None, None), {"model": True, "explainers": [3]}, "explainers.int: got 3, wanted a name"),
        ((None, None), {"model": True, "explainers": [gradient, gradient]}, "two are called"),
        ((None, torch.rand(3, 8, 8)), {"model": True}, r"shape \(B, C, H, W\)"),
        ((None, torch.rand(2, 3, 8, 8) - 1), {"model": True}, r"lie in .*`Normalize`"),
        ((None, torch.rand(2, 3, 8, 8)), {"model": True, "labels": [1]}, "1 labels came with 2"),
        ((None, torch.rand(2, 3, 8, 8)), {"model": True, "target": "best"}, "target"),
        ((None, torch.rand(2, 3, 8, 8)), {"model": True, "mean": 3}, "models.Sequential"),
    ],
)
def test_what_cannot_be_used_is_one_clear_error(
    arguments: tuple[Any, Any], options: dict[str, Any], message: str, model: nn.Module
) -> None:
    first, data = arguments
    with pytest.raises(UserError, match=message):
        evaluate(model if options.pop("model", False) else first, data, **options)


def test_half_a_model_is_refused(model: nn.Module) -> None:
    with pytest.raises(UserError, match=r"its parameters are torch\.float64.*model\.float"):
        evaluate(model.double(), squares()[0])


@pytest.mark.parametrize(
    ("activation", "method"), [(nn.ReLU(), "swag_ig"), (nn.GELU(), "swag_ig_gradient")], ids=str
)
def test_the_default_methods_are_such_as_the_model_allows(
    activation: nn.Module, method: str
) -> None:
    head = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))
    model = nn.Sequential(nn.Conv2d(3, 8, 3), activation, *head)
    results = evaluate(model, squares()[0])
    assert list(results.table()["explainer"]) == ["random", "centre", "grad_cam", method]
    assert results.frame["error"].isna().all()


@pytest.mark.slow
def test_workers_give_the_same_bits(model: nn.Module) -> None:
    images, labels = squares()
    options: dict[str, Any] = {"explainers": {"own": gradient, "rise": "rise"}, "shard_size": 2}
    here = evaluate(model, (images, labels), **options)
    there = evaluate(model, (images, labels), workers=2, **options)
    keys = ["explainer", "image_id"]
    pd.testing.assert_frame_equal(
        here.frame.sort_values(keys, ignore_index=True),
        there.frame.sort_values(keys, ignore_index=True),
        check_exact=True,
    )
