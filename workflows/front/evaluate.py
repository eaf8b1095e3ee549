"""The front door from Python: objects in, a run of the engine, results out."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from weakref import finalize

from rich.console import Console

from swag.forwards import Forward, Precision

from ..engine.resources import choose_resources
from .composed import Pictures, composed
from .given import explainers_of, metrics_of, models_of
from .results import Results
from .running import dispatcher_for, run_all


def evaluate(  # noqa: PLR0913 - each may be left out
    models: object,
    data: object,
    *,
    explainers: object = None,
    metrics: object = "deletion",
    labels: Sequence[int] | None = None,
    images: int | None = None,
    target: str | int = "predicted",
    run_dir: str | None = None,
    workers: int = 0,
    device: str | None = None,
    seed: int = 0,
    batch_size: int = 32,
    shard_size: int = 32,
    forward: Forward = "folded",
    precision: Precision = "float32",
    name: str = "evaluation",
    retry_errors: bool = False,
    progress: bool = True,
    **model_options: Any,
) -> Results:
    """Explain images by some methods, score what comes of it, and say how sure the scores are.

    The same engine, rows, statistics and report as `swagflow run`: what is stored in `run_dir` is
    not computed again, whether a kernel died or a method was added.

    Args:
        models: a torch.nn.Module, a `swag.Classifier`, a function from normalised images to
            logits, a name of `swagflow list models`, or a mapping of names to them.
        data: images as a tensor (B, C, H, W) in [0, 1] or an array (B, H, W, C) of bytes, a pair
            of them and their labels, a data set of PyTorch or Hugging Face, a DataLoader (its data
            set, in order), a folder of pictures, a configured data set or its name, or a mapping
            of names to them.
        explainers: names of `swag.EXPLAINERS`, explainers, functions
            `f(model, images, targets) -> maps` of normalised images, ready maps (an array in the
            images' order, or a mapping of image ids to arrays), or a mapping of names to them;
            None: random, centre, grad_cam and swag_ig, or swag_ig_gradient where a model calls
            no ReLU.
        metrics: names of `swag.METRICS`, metrics, or functions
            `f(model, images, targets, maps) -> values`, of which higher is better unless the
            function has `higher_is_better = False`.
        labels: true classes, where `data` has none.
        images: at most so many of each data set.
        target: the class that is explained: "predicted", "label", "top:K" or a number.
        run_dir: a folder or an address such as s3://BUCKET/run, which keeps the results and from
            which they are resumed; None: a temporary folder that goes with the `Results`.
        workers: processes, by Ray; 0: this one.
        device: "cpu" or "cuda"; None: a GPU where there is one.
        seed: of whatever a method or metric draws.
        batch_size: images that are explained together, and per model pass.
        shard_size: images whose results are stored together.
        forward, precision: how, and in which numbers, perturbed copies go through a model; see
            `swag.forwards`.
        name: what the report calls it.
        retry_errors: compute rows with an error again.
        progress: tell how far it is.
        model_options: `mean`, `std`, `output`, `cam_layer` of all models, as of `swag.Classifier`.

    Raises:
        UserError: something cannot be used, or `run_dir` holds something else.

    >>> import torch, swagflow
    >>> model = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 3), torch.nn.ReLU(),
    ...     torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(8, 10)).eval()
    >>> results = swagflow.evaluate(model, torch.rand(4, 3, 32, 32),
    ...     explainers=["random", "grad_cam"], progress=False)
    >>> list(results.table()["explainer"])
    ['random', 'grad_cam']
    """
    benchmark = composed(
        models_of(models, model_options),
        Pictures(data, labels, images),
        None if explainers is None else explainers_of(explainers),
        metrics_of(metrics),
        name=name,
        seed=seed,
        target=str(target),
        shard_size=shard_size,
        batch_size=batch_size,
        forward=forward,
        precision=precision,
    )
    console = Console(stderr="ipykernel" not in sys.modules, quiet=not progress)
    dispatcher = dispatcher_for(choose_resources(workers, device=device))
    with ExitStack() as temporary:
        uri = run_dir or temporary.enter_context(_temporary_folder())
        store = run_all(benchmark, uri, dispatcher, console, retry_errors=retry_errors)
        results = Results(store, uri)
        finalize(results, temporary.pop_all().close)
    return results


@contextmanager
def _temporary_folder() -> Iterator[str]:
    folder = tempfile.mkdtemp(prefix="swagflow-")
    try:
        yield f"{folder}/run"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
