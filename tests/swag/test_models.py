"""Models by name and weights by file: what loads, and what each mistake is told."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any
from urllib.error import URLError

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models import GoogLeNet

from swag.models import ModelSpec, load_classifier, load_model, model_names, weights_sha256
from swag.models.loading import _build
from swag.models.outline import outlined
from swag.models.tiny import TINY, tiny_resnet, tiny_vgg
from swagflow.data import DigitScenes
from swagflow.data.digit_scenes import Style
from tests.support.processes import python
from tests.swag.test_weights_files import Malicious, sha, state_of

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("name", "scenes", "least"),
    [
        ("tiny_vgg", "plain", 0.93),
        ("tiny_resnet", "plain", 0.93),
        ("small_vgg", "natural", 0.6),
        ("small_resnet", "natural", 0.6),
    ],
)
def test_the_embedded_models_know_their_digits(name: str, scenes: Style, least: float) -> None:
    classifier = load_classifier(ModelSpec(architecture=name), device=CPU, batch_size=50)
    dataset = DigitScenes(scenes=scenes, images=200).open()
    samples = [dataset.load(image_id) for image_id in dataset.image_ids]
    x_BCHW = classifier.normalise(torch.stack([sample.image_CHW for sample in samples]))
    probability_BK = classifier.probabilities(x_BCHW)
    correct = probability_BK.argmax(1) == torch.tensor([sample.label for sample in samples])
    assert correct.float().mean() >= least
    blank_K = classifier.scores(classifier.constant_logit_K(torch.zeros(3, 112, 112))[None])
    assert blank_K.max() < 0.3, "nothing to see, no class to bet on"


@pytest.mark.parametrize(
    ("name", "layer", "size"),
    [
        ("tiny_vgg", "features.13", 14),
        ("tiny_resnet", "layer3.1", 7),
        ("small_vgg", "features.13", 14),
        ("small_resnet", "layer3.1", 7),
    ],
)
def test_the_embedded_models_mirror_the_large_ones(name: str, layer: str, size: int) -> None:
    """Grad-CAM's layer is the last feature map, 14x14 as VGG16's and 7x7 as ResNet50's."""
    classifier = load_classifier(ModelSpec(architecture=name), device=CPU, batch_size=4)
    found, module = classifier.layer(torch.rand(1, 3, 112, 112))
    assert found == layer
    outputs: list[Tensor] = []
    module.register_forward_hook(lambda _module, _inputs, output: outputs.append(output))
    classifier.probabilities(torch.rand(2, 3, 112, 112))
    assert outputs[0].shape[2:] == (size, size)
    assert TINY[name](num_classes=3)(torch.rand(2, 3, 112, 112)).shape == (2, 3)


@pytest.mark.slow
def test_the_embedded_models_load_without_torchdynamo() -> None:
    code = """
from swag.models import ModelSpec, load_model
print(len(load_model(ModelSpec(architecture="tiny_resnet")).state_dict()))
print("torch._dynamo" in sys.modules)
"""
    done = python(code)
    assert done.stdout.splitlines()[-1] == "False", done.stderr


def test_a_classifier_is_ready_to_be_explained() -> None:
    classifier = load_classifier(
        ModelSpec(architecture="tiny_resnet", mean=(0.1, 0.2, 0.3), std=(1.0, 2.0, 3.0)),
        device=CPU,
        batch_size=3,
    )
    assert not any(module.training for module in classifier.model.modules())
    assert not any(parameter.requires_grad for parameter in classifier.model.parameters())
    assert classifier.batch_size == 3
    white = classifier.normalise(torch.ones(1, 3, 1, 1)).flatten()
    assert torch.allclose(white, torch.tensor([0.9, 0.4, 0.7 / 3]))
    weight = dict(classifier.model.named_parameters())["layer1.0.conv2.weight"]
    assert weight.is_contiguous(memory_format=torch.channels_last)


def test_random_weights_are_a_function_of_the_seed() -> None:
    before = torch.random.get_rng_state()
    same = [sha(architecture="tiny_vgg", weights="random:3") for _ in range(2)]
    other = sha(architecture="tiny_vgg", weights="random:4")
    assert same[0] == same[1] != other
    assert torch.equal(torch.random.get_rng_state(), before)


