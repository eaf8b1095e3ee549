"""timm's models: names, weights, normalisation and size, and what each mistake is told."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import timm
import torch
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError
from safetensors.torch import save_file
from torch import Tensor

from swag.classifier import IMAGENET_MEAN, IMAGENET_STD
from swag.models import (
    ModelSpec,
    fixed_size,
    load_classifier,
    load_model,
    normalisation,
    resolved,
    weights_sha256,
)
from swagflow.config.load import resolve
from swagflow.engine.opening import open_benchmark
from swagflow.errors import UserError
from swagflow.train.training import with_classes
from tests.swag.test_weights_files import Malicious

CPU = torch.device("cpu")
HALVES = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
RESNET, VIT = "timm/test_resnet", "timm/test_vit"


def spec_of(architecture: str = RESNET, **fields: Any) -> ModelSpec:
    return ModelSpec(architecture=architecture, **fields)


def sha(architecture: str = RESNET, **fields: Any) -> str:
    return weights_sha256(load_model(spec_of(architecture, **fields)))


def state_of(seed: int = 7, **options: Any) -> dict[str, Tensor]:
    return load_model(spec_of(weights=f"random:{seed}", **options)).state_dict()


def test_random_weights_are_a_function_of_the_seed() -> None:
    before = torch.random.get_rng_state()
    one, same, other = (sha(weights=f"random:{seed}") for seed in (3, 3, 4))
    assert one == same != other
    assert torch.equal(torch.random.get_rng_state(), before)
    model = load_model(spec_of(weights="random:3", num_classes=6))
    assert model(torch.rand(2, 3, 64, 64)).shape == (2, 6)
    assert isinstance(model, type(timm.create_model("test_resnet")))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"architecture": "timm/resnet5"}, "'timm/resnet5' is unknown; did you mean 'timm/resnet5"),
        ({"architecture": "timm/"}, r"model 'timm/' is unknown, timm [\d.]+ has \d+ others"),
        ({"architecture": "timm/resnet50.a7_in1k"}, "weights 'a7_in1k' of timm/resnet50 .*did you"),
        ({"architecture": "timm/hf-hub:some/model"}, "is unknown"),
        ({"weights": "r160"}, "'r160' of timm/test_resnet are unknown.*Known: r160_in1k"),
        ({"architecture": "timm/test_vit4"}, "timm has no weights of timm/test_vit4; give a file"),
        ({"architecture": "timm/davit_base_fl"}, "of timm/davit_base_fl have no classes"),
        ({"weights": "gone.pt"}, "weights file gone.pt does not exist"),
        ({"weights": "random:x"}, "wanted random:SEED with a whole number"),
    ],
)
def test_every_mistake_is_one_clear_error(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_model(ModelSpec(**{"architecture": RESNET, **fields}))


def test_without_timm_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    for function in (load_model, normalisation, fixed_size):
        with pytest.raises(ValueError, match="need timm: pip install timm"):
            function(spec_of(weights="random:0"))
    assert normalisation(spec_of("resnet18")) == (IMAGENET_MEAN, IMAGENET_STD)


# Weights


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of test_resnet in an empty cache of the hub, on a machine without a network."""

    def refuse(**_: object) -> None:
        raise LocalEntryNotFoundError("no network here")

    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.hf_hub_download", refuse)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "models--timm--test_resnet.r160_in1k"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("abc")
    (folder / "snapshots" / "abc").mkdir(parents=True)
    return folder / "snapshots" / "abc"


@pytest.mark.parametrize(
    ("file", "write"),
    [("model.safetensors", save_file), ("pytorch_model.bin", torch.save)],
)
def test_pretrained_weights_come_from_the_cache(
    cache: Path, file: str, write: Callable[[dict[str, Tensor], Path], object]
) -> None:
    write(state_of(), cache / file)
    expected = sha(weights="random:7")
    before = torch.random.get_rng_state()
    assert sha() == sha("timm/test_resnet.r160_in1k") == sha(weights="r160_in1k") == expected
    assert torch.equal(torch.random.get_rng_state(), before)
    with pytest.raises(ValueError, match="'default' have 1000 classes, but num_classes is 5"):
        sha(num_classes=5)


