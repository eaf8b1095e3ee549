"""What becomes of work whose worker died, without any worker."""

from __future__ import annotations

from typing import Any

from swagflow.engine.plan import Shard, Task
from swagflow.on_ray.suspects import Suspects
from swagflow.store.parts import Subject

NO_CELL: Any = None


def shard(first: int, *explainers: str) -> Shard:
    tasks = tuple(Task(name, NO_CELL, None, (), "missing") for name in explainers)
    return Shard(Subject("data", "model"), first, ("image",), tasks)


def names(items: Any) -> list[str]:
    return [item.name for item in items]


def test_those_that_died_in_company_are_tried_whole_and_alone() -> None:
    suspects: Suspects[Shard] = Suspects()
    both = [shard(0, "a", "b"), shard(4, "a", "b")]
    assert suspects.add(both) == []
    assert list(suspects.waiting) == both
    assert all(item in suspects for item in both)
    assert suspects.num_added == 0


def test_one_that_died_alone_is_tried_method_by_method_and_only_the_killer_given_up() -> None:
    suspects: Suspects[Shard] = Suspects()
    assert suspects.add([shard(0, "a", "killer", "b")]) == []
    assert names(suspects.waiting) == ["data/model/0/a", "data/model/0/killer", "data/model/0/b"]
    assert suspects.num_added == 2
    killer = shard(0, "killer")
    suspects.waiting.clear()
    assert suspects.add([killer]) == []
    assert list(suspects.waiting) == [killer]
    assert suspects.add([killer]) == [killer], "three deaths, the first of them in company"


def test_what_takes_too_long_is_tried_in_parts_and_a_part_is_not_tried_again() -> None:
    suspects: Suspects[Shard] = Suspects()
    assert suspects.add_overdue(shard(0, "a", "slow")) == []
    assert names(suspects.waiting) == ["data/model/0/a", "data/model/0/slow"]
    slow = shard(0, "slow")
    assert suspects.add_overdue(slow) == [slow]
