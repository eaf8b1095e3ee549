"""Ray as a run has it: connected while there is work.

Ray is imported by then only, which takes a while that a run with nothing to do has no use for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from ..engine.resources import Resources
from ..engine.work import Dispatcher, InProcess, ItemT, Job, ReportT, Worker


@dataclass
class _Held:
    """What a run knows of its Ray."""

    is_warm: bool = False
    """Whether every process of a worker has imported `warm`."""


@dataclass(frozen=True)
class OnRay:
    """Hands work to Ray's actors."""

    resources: Resources
    on_loss: Callable[[str], None] | None = None
    """See `session`."""
    _held: _Held = field(default_factory=_Held, compare=False, repr=False)

    @contextmanager
    def connected(self) -> Iterator[None]:
        import ray  # noqa: PLC0415

        from .session import WARM, session  # noqa: PLC0415

        asked = self.resources
        is_own = asked.address is None and not ray.is_initialized()
        warms = is_own and asked.device == "cpu" and asked.threads == 1
        with session(asked, self.on_loss, **({"_system_config": WARM} if warms else {})):
            if is_own:
                self._held.is_warm = warms
            yield

    def reports(
        self, worker: type[Worker[ItemT, ReportT]], job: Job, items: Sequence[ItemT]
    ) -> Iterator[ReportT]:
        """Yield the worker's report of each piece of work as it ends, in any order.

        A piece whose worker died goes to a worker of its own, so that it is known which one kills,
        then in parts; after `MAX_TRIES` deaths its worker's `give_up` stores that error and the
        others go on. One that takes longer than the job allows is tried in parts at once, each as
        long, and the part that takes too long is given up.

        Raises:
            UserError: there is no cluster at the address.
        """
        with self.connected():
            from .runner import Runner  # noqa: PLC0415

            yield from Runner(worker, job, self.resources, is_warm=self._held.is_warm).run(items)

    def for_timings(self) -> Dispatcher:
        """Return one worker where the device is, which the head of a cluster need not have."""
        if self.resources.address is None:
            return InProcess(replace(self.resources, num_workers=0))
        return replace(self, resources=replace(self.resources, num_workers=1))
