"""The processes that train one model together, as `torchrun` starts them, on one machine or several.

Every process runs the same stages on the same data; what only one of them may do (write files, print) the first one does
while the others wait. What they exchange are a few numbers a step, over Gloo, which needs no special network; PyTorch is
loaded only where there is more than one process. How a training step is shared is `modelling.contrastive.network`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar, cast

from foundations.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

T = TypeVar("T")
_LONGEST_WAIT = timedelta(days=1)  # for a process that is busy; one that died is noticed at once


@dataclass(frozen=True)
class TrainingProcesses:
    """This process among all of them."""

    rank: int  # 0 is the first one
    size: int

    def first_alone(self, work: Callable[[], T]) -> T:
        """What `work` gives in the first process, for all; it runs there only. Its InputError is raised in all."""
        if self.size == 1:
            return work()
        result: T | None = None
        problem: str | None = None
        if self.rank == 0:
            try:
                result = work()
            except InputError as error:
                problem = str(error)
        problem, result = self._from_first((problem, result))
        if problem is not None:
            raise InputError(problem)
        return cast(T, result)

    def _from_first(self, value: Any) -> Any:
        import torch.distributed

        values = [value]
        torch.distributed.broadcast_object_list(values)
        return values[0]

    def gathered(self, value: T) -> list[T]:
        """Every process's value, in their order."""
        if self.size == 1:
            return [value]
        import torch.distributed

        values: list[Any] = [None] * self.size
        torch.distributed.all_gather_object(values, value)
        return values

    def sum(self, value: Tensor) -> Tensor:
        """The sum of every process's tensor, the same in all; without a gradient."""
        import torch.distributed

        total = value.detach().cpu().clone()  # Gloo sums on the processor
        torch.distributed.all_reduce(total)
        return total.to(value.device)


ALONE = TrainingProcesses(0, 1)
_current = [ALONE]


def training_processes() -> TrainingProcesses:
    """Those that were joined, or this one alone."""
    return _current[-1]


@contextmanager
def joined_processes() -> Iterator[TrainingProcesses]:
    """Within this block the processes that `torchrun` started train together; without torchrun there is this one only."""
    size = int(os.environ["WORLD_SIZE"]) if {"RANK", "WORLD_SIZE", "MASTER_ADDR"} <= os.environ.keys() else 1
    if size == 1:
        yield ALONE
        return
    import torch.distributed

    torch.distributed.init_process_group("gloo", timeout=_LONGEST_WAIT)
    _current.append(TrainingProcesses(torch.distributed.get_rank(), size))
    try:
        yield training_processes()
        torch.distributed.barrier()  # nobody leaves while another still talks to it
    finally:
        _current.pop()
        torch.distributed.destroy_process_group()
