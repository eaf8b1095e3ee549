"""Images of one, three or more channels: what is grey, what is colour, and what a picture shows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import skimage

if TYPE_CHECKING:
    from torch import Tensor

Channels = Literal["sum", "abs_sum", "max_abs"]
"""What becomes of an attribution for each colour channel."""
LUMA = (0.2125, 0.7154, 0.0721)
"""ITU-R 709."""
GREY = (0.299, 0.587, 0.114)
"""ITU-R 601, by which photographs are made grey for models of one channel (torchvision, Pillow)."""
_LARGEST = 100.0


def grey_B1HW(image_BCHW: Tensor, weights: tuple[float, ...] = LUMA) -> Tensor:
    """Return the weighted sum of three channels; of any other number, their mean."""
    channels = image_BCHW.shape[1]
    if channels == 1:
        return image_BCHW
    if channels != 3:
        return image_BCHW.mean(1, keepdim=True)
    return (image_BCHW * image_BCHW.new_tensor(weights).view(1, 3, 1, 1)).sum(1, keepdim=True)


def over_channels(attribution_BCHW: Tensor, channels: Channels) -> Tensor:
    """Return one number for each pixel, of shape (B, H, W)."""
    if channels == "sum":
        return attribution_BCHW.sum(1)
    magnitude_BCHW = attribution_BCHW.abs()
    return magnitude_BCHW.sum(1) if channels == "abs_sum" else magnitude_BCHW.amax(1)


def with_channels(image_BCHW: Tensor, wanted: int) -> Tensor:
    """Return images as a model wants them: grey for one channel, repeated from one to three.

    Raises:
        ValueError: there is no such way.
    """
    got = image_BCHW.shape[1]
    if got == wanted:
        return image_BCHW
    if wanted == 1 and got == 3:
        return grey_B1HW(image_BCHW, GREY).clamp(0, 1)
    if wanted == 3 and got == 1:
        return image_BCHW.expand(-1, 3, -1, -1).contiguous()
    raise ValueError(
        f"images have {got} channels, and the model's mean and std are of {wanted}; give it as "
        "many of both as images have channels"
    )


def colours_BHWC(image_BCHW: Tensor) -> np.ndarray:
    """Return what superpixels compare pixels by, float64 on the CPU.

    Three channels are sRGB and become CIELAB (D65). One is L, its intensity times 100, with a and b
    0. Of any other number it is the three first principal components of the image's own pixels, the
    first of which is brought to an extent of 100, the others by the same factor.
    """
    image_BHWC = image_BCHW.permute(0, 2, 3, 1).cpu().double().numpy()
    channels = image_BHWC.shape[-1]
    if channels == 3:
        lab_BHWC: np.ndarray = skimage.color.rgb2lab(image_BHWC)
        return lab_BHWC
    if channels == 1:
        return np.pad(_LARGEST * image_BHWC, ((0, 0), (0, 0), (0, 0), (0, 2)))
    return np.stack([_components_HW3(image_HWC) for image_HWC in image_BHWC])


def _components_HW3(image_HWC: np.ndarray) -> np.ndarray:
    pixels_PC = image_HWC.reshape(-1, image_HWC.shape[-1])
    centred_PC = pixels_PC - pixels_PC.mean(0)
    _, vectors_CC = np.linalg.eigh(centred_PC.T @ centred_PC)
    # Signs are free, and no distance depends on them.
    components_PD = centred_PC @ vectors_CC[:, ::-1][:, :3]
    extent = np.ptp(components_PD[:, 0])
    scaled_PD = components_PD * (_LARGEST / extent if extent > 0 else 1.0)
    padded_P3 = np.pad(scaled_PD, ((0, 0), (0, 3 - scaled_PD.shape[1])))
    return padded_P3.reshape(*image_HWC.shape[:2], 3)


def shown_3HW(image_CHW: np.ndarray) -> np.ndarray:
    """Return what a picture shows of an image: one channel as grey, else the first three."""
    if len(image_CHW) == 1:
        return np.repeat(image_CHW, 3, 0)
    return np.pad(image_CHW[:3], ((0, 3 - len(image_CHW[:3])), (0, 0), (0, 0)))
