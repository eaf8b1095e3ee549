"""The processes that train one model together, each on its share of every batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch.distributed as dist
from torch import Tensor, nn


@dataclass(frozen=True)
class ProcessGroup:
    """This process among those that train together; its methods are called by all of them.

    Gradients are added up one parameter at a time, in the order in which backward finds them and
    while it goes on. Unlike the buckets of `DistributedDataParallel`, which change after the first
    step, that leaves the order of every sum the same after an interruption.
    """

    rank: int = 0
    size: int = 1

    @classmethod
    def joined(cls) -> ProcessGroup:
        """Return the group that `torch.distributed` was set up for."""
        return cls(dist.get_rank(), dist.get_world_size())

    def share(self, count: int) -> slice:
        """Return which of `count` images are this process's."""
        return slice(self.rank * count // self.size, (self.rank + 1) * count // self.size)

    def sum(self, tensor: Tensor) -> Tensor:
        """Return the sum of all processes' tensors, in place."""
        if self.size > 1:
            dist.all_reduce(tensor)
        return tensor

    @contextmanager
    def summed_gradients(self, model: nn.Module) -> Iterator[Callable[[], None]]:
        """Inside the block backward passes add up gradients over the group.

        What is yielded waits for the sums and must be called after each backward pass.
        """
        pending: list[Any] = []

        def begin(parameter: Any) -> None:
            pending.append(dist.all_reduce(parameter.grad, async_op=True))

        def wait() -> None:
            while pending:
                pending.pop().wait()

        parameters: list[Any] = list(model.parameters()) if self.size > 1 else []
        hooks = [each.register_post_accumulate_grad_hook(begin) for each in parameters]
        try:
            yield wait
        finally:
            for hook in hooks:
                hook.remove()

    def share_buffers(self, model: nn.Module) -> None:
        """Give all processes the first one's buffers, as the statistics of batch norm."""
        if self.size > 1:
            for buffer in model.buffers():
                dist.broadcast(buffer, 0)


ALONE = ProcessGroup()