def test_the_hash_is_of_the_weights_alone() -> None:
    model = tiny_vgg()
    digest = weights_sha256(model)
    layout = model.to(memory_format=torch.channels_last)
    assert weights_sha256(layout) == digest
    with torch.no_grad():
        model.get_parameter("features.0.bias")[3] += 1e-6
    assert weights_sha256(model) != digest
    assert weights_sha256(tiny_vgg(3)) != weights_sha256(tiny_resnet(3))


def own_model(num_classes: int = 5) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, num_classes, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()
    )


def no_model() -> str:
    return "a text"


def test_a_model_of_ones_own(tmp_path: Path) -> None:
    spec = ModelSpec(architecture="tests.swag.test_models:own_model")
    model = load_model(spec)
    assert model(torch.rand(2, 3, 8, 8)).shape == (2, 5)
    assert sha(architecture="tests.swag.test_models:own_model") == weights_sha256(model)
    save_file(own_model(7).state_dict(), tmp_path / "a.safetensors")
    loaded = load_model(
        ModelSpec(
            architecture="tests.swag.test_models:own_model",
            weights=str(tmp_path / "a.safetensors"),
            num_classes=7,
        )
    )
    assert len(loaded(torch.rand(1, 3, 8, 8))[0]) == 7


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Weights files with something wrong, in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    save_file(state_of(), "vgg.safetensors")
    save_file(state_of("tiny_resnet"), "resnet.safetensors")
    narrow = state_of()
    narrow["features.0.weight"] = narrow["features.0.weight"][:8].clone()
    save_file(narrow, "narrow.safetensors")
    Path("text.safetensors").write_text("not weights")
    Path("text.pt").write_text("not weights")
    Path("empty.pt").write_bytes(b"")
    Path("half.pt").write_bytes(pickle.dumps([1, 2, 3], protocol=2)[:-3])
    Path("weights.h5").write_text("")
    torch.save({"accuracy": 0.5}, "other.pt")
    torch.save([torch.zeros(3)], "list.pt")
    return tmp_path


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"architecture": "resnet5"}, r"model 'resnet5' is unknown; did you mean 'resnet50'"),
        ({"architecture": "nowhere:model"}, "model 'nowhere:model' cannot be imported"),
        ({"architecture": "tests.swag.test_models:nothing"}, "cannot be imported"),
        (
            {"architecture": "tests.swag.test_models:no_model"},
            "returned a str, wanted a torch.nn.Module",
        ),
        ({"weights": "gone.pt"}, "weights file gone.pt does not exist"),
        ({"weights": "weights.h5"}, r"weights.h5 must end in .safetensors, .pt, .pth or .bin"),
        ({"weights": "text.safetensors"}, "weights file text.safetensors cannot be read"),
        ({"weights": "text.pt"}, "weights file text.pt is damaged or holds more than tensors"),
        ({"weights": "half.pt"}, "weights file half.pt cannot be read"),
        ({"weights": "empty.pt"}, "weights file empty.pt cannot be read"),
        ({"weights": "other.pt"}, "other.pt cannot be read: it holds no state dict"),
        ({"weights": "list.pt"}, "list.pt cannot be read: it holds no state dict"),
        ({"weights": "vgg.safetensors", "num_classes": 200}, "10 classes, but num_classes is 200"),
        ({"num_classes": 3}, "'default' have 10 classes, but num_classes is 3; leave it out, or"),
        ({"weights": "resnet.safetensors"}, r"do not fit tiny_vgg: of its \d+ tensors \d+ missing"),
        ({"weights": "narrow.safetensors"}, r"1 of another shape \(first: features.0.weight\)"),
        ({"weights": "IMAGENET1K_V1"}, "'IMAGENET1K_V1' of tiny_vgg are unknown. Known: default"),
        ({"weights": "random:x"}, "wanted random:SEED with a whole number"),
        (
            {"architecture": "resnet18", "weights": "IMAGENET1K_V3"},
            "did you mean 'IMAGENET1K_V1'.*Known: IMAGENET1K_V1, default",
        ),
        (
            {"architecture": "tests.swag.test_models:own_model", "weights": "IMAGENET1K_V1"},
            "weights 'IMAGENET1K_V1' of tests.swag.test_models:own_model are unknown",
        ),
    ],
)  # fmt: skip
def test_every_mistake_is_one_clear_error(
    files: Path, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        load_model(ModelSpec(**{"architecture": "tiny_vgg", **fields}))


@pytest.mark.parametrize("fields", [{"mean": (0.5,)}, {"std": (1.0, 0.0, 1.0)}])
def test_a_normalisation_is_three_numbers(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="mean and std must be a number for each channel"):
        ModelSpec(architecture="tiny_vgg", **fields)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty download cache on a machine without a network."""

    def refuse(*_: object, **__: object) -> None:
        raise URLError("no network here")

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("torch.hub.download_url_to_file", refuse)
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    return tmp_path / "hub" / "checkpoints"


def test_official_weights_come_from_the_cache(cache: Path) -> None:
    state = state_of("squeezenet1_1")
    torch.save(state, cache / "squeezenet1_1-b8a52dc0.pth", _use_new_zipfile_serialization=False)
    expected = sha(architecture="squeezenet1_1", weights="random:7")
    assert sha(architecture="squeezenet1_1") == expected
    assert sha(architecture="squeezenet1_1", weights="IMAGENET1K_V1") == expected


def test_the_papers_weights_are_the_default(cache: Path) -> None:
    """torchvision's own default for ResNet50 is a newer set, for another preprocessing."""
    with pytest.raises(ValueError, match="weights IMAGENET1K_V1 of resnet50 could not be loaded"):
        load_model(ModelSpec(architecture="resnet50"))


def test_missing_official_weights_say_where_they_belong(cache: Path) -> None:
    message = (
        r"no network here.*without a network put https://\S+/resnet18-f37072fd.pth at "
        rf"{cache}/resnet18-f37072fd.pth, or set TORCH_HOME"
    )
    with pytest.raises(ValueError, match=message):
        load_model(ModelSpec(architecture="resnet18"))


def test_code_in_a_cached_file_is_not_run(cache: Path, tmp_path: Path) -> None:
    torch.save({"extra": Malicious(tmp_path / "trap")}, cache / "squeezenet1_1-b8a52dc0.pth")
    with pytest.raises(ValueError, match="could not be loaded"):
        load_model(ModelSpec(architecture="squeezenet1_1"))
    assert not (tmp_path / "trap").exists()


def test_the_old_names_of_densenets_are_understood(cache: Path) -> None:
    state = state_of("densenet121")
    old = {
        name.replace(".norm1.", ".norm.1.").replace(".norm2.", ".norm.2.")
        .replace(".conv1.", ".conv.1.").replace(".conv2.", ".conv.2."): tensor
        for name, tensor in state.items()
    }  # fmt: skip
    assert old.keys() != state.keys()
    torch.save(old, cache / "densenet121-a639ec97.pth")
    assert sha(architecture="densenet121") == sha(architecture="densenet121", weights="random:7")


def test_googlenets_weights_bring_their_normalisation(cache: Path) -> None:
    torch.save(state_of("googlenet"), cache / "googlenet-1378be20.pth")
    official = load_model(ModelSpec(architecture="googlenet"))
    own = load_model(ModelSpec(architecture="googlenet", weights="random:7"))
    assert isinstance(official, GoogLeNet)
    assert isinstance(own, GoogLeNet)
    assert (official.transform_input, own.transform_input) == (True, False)
    classifier = load_classifier(ModelSpec(architecture="googlenet"), device=CPU, batch_size=1)
    assert classifier.probabilities(torch.rand(1, 3, 64, 64)).shape == (1, 1000)


def test_names() -> None:
    names = model_names()
    assert {"tiny_vgg", "tiny_resnet", "vgg16", "resnet50", "densenet121"} <= set(names)
    assert names == sorted(names)
    assert not {"fcn_resnet50", "raft_large", "r3d_18"} & set(names)


@pytest.mark.parametrize("name", ["tiny_resnet", "resnet18", "timm/vit_tiny_patch16_224"])
def test_an_outline_is_the_models_without_values(name: str) -> None:
    spec = ModelSpec(architecture=name, weights="random:0", num_classes=5)
    model = load_model(spec)
    with outlined():
        outline = _build(spec, 5)
    state = outline.state_dict()
    assert all(tensor.is_meta for tensor in state.values())
    shapes = {key: tensor.shape for key, tensor in model.state_dict().items()}
    assert {key: tensor.shape for key, tensor in state.items()} == shapes
