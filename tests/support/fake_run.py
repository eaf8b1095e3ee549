"""A run folder with made-up numbers in real Parquet, as the store's contract describes it."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import yaml

from swag.catalog import EXPLAINERS
from swagflow.config.identity import describe
from swagflow.config.packaged import config_folder
from swagflow.config.yaml_text import parse_yaml
from swagflow.data import Sample
from swagflow.errors import ImageError
from swagflow.store.run_folder import Store

LEVELS = {
    "random": ("control", 0.32),
    "centre": ("control", 0.21),
    "noise": ("control", 0.30),
    "sobel": ("control", 0.24),
    "grad_cam": ("region", 0.115),
    "grad_cam_pp": ("region", 0.118),
    "lime": ("region", 0.112),
    "rise": ("region", 0.121),
    "xrai": ("region", 0.117),
    "swag": ("region", 0.113),
    "swag_ig": ("region", 0.108),
    "swag_g": ("region", 0.101),
    "swag_vanilla": ("region", 0.14),
    "swag_noise": ("region", 0.28),
    "swag_sobel": ("region", 0.25),
    "guided_backprop": ("pixel", 0.09),
    "vanilla_gradient": ("pixel", 0.15),
}
STEPS = 28


@dataclass
class FakeDataset:
    """Coloured discs, one file of which is broken."""

    size: int = 28
    broken: str = ""
    class_names: Sequence[str] = field(default_factory=lambda: [f"disc {n}" for n in range(10)])

    def load(self, image_id: str) -> Sample:
        if image_id == self.broken:
            raise ImageError("the file is not an image")
        random = np.random.default_rng(sum(image_id.encode()))
        grid = np.indices((self.size, self.size)) / self.size
        disc = (
            np.hypot(grid[0] - random.uniform(0.3, 0.7), grid[1] - random.uniform(0.3, 0.7)) < 0.25
        )
        image = np.where(disc, random.random((3, 1, 1)), random.random((3, 1, 1)) * grid[0])
        return Sample(image_id, torch.tensor(image, dtype=torch.float32))


def fake_explainer(method: str) -> dict[str, Any]:
    """Return what a run folder says of a method: that of the catalogue where there is one."""
    described: dict[str, Any] = {"class": "Fake"}
    if method in EXPLAINERS:
        described = describe(EXPLAINERS[method])
    return described


def shown(experiment: str) -> Any:
    """Return how the paper's configurations show an experiment."""
    plain = parse_yaml((config_folder() / "paper" / "shown.yaml").read_text(encoding="utf-8"))
    return plain["experiments"][experiment]["show"]


def fake_benchmark(methods: Sequence[str], models: Sequence[str], **more: object) -> dict[str, Any]:
    return {
        "name": "fake-benchmark",
        "seed": 0,
        "datasets": {"digit_scenes": {"class": "DigitScenes"}},
        "models": {model: {"class": "ModelSpec"} for model in models},
        "explainers": {m: {**fake_explainer(m), "kind": LEVELS[m][0]} for m in methods},
        "metrics": {
            "deletion": {
                "class": "Deletion",
                "steps": STEPS,
                "fill": "mean",
                "higher_is_better": False,
            }
        },
        "experiments": {
            "table1": {"metric": "deletion", "explainers": list(methods), "show": shown("table1")}
        },
        **more,
    }


def make_run(
    folder: object,
    *,
    methods: Sequence[str] = tuple(LEVELS),
    models: Sequence[str] = ("tiny_vgg", "tiny_resnet"),
    num_images: int = 12,
    size: int = 28,
    errors: Mapping[tuple[str, str], str] | None = None,
    benchmark: dict[str, Any] | None = None,
) -> Store:
    """Write a run; `errors` maps (method, image id) to the error of its row."""
    store = Store(str(folder))
    write_benchmark(store, benchmark or fake_benchmark(methods, models))
    store.write_provenance(
        {
            "packages": {"swagflow": "0.1.0", "torch": "2.15.0"},
            "hardware": {"processor": "Imaginary CPU", "cores": 2, "gpus": []},
            "git_commit": None,
        }
    )
    ids = [f"scene-{number:04d}" for number in range(num_images)]
    for model in models:
        for method in methods:
            lost = {i: text for (m, i), text in (errors or {}).items() if m == method}
            rows = score_rows(ids, LEVELS[method][1], (method, model), lost)
            write_scores(store, "deletion", ("digit_scenes", model, method), rows)
            write_masks(store, ("digit_scenes", model, method), ids, size)
    return store


