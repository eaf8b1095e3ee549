"""The paper's configurations on tiny trees in the official layouts: check, train, run, report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from typer.testing import CliRunner

from swagflow.cli.app import app
from swagflow.data.check import OFFICIAL, Official
from swagflow.store.run_folder import Store
from tests.support import archives

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def imagenet(root: Path) -> None:
    """Write validation and training images, and a box for each that validates."""
    archives.imagenet_loc(root)
    boxes = root / "ILSVRC" / "Annotations" / "CLS-LOC" / "val"
    boxes.mkdir(parents=True)
    for number, place in enumerate(archives.IMAGENET_TRUTH, 1):
        text = archives.annotation([(archives.WNIDS[place], 50, 10, 79, 39)])
        (boxes / archives.imagenet_name(number)).with_suffix(".xml").write_text(text)


TREES: dict[str, Callable[[Path], object]] = {
    "imagenet": imagenet,
    "cub200": archives.cub200,
    "stanford_dogs": archives.stanford_dogs,
    "flowers102": archives.flowers102,
}
EXPLAINERS = ("random", "grad_cam", "lime", "rise", "swag")
MODEL = "models.resnet50.architecture=tests.support.plugins:toy_cnn"
CUT = (
    MODEL,
    "experiments.table1.models=[resnet50]",
    f"experiments.table1.explainers=[{', '.join(EXPLAINERS)}]",
    "shard_size=4",
    "explainers.lime.num_samples=8",
    "explainers.rise.num_masks=8",
    "explainers.swag.superpixels.num_segments=12",
    "metrics.deletion.steps=7",
)


def swagflow(*arguments: str) -> str:
    """Run a command that must succeed; return what it printed."""
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def options(overrides: Sequence[str]) -> list[str]:
    return [word for override in overrides for word in ("--set", override)]


@pytest.fixture(params=list(TREES))
def tree(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, Path]:
    """Return a data set's name and folder; the tree's own counts are the official ones here."""
    name = str(request.param)
    root = tmp_path / "data"
    TREES[name](root)
    counts = {
        "imagenet": Official(3, {"train": 6, "validation": 6}),
        "cub200": Official(3, {"train": 6, "validation": 6}),
        "stanford_dogs": Official(3, {"train": 6, "validation": 3}),
        "flowers102": Official(102, {"train": 6, "validation": 3}),
    }
    monkeypatch.setitem(OFFICIAL, name, counts[name])
    return name, root


def trained(name: str, root: Path, folder: Path) -> list[str]:
    """Fine-tune as the paper does, but for two epochs; return what tells a run of the weights."""
    if name == "imagenet":  # the paper takes torchvision's weights
        return ["models.resnet50.weights=random:0", "models.resnet50.num_classes=3"]
    overrides = [
        "models={resnet50: {architecture: 'tests.support.plugins:toy_cnn', weights: 'random:0'}}",
        *(f"datasets.{split}.root={root}" for split in ("train", "validation")),
        *(f"datasets.{split}.size={archives.SIZE}" for split in ("train", "validation")),
        "recipe.epochs=2",
        "recipe.batch_size=4",
    ]
    output = swagflow("train", f"paper/train-{name}", "--run-dir", str(folder), *options(overrides))
    assert "of 2 epochs" in output
    path = f"models.resnet50.on.{name}"
    weights = folder / "resnet50" / "weights.safetensors"
    return [f"{path}.weights={weights}", f"{path}.num_classes={OFFICIAL[name].num_classes}"]


def test_from_a_tree_to_a_report(tree: tuple[str, Path], tmp_path: Path) -> None:
    name, root = tree
    assert "No problems found." in swagflow("data", "check", name, "--root", str(root))
    weights = trained(name, root, tmp_path / "weights")
    run = tmp_path / "run"
    here = [f"experiments.table1.datasets=[{name}]", f"datasets.{name}.root={root}"]
    overrides = [*CUT, *here, f"datasets.{name}.size={archives.SIZE}", *weights]
    swagflow(
        "run", "paper/table1", "--run-dir", str(run), "--workers", "0", "--device", "cpu",
        *options(overrides),
    )  # fmt: skip
    scores = Store(str(run)).read_scores("deletion")
    count = OFFICIAL[name].num_images["validation"]
    assert scores.groupby("explainer").size().to_dict() == dict.fromkeys(EXPLAINERS, count)
    assert scores["error"].isna().all()
    assert scores["value"].between(0, 1).all()
    written = swagflow("report", str(run))
    assert "report.html" in written
    assert "table1" in written
