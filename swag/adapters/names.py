"""Names of other libraries' methods; no library need be there."""

from __future__ import annotations

from importlib import import_module

LIBRARIES = {
    "captum": "captum",
    "grad_cam": "grad-cam",
    "lime": "lime",
    "lxt": "lxt",
    "saliency": "saliency",
    "shap": "shap",
    "torchcam": "torchcam",
    "zennit": "zennit",
}
"""Prefix of a name -> the package that has it."""
BESIDE = {"lxt": ("zennit",)}
"""Other packages that a library's maps are made by."""
EXTRAS = {"lime": "benchmark", "lxt": "lxt"}
"""Extras that bring a library, where it is not "adapters"."""


def methods_of(library: str) -> tuple[str, ...]:
    """Return the names of a library's methods; the library need not be there."""
    found: tuple[str, ...] = import_module(f"swag.adapters.of_{library}").METHODS
    return found


def all_names() -> list[str]:
    """Return the name of every method of every library."""
    return [f"{library}:{method}" for library in LIBRARIES for method in methods_of(library)]
