"""What is asked of a GPU, on the processor: rows, the time limit, failures and the refusal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmarks import gpu, gpu_commands, gpu_jobs
from benchmarks.gpu_jobs import Bench, classifier_of, jobs_of, taken
from benchmarks.gpu_timing import Job, Session, Unit
from benchmarks.measure import Passes
from swag.catalog import EXPLAINERS
from swag.classifier import Classifier

CPU = torch.device("cpu")
SMALL = [
    *("--device", "cpu", "--models", "tiny_resnet", "--batch-sizes", "2", "--samples", "4"),
    *("--precisions", "float32", "--shard-images", "3", "--repeats", "1"),
]


def run(monkeypatch: pytest.MonkeyPatch, file: Path, *more: str) -> dict[str, Any]:
    """Return what is written into the file."""
    arguments = ["gpu", *SMALL, "--json", str(file), *more]
    monkeypatch.setattr("sys.argv", arguments)
    gpu.main()
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def few_jobs(bench: Bench, precisions: Any) -> Any:
    """Stand for all methods: one that works, one without memory and one that is refused."""

    def no_memory() -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB")

    def refused() -> None:
        raise ValueError("it is for | transformers")

    yield Job("swagflow", "works", 2, lambda: torch.zeros(3), Passes(1))
    yield Job("swagflow", "large", 2, no_memory)
    yield Job("swagflow", "refused", 2, refused)


def test_rows_of_methods_and_what_fails(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu_jobs, "jobs_of", few_jobs)
    found = run(monkeypatch, tmp_path / "gpu.json", "--parts", "tests", "methods")
    alone, both, works, large, refused = found["methods"]
    assert (alone["method"], both["method"]) == (
        "the model, forward",
        "the model, forward and backward",
    )
    assert works["efficiency"] == pytest.approx(alone["milliseconds"] / works["milliseconds"])
    assert works["images_per_second"] == pytest.approx(1000 / works["milliseconds"])
    assert large["failed"] == "out of memory"
    assert refused["failed"] == "it is for | transformers"
    assert found["left_out"] == found["failed"] == []
    assert found["tests"] is None
    told = capsys.readouterr().out
    assert "| 2 | swagflow | large | float32 | - | out of memory |  |  |  |" in told
    assert "| refused | float32 | - | it is for / transformers |" in told


def test_what_the_time_limit_leaves_out_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu_jobs, "jobs_of", few_jobs)
    options = gpu.parsed(SMALL)
    session = Session(CPU, 1, ends=0.0)
    rows = gpu.methods(session, options)
    assert [row["library"] for row in rows] == ["torch", "torch"]
    names = ("works", "large", "refused")
    assert session.left_out == [f"tiny_resnet, batch 2: {name} (float32)" for name in names]
    assert gpu.grouped([*session.left_out, "all of plan"]) == [
        "- tiny_resnet, batch 2: works (float32), large (float32), refused (float32)",
        "- all of plan",
    ]
    found = run(monkeypatch, tmp_path / "gpu.json", "--parts", "shard", "--time-limit", "0")
    assert found["left_out"] == ["all of shard"]
    assert "left out at the time limit of 0 s:\n- all of shard" in capsys.readouterr().out


def test_every_native_method_and_library_is_timed() -> None:
    image_BCHW = torch.rand(2, 3, 112, 112)
    classifier = classifier_of("tiny_resnet", CPU, 2)
    jobs = list(jobs_of(Bench(classifier, image_BCHW, 4), ["float32", "bf16"]))
    own = [job for job in jobs if job.library == "swagflow"]
    assert {*EXPLAINERS, "deletion", "all gradient methods"} <= {job.name for job in own}
    precisions = {job.name: {j.precision for j in own if j.name == job.name} for job in own}
    assert precisions["rise"] == precisions["deletion"] == {"float32", "bf16"}
    assert precisions["smooth_grad"] == precisions["swag"] == {"float32"}
    assert {"captum", "pytorch-grad-cam", "torch-cam", "RISE's authors"} <= {
        job.library for job in jobs
    }
    by_name = {job.name: job for job in own}
    assert by_name["deletion"].demanded == "28F"
    assert by_name["lime_ig"].demanded == "4F+1B"
    assert by_name["all gradient methods"].demanded == "1F+2B"


def test_what_a_model_refuses_is_in_no_group() -> None:
    class Smooth(nn.Module):
        def forward(self, x_BCHW: Tensor) -> Tensor:
            return nn.functional.softplus(x_BCHW).mean((2, 3))

    classifier = Classifier(Smooth().eval())
    some = {name: EXPLAINERS[name] for name in ("centre", "swag_ig", "vanilla_gradient")}
    assert list(taken(some, classifier, torch.rand(2, 3, 32, 32))) == ["centre", "vanilla_gradient"]


@pytest.mark.slow
def test_a_shard_and_superpixels(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    few = {name: EXPLAINERS[name] for name in ("grad_cam", "guided_backprop", "swag_ig")}
    monkeypatch.setattr("benchmarks.gpu_shard.cheap_explainers", lambda: few)
    found = run(monkeypatch, tmp_path / "gpu.json", "--parts", "slic", "shard")
    assert {row["library"] for row in found["slic"]} >= {"torch", "scikit-image"}
    for kind in ("skimage", "torch"):
        steps = found["shard"][kind]["steps"]
        assert sum(steps.values()) == pytest.approx(found["shard"][kind]["seconds"])
        assert set(steps) == {
            *("model, signals", "model, copies", "superpixels", "sorting", "perturbation"),
            *("images to the device", "maps", "writing", "the rest"),
        }
        assert all(seconds > 0 for seconds in steps.values())
    kernels = found["shard"]["kernels"]
    assert 0 < sum(kernels["longest"].values()) <= kernels["busy_seconds"]


def test_efficiency_by_hand() -> None:
    """2 passes of 1 ms, a backward pass of 3 and 10 copies of 0.5: of 20 ms they are a half."""
    unit = Unit()
    for precision, milliseconds in (("float32", 2.0), ("float32", 1.0), ("bf16", 0.5)):
        job = Job("", "", 1, int, copies=1, precision=precision)  # type: ignore[arg-type]
        unit.add(job, {"milliseconds": milliseconds})
    unit.add(Job("", "", 1, int, Passes(1, 1)), {"milliseconds": 4.0})
    job = Job("", "", 1, int, Passes(2, 1), copies=10, precision="bf16")
    assert unit.efficiency(job, {"milliseconds": 20.0}) == pytest.approx(0.5)
    assert unit.efficiency(job, {"failed": "out of memory"}) is None
    unknown = Job("", "", 1, int, copies=1, precision="tf32")
    assert unit.efficiency(unknown, {"milliseconds": 1.0}) is None
    assert unit.efficiency(Job("", "", 1, int), {"milliseconds": 1.0}) is None


@pytest.mark.parametrize("device", [[], ["--device", "cuda"]])
def test_no_device_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], device: list[str]
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("sys.argv", ["gpu", *device])
    with pytest.raises(SystemExit) as caught:
        gpu.main()
    assert caught.value.code == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith("no CUDA device was found; give --device cpu")
    assert told.err.count("\n") == 1


def test_a_part_that_fails_is_told_after_the_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu_commands, "PLAN", ("swagflow", "plan", "unknown"))
    file = tmp_path / "gpu.json"
    with pytest.raises(SystemExit, match=r"failed: shard, swagflow"):
        run(monkeypatch, file, "--models", "unknown", "--parts", "shard", "plan")
    assert json.loads(file.read_text())["plan"]["exit_code"] == 2
    assert "shard: " in capsys.readouterr().out