def write_benchmark(store: Store, plain: Mapping[str, Any]) -> None:
    store.write_bytes("benchmark.yaml", yaml.safe_dump(plain, sort_keys=False).encode())


def score_rows(
    ids: Sequence[str], level: float, names: Sequence[str], lost: Mapping[str, str]
) -> list[dict[str, Any]]:
    rows = []
    for image_id in ids:
        hard = np.random.default_rng(sum(image_id.encode())).gamma(4.0) / 4
        random = np.random.default_rng(sum(" ".join([image_id, *names]).encode()))
        area = min(0.9, level * hard * random.lognormal(0, 0.12))
        share = np.linspace(0, 1, STEPS + 1)
        curve = 0.97 * np.exp(-share / max(area, 1e-3)) + 0.03 * share
        value = float((curve.sum() - (curve[0] + curve[-1]) / 2) / STEPS)
        error = lost.get(image_id)
        rows.append(
            {
                "image_id": image_id,
                "target": sum(image_id.encode()) % 10,
                "value": None if error else value,
                "curve": None if error else curve.astype(np.float32),
                "error": error,
            }
        )
    return rows


def write_scores(
    store: Store, metric: str, cell: tuple[str, str, str], rows: Sequence[Mapping[str, Any]]
) -> None:
    dataset, model, method = cell
    fixed = {
        "image_id": pa.string(),
        "target": pa.int32(),
        "value": pa.float64(),
        "curve": pa.list_(pa.float32()),
        "error": pa.string(),
    }
    own = {name: _kind(value) for name, value in rows[0].items() if name not in fixed}
    folder = f"scores/metric={metric}/dataset={dataset}/model={model}/explainer={method}"
    write(store, folder, pa.Table.from_pylist(rows, schema=pa.schema({**fixed, **own})))


def _kind(value: object) -> pa.DataType:
    if isinstance(value, list):
        return pa.list_(pa.float32())
    return pa.string() if isinstance(value, str) else pa.float64()


def write_masks(
    store: Store, cell: tuple[str, str, str], ids: Sequence[str], size: int, kind: str = ""
) -> None:
    dataset, model, method = cell
    random = np.random.default_rng(sum("".join(cell).encode()))
    cells = size if (kind or LEVELS[method][0]) == "pixel" else 7
    maps = [np.kron(random.random((cells, cells)), np.ones((size // cells,) * 2)) for _ in ids]
    table = pa.table(
        {
            "image_id": list(ids),
            "target": pa.array([0] * len(ids), pa.int32()),
            "height": pa.array([size] * len(ids), pa.int32()),
            "width": pa.array([size] * len(ids), pa.int32()),
            "saliency": pa.array(
                [m.ravel().astype(np.float32) for m in maps], pa.list_(pa.float32())
            ),
            "seconds": pa.array([0.1] * len(ids), pa.float32()),
            "error": pa.array([None] * len(ids), pa.string()),
        }
    )
    write(store, f"explanations/dataset={dataset}/model={model}/explainer={method}", table)


def write(store: Store, folder: str, table: pa.Table) -> None:
    stream = io.BytesIO()
    pq.write_table(table, stream, compression="zstd")
    store.write_bytes(
        f"{folder}/000000-{len(table) - 1:06d}-0123456789abcdef.parquet", stream.getvalue()
    )


def scores_frame(values: Mapping[str, Sequence[float]], **columns: str) -> pd.DataFrame:
    """Return score rows of methods on images numbered from 0."""
    where = {"dataset": "digit_scenes", "model": "tiny_vgg", **columns}
    rows = [
        {"image_id": f"i{number}", "value": value, "explainer": method, "error": None, **where}
        for method, column in values.items()
        for number, value in enumerate(column)
    ]
    return pd.DataFrame(rows)
