"""Superpixels of an image, of a model's gradients, or of both, and statistics over them.

segmenters.py   those that a configuration names and that look at the picture: SLIC, quickshift and
                Felzenszwalb's
grid.py         those that do not: single pixels, and squares
slic.py         SLIC of many images at once, on their device; lab.py (colours) and connected.py
                (one piece for each superpixel) are parts of it
compiled.py     SLIC of one image by numba; tiles.py, kernels.py, pieces.py, jit.py and
                compiled_lab.py (colours) are parts of it
graph.py        Felzenszwalb's regions of one image; merging.py, by numba, is a part of it
optional.py     what numba compiles, where it is installed
pooling.py      mean, maximum, median or sum of a value over superpixels
"""

from swag.superpixels.grid import Pixel, Squares
from swag.superpixels.pooling import Statistic, pool
from swag.superpixels.segmenters import SLIC, Felzenszwalb, Quickshift

__all__ = ["SLIC", "Felzenszwalb", "Pixel", "Quickshift", "Squares", "Statistic", "pool"]
