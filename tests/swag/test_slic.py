"""The batched SLIC against scikit-image's, and its pieces against a scan with queues."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import skimage.segmentation
import torch
from hypothesis import given
from hypothesis import strategies as st
from skimage import data
from skimage.color import rgb2lab
from skimage.measure import label as regions
from skimage.transform import resize
from sklearn.metrics import adjusted_rand_score
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

import swag.superpixels.slic
from swag.superpixels.connected import components, connect
from swag.superpixels.slic import Grid, cluster, slic_BHW, summable
from tests.support import superpixel_twins as twins


def reference(features_HWF: np.ndarray, num_segments: int, iterations: int = 10) -> np.ndarray:
    extent = float(features_HWF.max() - features_HWF.min())
    return skimage.segmentation.slic(
        features_HWF,
        num_segments,
        compactness=1 / extent if extent else 1.0,
        max_num_iter=iterations,
        convert2lab=False,
        start_label=0,
        channel_axis=-1,
    )


def random_features(*shape: int, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape) * scale


def photographs(size: int) -> np.ndarray:
    names = ("astronaut", "chelsea", "coffee", "rocket")
    return np.stack([rgb2lab(resize(getattr(data, name)(), (size, size))) for name in names])


@pytest.mark.parametrize("weight", [5.0, 10.0, 40.0])
@pytest.mark.parametrize("channels", [1, 3])
def test_photographs_get_scikit_images_superpixels(weight: float, channels: int) -> None:
    features_BHWF = photographs(112)[..., :channels] / weight
    found = slic_BHW(torch.from_numpy(features_BHWF), 75)
    for labels_HW, features_HWF in zip(found.numpy(), features_BHWF, strict=True):
        expected_HW = reference(features_HWF, 75)
        assert adjusted_rand_score(labels_HW.flatten(), expected_HW.flatten()) > 0.99


@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    num_segments=st.integers(1, 50),
    iterations=st.integers(1, 12),
    channels=st.integers(1, 4),
    scale=st.sampled_from([0.0, 0.01, 0.3, 1.0, 10.0]),
)
def test_any_shape_gets_scikit_images_superpixels(
    *, height: int, width: int, num_segments: int, iterations: int, channels: int, scale: float
) -> None:
    features_BHWF = random_features(2, height, width, channels, scale=scale)
    found = slic_BHW(torch.from_numpy(features_BHWF), num_segments, iterations)
    assert found.dtype == torch.int64
    for labels_HW, features_HWF in zip(found.numpy(), features_BHWF, strict=True):
        np.testing.assert_array_equal(labels_HW, reference(features_HWF, num_segments, iterations))


def test_superpixels_are_connected_and_numbered_without_gaps() -> None:
    features_BHWF = np.repeat(np.repeat(random_features(3, 8, 8, 2), 8, 1), 8, 2)
    for labels_HW in slic_BHW(torch.from_numpy(features_BHWF), 30).numpy():
        assert labels_HW.max() > 5
        assert np.unique(labels_HW).tolist() == list(range(labels_HW.max() + 1))
        assert regions(labels_HW, connectivity=1, background=-1).max() == labels_HW.max() + 1


def test_an_image_does_not_depend_on_its_neighbours() -> None:
    features_BHWF = torch.from_numpy(random_features(4, 50, 33, 3))
    features_BHWF *= torch.tensor([1.0, 30.0, 0.01, 0.0]).view(4, 1, 1, 1)
    together = slic_BHW(features_BHWF, 20)
    for index in range(4):
        assert torch.equal(slic_BHW(features_BHWF[index : index + 1], 20)[0], together[index])


def test_the_number_of_distances_held_at_once_does_not_matter(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    features_BHWF = torch.from_numpy(random_features(2, 40, 40, 3))
    expected = slic_BHW(features_BHWF, 20)
    monkeypatch.setattr(swag.superpixels.slic, "_CPU_CHUNK", 1)
    assert torch.equal(slic_BHW(features_BHWF, 20), expected)


def test_a_centre_without_pixels_stays_without() -> None:
    checks_HW = np.kron(np.indices((4, 4)).sum(0) % 2, np.full((10, 10), 20.0))
    features_BHWF = torch.from_numpy(checks_HW)[None, ..., None]
    assert len(cluster(features_BHWF, 25, 10).unique()) == 12
    expected_HW = reference(features_BHWF[0].numpy(), 25)
    np.testing.assert_array_equal(slic_BHW(features_BHWF, 25)[0], expected_HW)


@pytest.mark.parametrize("most", [1, 7])
def test_lists_that_were_too_short_are_made_longer(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    features_BHWF = torch.from_numpy(random_features(2, 48, 37, 3))
    expected_BHW = cluster(features_BHWF, 40, 10)
    monkeypatch.setattr(Grid, "most_in_reach", most)
    assert torch.equal(cluster(features_BHWF, 40, 10), expected_BHW)


class Waits(TorchDispatchMode):
    """Counts operations for which a host waits for its device: sizes and values that it reads."""

    KINDS = ("_local_scalar_dense", "nonzero", "masked_select", "unique", "equal")
    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        name = func.name().partition("::")[2].partition(".")[0]
        self.count += name in self.KINDS or (name == "index" and self._by_mask(args))
        return func(*args, **(kwargs or {}))

    @staticmethod
    def _by_mask(args: tuple[Any, ...]) -> bool:
        return any(index is not None and index.dtype == torch.bool for index in args[1])


def test_no_round_waits_for_the_device() -> None:
    features_BHWF = torch.from_numpy(random_features(2, 48, 37, 3))
    counts = []
    for iterations in (1, 10):
        with Waits() as waits:  # type: ignore[no-untyped-call]
            cluster(features_BHWF, 40, iterations)
        counts.append(waits.count)
    assert counts[0] == counts[1] > 0


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_features_that_are_not_finite_are_refused(bad: float) -> None:
    features_BHWF = torch.zeros(1, 8, 8, 1)
    features_BHWF[0, 3, 3] = bad
    with pytest.raises(ValueError, match="needs finite features"):
        slic_BHW(features_BHWF, 4)


@pytest.mark.parametrize("scale", [1e-30, 1e-3, 1.0, 7.3, 1e30])
def test_sums_of_rounded_features_are_exact_in_any_order(scale: float) -> None:
    features_BHWF = torch.from_numpy(random_features(1, 112, 112, 2, scale=scale))
    rounded_BHWF = summable(features_BHWF)
    torch.testing.assert_close(rounded_BHWF, features_BHWF, rtol=0, atol=1e-10 * scale)
    values = rounded_BHWF[..., 0].flatten().numpy()
    sums = {float(np.add.reduce(np.random.default_rng(i).permutation(values))) for i in range(20)}
    sums |= {float(np.cumsum(values)[-1]), float(np.cumsum(values[::-1])[-1])}
    assert len(sums) == 1


def test_rounding_leaves_zeros() -> None:
    assert not summable(torch.zeros(2, 4, 4, 1, dtype=torch.float64)).any()


def framed(labels: list[list[int]]) -> tuple[Tensor, int]:
    width = len(labels[0])
    rows = [[-1] * (width + 1), *([*row, -1] for row in labels), [-1] * (width + 1)]
    return torch.tensor(rows).flatten(), width + 1


def test_components_by_hand() -> None:
    label_N, stride = framed([[3, 3, 1, 3], [1, 3, 1, 3], [1, 1, 3, 3]])
    found = components(label_N, stride).view(5, stride)[1:-1, :-1] - stride
    assert found.tolist() == [[0, 0, 2, 3], [5, 0, 2, 3], [5, 5, 3, 3]]


def test_components_of_a_spiral_are_one() -> None:
    spiral = np.zeros((41, 41), int)
    for ring in range(0, 20, 2):
        spiral[ring, max(ring - 1, 0) : 41 - ring] = 1
        spiral[ring : 41 - ring, 40 - ring] = 1
        spiral[40 - ring, ring : 41 - ring] = 1
        spiral[ring + 2 : 41 - ring, ring] = 1
    expected = regions(spiral, connectivity=1, background=-1)
    label_N, stride = framed(spiral.tolist())
    found = components(label_N, stride).view(43, stride)[1:-1, :-1]
    assert len(found.unique()) == expected.max()


def test_pieces_by_hand() -> None:
    labels_BHW = torch.tensor([[[5, 5, 5, 5], [7, 5, 5, 8]]])

    def pieces(min_size: int, max_size: int) -> list[list[int]]:
        return connect(labels_BHW, min_size=min_size, max_size=max_size)[0].tolist()

    assert pieces(0, 9) == [[0, 0, 0, 0], [1, 0, 0, 2]]
    assert pieces(2, 9) == [[0, 0, 0, 0], [0, 0, 0, 0]]
    # The queue takes what lies to the right before what lies below.
    assert pieces(0, 3) == [[0, 0, 0, 1], [2, 3, 3, 4]]
    assert pieces(0, 4) == [[0, 0, 0, 1], [2, 0, 3, 4]]
    assert pieces(9, 9) == [[0, 0, 0, 0], [0, 0, 0, 0]]


@given(
    seed=st.integers(0, 10**6),
    shape=st.tuples(st.integers(1, 3), st.integers(1, 14), st.integers(1, 14)),
    num_labels=st.integers(1, 4),
    block=st.integers(1, 4),
    min_size=st.integers(0, 12),
    beyond=st.integers(1, 30),
)
def test_pieces_equal_a_scan_with_queues(
    *,
    seed: int,
    shape: tuple[int, int, int],
    num_labels: int,
    block: int,
    min_size: int,
    beyond: int,
) -> None:
    labels_BHW = np.random.default_rng(seed).integers(0, num_labels, shape)
    labels_BHW = labels_BHW.repeat(block, 1).repeat(block, 2)[:, : shape[1], : shape[2]]
    max_size = min_size + beyond
    found = connect(torch.from_numpy(labels_BHW), min_size=min_size, max_size=max_size)
    for labels_HW, found_HW in zip(labels_BHW, found, strict=True):
        np.testing.assert_array_equal(found_HW, twins.connect(labels_HW, min_size, max_size))


@pytest.mark.gpu
def test_a_gpu_gives_a_cpus_labels() -> None:
    features_BHWF = torch.from_numpy(photographs(224) / 10)
    expected = slic_BHW(features_BHWF, 300)
    found = [slic_BHW(features_BHWF.cuda(), 300).cpu() for _ in range(3)]
    assert all(torch.equal(again, found[0]) for again in found)
    # Its fused multiply-add rounds otherwise, which can decide a tie.
    for labels_HW, expected_HW in zip(found[0], expected, strict=True):
        assert adjusted_rand_score(labels_HW.flatten(), expected_HW.flatten()) > 0.99
