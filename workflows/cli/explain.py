"""The command `swagflow explain`: one image, one picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from ..errors import ImageError, UserError, as_user_error
from .options import beginning_with

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from ..data import Frame

EXAMPLE = "Example: swagflow explain cat.jpg --model resnet50 --method swag_ig --output cat.png"


def explain(
    image: Annotated[Path, typer.Argument(help="A picture file.")],
    model: Annotated[
        str,
        typer.Option(
            "--model",
            help="A model; see 'swagflow list models'.",
            autocompletion=beginning_with("models"),
        ),
    ] = "resnet50",
    method: Annotated[
        str | None,
        typer.Option(
            "--method",
            help="An explainer; see 'swagflow list explainers'.  [swag_ig, or swag_ig_gradient "
            "where the model has no ReLU]",
            autocompletion=beginning_with("explainers"),
        ),
    ] = None,
    output: Annotated[Path, typer.Option("--output", help="The picture to write.")] = Path(
        "explanation.png"
    ),
    weights: Annotated[
        str | None, typer.Option("--weights", help="Local weights, .safetensors or .pt.")
    ] = None,
    target: Annotated[
        str,
        typer.Option("--target", help="Class to explain: its number, top:2, or predicted."),
    ] = "predicted",
) -> None:
    """Explain one image: a picture of it with its saliency over it."""
    explain_image(image, (model, weights), method, target, output=output, console=Console())


def explain_image(
    image: Path,
    model: tuple[str, str | None],
    method: str | None,
    target: str,
    *,
    output: Path,
    console: Console,
) -> None:
    """Write a picture of one image beside its saliency."""
    from .checked import named_explainer, require_names

    if not output.parent.is_dir():
        raise UserError(f"--output {str(output)!r}: there is no folder {str(output.parent)!r}")
    architecture, weights = model
    # Before anything is imported or loaded in vain.
    require_names("models", {"": architecture})
    named = None if method is None else named_explainer(method)
    import swag
    from swag.models import ModelSpec, load_classifier, preparation
    from swag.progress import on_stderr, watched

    from ..engine.preparing import frame_of
    from ..hardware import default_device
    from ..page.gallery import save_explanation

    with as_user_error():
        spec = ModelSpec(architecture=architecture, weights=weights or "default")
        classifier = load_classifier(spec, device=default_device(), batch_size=32)
        picture = _picture(image, frame_of(preparation(spec)))
        chosen_method = method or swag.default_method(classifier, picture[None])
    explainer = named or named_explainer(chosen_method)
    device = classifier.device
    batch = swag.Batch(
        image_BCHW=picture[None].to(device), image_ids=(image.name,), **_target(target, device)
    )
    signals = swag.Signals(classifier, batch, explainer.needs)
    with as_user_error(), on_stderr(chosen_method) as tell, watched(classifier, explainer, 1, tell):
        saliency_HW = explainer(signals)[0].cpu().numpy()
    chosen = int(signals.target_B[0])
    probability = float(signals.probability_BK[0, chosen])
    save_explanation(picture.numpy(), saliency_HW, output)
    console.print(
        f"{output}: {chosen_method} of class {chosen} (probability {probability:.3f})",
        highlight=False,
    )


def _target(text: str, device: torch.device) -> dict[str, Any]:
    """Return the fields of a batch of one image that say which class is explained."""
    import torch

    from swag.targets import Target

    with as_user_error("--target"):
        rule = Target.parse(text)
    if rule.kind == "label" or rule.name:
        raise UserError(f"--target {text!r}: wanted a class's number, top:K or predicted")
    if rule.kind == "class":
        return {"target_B": torch.tensor([rule.number], device=device)}
    return {"target_place": rule.number}


def _picture(path: Path, frame: Frame) -> Tensor:
    from ..data import load_image

    try:
        return load_image(path, frame)[0]
    except FileNotFoundError:
        raise UserError(f"image {str(path)!r} was not found; give the path of a picture") from None
    except ImageError as error:
        raise UserError(str(error)) from error
