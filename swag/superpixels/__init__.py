"""Superpixels of an image, of a model's gradients, or of both, and statistics over them."""

from swag.superpixels.pooling import Statistic, pool
from swag.superpixels.segmenters import SLIC, Quickshift, Segmenters

__all__ = ["SLIC", "Quickshift", "Segmenters", "Statistic", "pool"]
