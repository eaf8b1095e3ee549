"""What every segmenter must keep to; those of the catalogue are taken up unasked."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from torch import Tensor

from swag.catalog import EXPLAINERS, SEGMENTERS
from swag.protocols import Segmenter, segmenter_of
from swag.signals import GRADIENTS, Signals
from swag.superpixels import SLIC
from swag.types import Batch
from tests.support.plugins import BLOCKS
from tests.support.toys import annotated, classifier_of, images, reduced, take, toy_cnn, untouched

FOUND = [BLOCKS, *SEGMENTERS.values(), *map(segmenter_of, EXPLAINERS.values())]
ALL: dict[Segmenter, None] = {reduced(item): None for item in FOUND if item is not None}
ALL |= {SLIC(num_segments=12, features=features, implementation="torch"): None
        for features in ("image", "image_gradient", "gradient")}  # fmt: skip
each = pytest.mark.parametrize("segmenter", ALL, ids=repr)


def labels_of(segmenter: Segmenter, batch: Batch, batch_size: int = 4) -> Tensor:
    signals = Signals(classifier_of(toy_cnn(), batch_size=batch_size), batch, segmenter.needs)
    return segmenter(signals)


def test_the_tables_hold_segmenters_of_all_features() -> None:
    assert len(ALL) >= 8
    assert {"slic", "quickshift"} <= SEGMENTERS.keys()


@each
def test_is_a_frozen_configuration(segmenter: Segmenter) -> None:
    assert isinstance(segmenter, Segmenter)
    assert segmenter.needs <= GRADIENTS
    assert dataclasses.is_dataclass(segmenter)
    assert not isinstance(segmenter, type)
    again = dataclasses.replace(segmenter)
    assert (again, hash(again)) == (segmenter, hash(segmenter))
    for field in dataclasses.fields(segmenter):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(segmenter, field.name, None)


@each
@pytest.mark.parametrize("size", [(32, 32), (24, 40)], ids=["square", "wide"])
def test_labels_count_from_0_without_gaps(segmenter: Segmenter, size: tuple[int, int]) -> None:
    image_BCHW = images(2, 40)[:, :, : size[0], : size[1]].contiguous()
    labels_BHW = labels_of(segmenter, annotated(image_BCHW))
    assert labels_BHW.shape == (2, *size)
    assert labels_BHW.dtype == torch.int64
    assert labels_BHW.device == image_BCHW.device
    for labels_HW in labels_BHW:
        assert labels_HW.unique().tolist() == list(range(int(labels_HW.max()) + 1))


@each
def test_a_constant_image_is_divided_too(segmenter: Segmenter) -> None:
    values = torch.tensor([0.0, 0.5, 1.0]).view(3, 1, 1, 1)
    for labels_HW in labels_of(segmenter, annotated(values.expand(3, 3, 32, 32).contiguous())):
        assert labels_HW.unique().tolist() == list(range(int(labels_HW.max()) + 1))


@each
def test_no_other_image_and_no_batch_size_changes_labels(segmenter: Segmenter) -> None:
    batch = annotated(images(3))
    expected = labels_of(segmenter, batch)
    for index, batch_size in (([0, 1, 2], 1), ([2, 0, 1], 5), ([1], 64)):
        found = labels_of(segmenter, take(batch, index), batch_size)
        assert torch.equal(found, expected[index])


@each
def test_a_segmenter_touches_nothing(segmenter: Segmenter) -> None:
    classifier, batch = classifier_of(toy_cnn()), annotated(images(2))
    with untouched(classifier.model, batch.image_BCHW):
        segmenter(Signals(classifier, batch, segmenter.needs))
