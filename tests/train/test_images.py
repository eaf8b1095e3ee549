"""The images of a training: decoded once, shuffled, augmented and shared out by rule."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from torch import Tensor

from swag.rng import generator
from swagflow.data import Sample
from swagflow.errors import UserError
from swagflow.train.images import Images, drawn, shuffled
from swagflow.train.process_group import ProcessGroup
from swagflow.train.recipe import Fit
from swagflow.train.train_config import Augmentation
from tests.support.trainings import Colours


def images() -> Images:
    return Images.of(Colours())


def epoch_of(number: int, augmentation: Augmentation, seed: int = 0) -> tuple[Tensor, Tensor]:
    recipe = Fit(epochs=1, learning_rate=1.0, batch_size=5, seed=seed)
    batches = list(images().batches(recipe, number, augmentation))
    assert [len(label_B) for _, label_B in batches] == [5, 5]
    return torch.cat([image for image, _ in batches]), torch.cat([label for _, label in batches])


def test_an_epoch_shows_each_image_once() -> None:
    """But for the two that would make a batch of their own."""
    whole = torch.from_numpy(images().image_NCHW).float() / 255
    shown, labels = epoch_of(0, Augmentation())
    places = [(whole == image).flatten(1).all(1).nonzero().item() for image in shown]
    assert len(set(places)) == 10
    assert labels.tolist() == [int(place) % 3 for place in places]
    again, _ = epoch_of(0, Augmentation())
    other, _ = epoch_of(1, Augmentation())
    reseeded, _ = epoch_of(0, Augmentation(), seed=1)
    assert torch.equal(shown, again)
    assert not torch.equal(shown, other)
    assert not torch.equal(shown, reseeded)


def test_flipped_images_are_mirrored() -> None:
    plain, labels = epoch_of(0, Augmentation())
    shown, same_labels = epoch_of(0, Augmentation(flip=True))
    assert torch.equal(labels, same_labels)
    mirrored = torch.tensor([torch.equal(a, b.flip(2)) for a, b in zip(shown, plain, strict=True)])
    kept = torch.tensor([torch.equal(a, b) for a, b in zip(shown, plain, strict=True)])
    assert (mirrored ^ kept).all()
    assert mirrored.any()
    assert kept.any()


def test_colours_are_permuted_and_inverted() -> None:
    plain, _ = epoch_of(0, Augmentation())
    shown, _ = epoch_of(0, Augmentation(colours=True))
    kinds = set()
    for image_CHW, before_CHW in zip(shown, plain, strict=True):
        found = [
            (order, inverted)
            for order in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
            for inverted in (False, True)
            if torch.equal(image_CHW, _changed(before_CHW[list(order)], inverted))
        ]
        assert len(found) == 1
        kinds.add(found[0])
    assert len(kinds) > 3


def _changed(image_CHW: Tensor, inverted: bool) -> Tensor:
    return 1 - image_CHW if inverted else image_CHW


@pytest.mark.parametrize(
    ("purpose", "batches"),
    [
        (
            "roar_epoch",
            [([4, 0, 8], [True, True, True]), ([1, 2, 7], [False, True, False])],
        ),
        (
            "training_order",
            [([8, 7, 0], [True, True, True]), ([2, 1, 9], [False, True, False])],
        ),
    ],
)
def test_an_epoch_draws_its_order_first_and_then_for_each_batch(
    purpose: str, batches: list[tuple[list[int], list[bool]]]
) -> None:
    """Pinned, because weights and the accuracies that keys stand for are made of these numbers."""
    rng = generator(0, "1", purpose)
    positions = shuffled(np.array([0, 1, 2, 4, 7, 8, 9]), 3, rng)
    found = [(batch.tolist(), drawn(len(batch), rng).flatten().tolist()) for batch in positions]
    assert found == batches


@pytest.mark.parametrize(("count", "size"), [(7, 1), (7, 2), (8, 3), (3, 3), (2, 3), (0, 2)])
def test_shares_make_up_the_whole(count: int, size: int) -> None:
    shares = [range(count)[ProcessGroup(rank, size).share(count)] for rank in range(size)]
    assert [index for share in shares for index in share] == list(range(count))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_workers_share_each_batch_as_one_process_would_see_it() -> None:
    recipe = Fit(epochs=1, learning_rate=1.0, batch_size=5)
    both = Augmentation(flip=True, colours=True)
    whole = list(images().batches(recipe, 3, both))
    parts = [list(images().batches(recipe, 3, both, ProcessGroup(rank, 2))) for rank in (0, 1)]
    assert [len(label_B) for _, label_B in parts[0]] == [2, 2]
    assert [len(label_B) for _, label_B in parts[1]] == [3, 3]
    for batch, *shares in zip(whole, *parts, strict=True):
        for tensor, *pieces in zip(batch, *shares, strict=True):
            assert torch.equal(tensor, torch.cat(pieces))


def test_images_are_decoded_side_by_side_and_stay_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swagflow.train.images.num_cores", lambda: 3)
    meeting = threading.Barrier(3, timeout=30)

    class Slow(Colours):
        def load(self, image_id: str) -> Sample:
            meeting.wait()
            return super().load(image_id)

    found, expected = Images.of(Slow()), Images.of(Colours())
    assert found.image_ids == expected.image_ids == tuple(map(str, range(12)))
    assert np.array_equal(found.image_NCHW, expected.image_NCHW)
    assert found.label_N.tolist() == expected.label_N.tolist()


def test_the_first_image_without_a_label_ends_the_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("swagflow.train.images.num_cores", lambda: 1)
    loaded: list[str] = []

    class Watched(Colours):
        def load(self, image_id: str) -> Sample:
            loaded.append(image_id)
            return super().load(image_id)

    with pytest.raises(UserError, match="image '0' has no label"):
        Images.of(Watched(images=5000, labelled=False))
    assert len(loaded) < 5000