def test_pretrained_weights_are_downloaded_otherwise(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The safe file comes first; the other one counts where a repository has no safe one."""
    save_file(state_of(), tmp_path / "there.safetensors")
    asked = []

    def download(repo_id: str, filename: str, revision: str | None) -> str:
        asked.append((repo_id, filename, revision))
        if filename != "pytorch_model.bin":
            raise huggingface_hub.errors.EntryNotFoundError("404")
        return str(tmp_path / "there.safetensors")

    monkeypatch.setattr("huggingface_hub.hf_hub_download", download)
    assert sha() == sha(weights="random:7")
    repository = "timm/test_resnet.r160_in1k"
    assert asked == [
        (repository, "model.safetensors", None),
        (repository, "pytorch_model.bin", None),
    ]


def test_missing_weights_say_which_file_to_give(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    message = (
        r"of timm/test_resnet are in no cache and cannot be downloaded "
        r"\(LocalEntryNotFoundError\); without a network give `weights: FILE` with a copy of https://\S+/timm/"
        r"test_resnet.r160_in1k/resolve/main/model.safetensors"
    )
    with pytest.raises(ValueError, match=message):
        load_model(spec_of())

    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network here")

    monkeypatch.setattr("torch.hub.download_url_to_file", refuse)
    with pytest.raises(ValueError, match=r"`weights: FILE` with a copy of https://\S+\.pth$"):
        load_model(spec_of("timm/legacy_seresnet18"))


def test_a_refused_download_is_an_error_of_one_line(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class RefusedError(HfHubHTTPError):
        def __init__(self) -> None:
            Exception.__init__(self, "401")

    def refuse(**_: object) -> None:
        raise RefusedError

    monkeypatch.setattr("huggingface_hub.hf_hub_download", refuse)
    with pytest.raises(ValueError, match=r"cannot be downloaded \(RefusedError\)"):
        load_model(spec_of())


def test_a_file_at_an_address_comes_from_pytorchs_cache(cache: Path, tmp_path: Path) -> None:
    state = load_model(spec_of("timm/legacy_seresnet18", weights="random:7")).state_dict()
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(state, folder / "seresnet18-4bb0ce65.pth")
    expected = sha("timm/legacy_seresnet18", weights="random:7")
    assert sha("timm/legacy_seresnet18") == expected


def test_code_in_a_cached_file_is_not_run(cache: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap"
    torch.save({**state_of(), "extra": Malicious(trap)}, cache / "pytorch_model.bin")
    with pytest.raises(ValueError, match="holds more than tensors, and code in it is not run"):
        load_model(spec_of())
    assert not trap.exists()


def test_weights_of_another_model_do_not_load(cache: Path) -> None:
    state = load_model(spec_of("timm/test_convnext", weights="random:0")).state_dict()
    save_file(state, cache / "model.safetensors")
    with pytest.raises(ValueError, match="timm's weights of timm/test_resnet do not fit it"):
        load_model(spec_of())


def test_a_file_of_ones_own_classes(tmp_path: Path) -> None:
    path = str(tmp_path / "four.safetensors")
    save_file(state_of(num_classes=4), path)
    assert sha(weights=path) == sha(weights="random:7", num_classes=4)
    with pytest.raises(ValueError, match="have 4 classes, but num_classes is 1000"):
        load_model(spec_of(weights=path, num_classes=1000))
    with pytest.raises(ValueError, match=r"do not fit timm/test_convnext: of its \d+ tensors"):
        load_model(spec_of("timm/test_convnext", weights=path))


# What a model asks of its images


def test_the_normalisation_is_timms_unless_given() -> None:
    assert normalisation(spec_of()) == HALVES
    assert normalisation(spec_of("timm/resnet18", weights="random:0"))[0] == IMAGENET_MEAN
    mobilenet = "timm/mobilenetv3_large_100"
    assert normalisation(spec_of(mobilenet, weights="ra_in1k"))[0] == IMAGENET_MEAN
    assert normalisation(spec_of(mobilenet, weights="miil_in21k_ft_in1k"))[0] == (0.0, 0.0, 0.0)
    assert normalisation(spec_of(std=(1.0, 2.0, 3.0))) == (HALVES[0], (1.0, 2.0, 3.0))
    spec = resolved(spec_of(mean=(0.1, 0.2, 0.3)))
    assert (spec.mean, spec.std) == ((0.1, 0.2, 0.3), HALVES[1])
    classifier = load_classifier(spec_of(weights="random:0"), device=CPU, batch_size=1)
    white = classifier.normalise(torch.ones(1, 3, 8, 8))
    assert torch.equal(white, torch.ones(1, 3, 8, 8))


def benchmark(**model: Any) -> Any:
    return resolve(
        {
            "name": "timm",
            "datasets": {"digit_scenes": {"images": 2}},
            "models": {"small": {"weights": "random:0", **model}},
            "explainers": ["random"],
            "metrics": ["deletion"],
        }
    )


def test_results_are_identified_by_the_numbers() -> None:
    opened = open_benchmark(benchmark(architecture=RESNET))
    halves = [0.5, 0.5, 0.5]
    described = opened.described
    found = described.subjects["digit_scenes/small"]["model"]
    for about in (found, described.models["small"]):
        assert isinstance(about, dict)
        assert (about["mean"], about["std"]) == (halves, halves)
    plain = open_benchmark(benchmark(architecture="tiny_vgg"))
    about = plain.described.subjects["digit_scenes/small"]["model"]
    assert isinstance(about, dict)
    assert about["mean"] == list(IMAGENET_MEAN)


def test_a_fixed_size_is_asked_for_before_anything_runs() -> None:
    assert fixed_size(spec_of(VIT)) == (160, 160)
    assert fixed_size(spec_of()) is None
    classifier = load_classifier(spec_of(VIT, weights="random:0"), device=CPU, batch_size=1)
    assert classifier.probabilities(classifier.normalise(torch.rand(1, 3, 160, 160))).numel() > 1
    with pytest.raises(ValueError, match="takes images of 160x160 pixels only, got 64x64"):
        classifier.normalise(torch.rand(1, 3, 64, 64))
    message = "models.small on digit_scenes: the model takes images of 160x160 .*got 112x112"
    with pytest.raises(UserError, match=message):
        open_benchmark(benchmark(architecture=VIT))
    with pytest.raises(UserError, match="model 'timm/nothing' is unknown"):
        open_benchmark(benchmark(architecture="timm/nothing"))


@pytest.mark.parametrize("name", ["resnet", "convnext", "efficientnet", "nfnet", "byobnet", "vit"])
def test_the_last_layer_can_be_replaced(name: str) -> None:
    model = load_model(spec_of(f"timm/test_{name}", weights="random:0"))
    changed = with_classes(model, 3, seed=0).eval()
    assert changed(torch.rand(2, 3, 160, 160)).shape == (2, 3)
