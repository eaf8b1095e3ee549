"""Models by name: from architecture and weights to a `Classifier`; no code in a file is run."""

from swag.models.loading import (
    ModelSpec,
    as_classifier,
    fixed_size,
    load_classifier,
    load_model,
    model_names,
    normalisation,
    resolved,
    weights_sha256,
)

__all__ = [
    "ModelSpec",
    "as_classifier",
    "fixed_size",
    "load_classifier",
    "load_model",
    "model_names",
    "normalisation",
    "resolved",
    "weights_sha256",
]
