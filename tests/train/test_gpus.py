"""GPUs that train together; its packages are imported where there are such."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file


@pytest.mark.gpu
@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("architecture", ["tests.support.trainings:Plain", "tiny_resnet"])
def test_gpus_share_a_batch(tmp_path: Path, architecture: str) -> None:
    """As many as there are, up to one for each image; batch norm sees the whole batch."""
    for package in ("pydantic", "ray"):
        pytest.importorskip(package)
    from swagflow.engine.resources import choose_training_resources  # noqa: PLC0415
    from swagflow.on_ray.training import train_on_ray  # noqa: PLC0415
    from swagflow.train.training import train  # noqa: PLC0415
    from tests.support.trainings import uneven  # noqa: PLC0415

    run = uneven(architecture)
    alone = train(run, str(tmp_path / "alone"), device=torch.device("cuda"))
    resources = choose_training_resources(min(torch.cuda.device_count(), 5), device="cuda")
    shared = train_on_ray(run, str(tmp_path / "shared"), resources)
    expected, found = load_file(alone.weights), load_file(shared.weights)
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=1e-3, atol=1e-3)
