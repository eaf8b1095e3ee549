"""The plan is wanted minus stored, whatever the store holds."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from swagflow.config.benchmark import Benchmark
from swagflow.config.load import resolve
from swagflow.engine.plan import Plan, cell_of, make_plan
from swagflow.store.parts import KEY_DIGITS, CellName, Part
from tests.support.benchmarks import described
from tests.support.plugins import Squares
from tests.support.runs import MINIMAL, changed

SUBJECT = {("squares", "toy"): {"dataset": "d", "model": "m"}}


def benchmark(**sections: object) -> Benchmark:
    return replace(resolve(changed(explainers=["swag", "centre"], **sections)), shard_size=4)


def plan_of(wanted: Benchmark, images: int, parts: list[Part]) -> Plan:
    ids = {"squares": Squares(images=images).open().image_ids}
    return make_plan(described(wanted, SUBJECT, {"squares": images}), ids, parts)


def parts_of(plan: Plan) -> list[Part]:
    """Return the parts that carrying out a plan stores."""
    parts = []
    for shard in plan.shards:
        for task in shard.tasks:
            cells = [cell for _, cell in task.metrics]
            if task.stored_parts is None:
                cells.append(task.explanation)
            for cell in cells:
                path, key = cell.part(*shard.span), cell.key[:KEY_DIGITS]
                parts.append(Part(path, cell.name, key, *shard.span))
    return parts


def test_everything_is_missing_at_first() -> None:
    plan = plan_of(benchmark(), 10, [])
    assert [shard.span for shard in plan.shards] == [(0, 3), (4, 7), (8, 9)]
    assert plan.num_rows == plan.num_rows_wanted == 10 * 2 * 2
    assert {task.reason for shard in plan.shards for task in shard.tasks} == {"missing"}


def test_nothing_is_left_after_carrying_it_out() -> None:
    done = parts_of(plan_of(benchmark(), 10, []))
    plan = plan_of(benchmark(), 10, done)
    assert plan.shards == ()
    assert plan.outdated == ()


@given(st.data())
def test_any_subset_resumes_to_the_same_store(data: st.DataObject) -> None:
    """Whatever parts a killed run left, the rest of the plan is exactly what is missing."""
    whole = parts_of(plan_of(benchmark(), 10, []))
    kept = [part for part in whole if data.draw(st.booleans(), label=part.path)]
    rest = parts_of(plan_of(benchmark(), 10, kept))
    assert not {part.path for part in rest} & {part.path for part in kept}
    assert {part.path for part in rest + kept} == {part.path for part in whole}


@given(st.integers(1, 12), st.integers(1, 12))
def test_more_images_go_on_where_fewer_ended(few: int, many: int) -> None:
    """Every position of every cell is covered once."""
    first = parts_of(plan_of(benchmark(), few, []))
    second = parts_of(plan_of(benchmark(), many, first))
    counts: dict[tuple[object, int], int] = {}
    for part in first + second:
        for position in range(part.first, part.last + 1):
            counts[part.cell, position] = counts.get((part.cell, position), 0) + 1
    assert set(counts.values()) == {1}
    assert len(counts) == 4 * max(few, many)


def test_a_new_metric_reads_the_stored_masks() -> None:
    done = parts_of(plan_of(benchmark(), 8, []))
    more = benchmark(metrics={"deletion": {}, "coarse": {"type": "deletion", "steps": 4}})
    plan = plan_of(more, 8, done)
    tasks = [task for shard in plan.shards for task in shard.tasks]
    assert len(tasks) == 4
    assert all(task.stored_parts is not None for task in tasks)
    assert all([name for name, _ in task.metrics] == ["coarse"] for task in tasks)


def test_a_new_metric_reads_masks_that_were_stored_in_two_goes() -> None:
    """And it does so wherever its own rows begin."""
    first = parts_of(plan_of(benchmark(), 6, []))
    done = first + parts_of(plan_of(benchmark(), 8, first))
    more = benchmark(metrics={"deletion": {}, "coarse": {"type": "deletion", "steps": 4}})
    masks = [part.path for part in done if part.cell[2:] == ("swag", None)]
    whole, divided = plan_of(more, 8, done).shards
    assert whole.tasks[0].stored_parts == (masks[0],)
    assert divided.tasks[0].stored_parts == (masks[1], masks[2])
    some = [part for part in done if part.cell[3] is None or part.first < 6]
    (shard,) = plan_of(benchmark(), 8, some).shards
    assert shard.span == (6, 7)
    assert shard.tasks[0].stored_parts == (masks[2],)


def test_a_lost_part_alone_is_computed_again() -> None:
    first = parts_of(plan_of(benchmark(), 6, []))
    done = first + parts_of(plan_of(benchmark(), 8, first))
    lost = [part for part in done if part.first != 4]
    plan = plan_of(benchmark(), 8, lost)
    assert [shard.span for shard in plan.shards] == [(4, 5)]
    assert plan.outdated == ()


@given(st.data())
def test_another_size_of_shards_computes_nothing_twice(data: st.DataObject) -> None:
    """Every position of every cell is covered once, by whatever sizes a run went on with."""
    parts: list[Part] = []
    for size in data.draw(st.lists(st.integers(1, 7), min_size=1, max_size=4)):
        new = parts_of(plan_of(replace(benchmark(), shard_size=size), 13, parts))
        parts += [part for part in new if data.draw(st.booleans(), label=part.path)]
    plan = plan_of(benchmark(), 13, parts)
    counts = Counter(
        (part.cell, position)
        for part in parts + parts_of(plan)
        for position in range(part.first, part.last + 1)
    )
    assert set(counts.values()) == {1}
    assert len(counts) == 4 * 13
    assert plan.num_rows == 4 * 13 - sum(part.num_rows for part in parts)
    assert plan.outdated == ()
    masks = {part.path: part for part in parts if part.cell.metric is None}
    for shard in plan.shards:
        for task in shard.tasks:
            if task.stored_parts is not None:
                held = [masks[path] for path in task.stored_parts]
                found = {n for part in held for n in range(part.first, part.last + 1)}
                assert found >= set(range(shard.first, shard.span[1] + 1))


def test_a_changed_field_is_a_new_cell_and_outdates_the_old_one() -> None:
    done = parts_of(plan_of(benchmark(), 4, []))
    explainers = {"swag": {"statistic": "max"}}
    plan = plan_of(replace(resolve(changed(explainers=explainers)), shard_size=4), 4, done)
    (task,) = plan.shards[0].tasks
    assert task.reason == "changed"
    assert len(plan.outdated) == 2
    assert all("explainer=swag/" in path for path in plan.outdated)


def test_subject_and_seed_are_part_of_the_key() -> None:
    assert MINIMAL["name"] == "toy"
    other = {("squares", "toy"): {"dataset": "d", "model": "x"}}
    abouts = [
        described(benchmark(), SUBJECT),
        described(benchmark(), other),
        described(replace(benchmark(), seed=1), SUBJECT),
    ]
    name = CellName("squares", "toy", "swag", None)
    assert len({cell_of(about, name).key for about in abouts}) == 3


def test_old_parts_behind_the_last_image_are_outdated_too() -> None:
    """Readers read every part, so what another key made must not stay beside this one's."""
    done = parts_of(plan_of(benchmark(), 12, []))
    fewer = plan_of(replace(benchmark(), seed=1), 4, done)
    assert set(fewer.outdated) == {part.path for part in done}
    same = plan_of(benchmark(), 4, done)
    assert (same.outdated, same.shards) == ((), ())
