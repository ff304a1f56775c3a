"""One training in several processes: how they divide batches and combine losses."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
import io
import os
from typing import Any, TypeVar

import torch
from torch import distributed, nn
from torch.distributed.nn.functional import all_reduce
from torch.nn.parallel import DistributedDataParallel

from mtshare_ros.config import require
from mtshare_ros.errors import TrainingError
from mtshare_ros.inference.device import cuda_device_count, resolve_device
from mtshare_ros.training.heartbeat import Heartbeat
from mtshare_ros.training.losses import PartialLoss

T = TypeVar('T')

_PATIENCE = timedelta(days=1)
"""How long processes wait for the one that renders or evaluates, as long as it is alive."""


@dataclass(frozen=True)
class Processes:
    """
    This process among those that train together, as ``torchrun`` started them.

    ``rank`` 0 writes files and reports; the others may run on machines that do not see its files.
    A single process needs no communication.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0

    @property
    def writes(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def device(self, device: str) -> str:
        """Return this process' device: of several processes on ``cuda``, each has its own GPU."""
        return f'cuda:{self.local_rank}' if device == 'cuda' and self.count > 1 else device

    def share(self, items: Sequence[T]) -> list[tuple[int, T]]:
        """
        Return this process' part of a batch, each item with its place in the whole.

        Raises ConfigError where the batch cannot be divided.
        """
        require(len(items) % self.count == 0, 'batch_size', len(items),
                f'a multiple of the {self.count} processes')
        part = len(items) // self.count
        return list(enumerate(items))[self.rank * part:(self.rank + 1) * part]

    def wrap(self, objective: nn.Module) -> nn.Module:
        """Return a module whose gradients become the mean over all processes."""
        if self.count == 1:
            return objective
        # the batch norms agree already, see SharedBatchNorm2d, and other buffers are constant
        return DistributedDataParallel(objective, broadcast_buffers=False)

    def means(self, losses: Mapping[str, PartialLoss]) -> dict[str, torch.Tensor]:
        """
        Return the loss of each term that this process minimises.

        Their mean over the processes is the mean over the items of all processes.
        """
        counts = torch.stack([loss.count.float() for loss in losses.values()])
        self._add_up(counts)
        return {name: loss.total * self.count / count.clamp(min=1.0)
                for (name, loss), count in zip(losses.items(), counts)}

    def average(self, values: Mapping[str, torch.Tensor]) -> dict[str, float]:
        """Return the mean of each number over the processes."""
        if not values:
            return {}
        stacked = torch.stack([value.detach().float() for value in values.values()])
        self._add_up(stacked)
        return dict(zip(values, (stacked / self.count).tolist()))

    def wait(self) -> None:
        """Wait until every process has called this."""
        if self.count > 1:
            distributed.barrier()

    def decided(self, question: Callable[[], bool]) -> bool:
        """Return the answer of the process that writes, the only one that is asked."""
        return bool(self._from_first(lambda: b'yes' if question() else b''))

    def state_of_first(self, state: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
        """Return the tensors and numbers of the process that writes, the only one asked."""
        def packed() -> bytes:
            buffer = io.BytesIO()
            torch.save(state(), buffer)
            return buffer.getvalue()

        # weights_only: nothing that is received is run as code
        return torch.load(io.BytesIO(self._from_first(packed)), weights_only=True,
                          map_location='cpu')

    def gather(self, text: str) -> list[str]:
        """Return the texts of all processes, by rank."""
        return [text if self.count == 1 else self._sent(text.encode(), rank).decode()
                for rank in range(self.count)]

    def _from_first(self, read: Callable[[], bytes]) -> bytes:
        data = read() if self.writes else b''
        return data if self.count == 1 else self._sent(data, 0)

    def _sent(self, data: bytes, sender: int) -> bytes:
        """Return the data of the process ``sender``; the others' are ignored."""
        size = torch.tensor([len(data)])
        distributed.broadcast(size, sender)
        values = torch.empty(int(size), dtype=torch.uint8)
        if self.rank == sender and data:
            values = torch.frombuffer(bytearray(data), dtype=torch.uint8)
        distributed.broadcast(values, sender)
        return values.numpy().tobytes()

    def _add_up(self, values: torch.Tensor) -> None:
        if self.count > 1:
            distributed.all_reduce(values)


@contextmanager
def joined_processes(device: str, end: Callable[[str], None]) -> Iterator[Processes]:
    """
    Join the processes that ``torchrun`` started; without torchrun there is only this one.

    Raises TrainingError where another process is lost; ``end`` has to end this one, with a reason,
    where it waits for the other in a function of PyTorch and cannot raise.
    """
    count = int(os.environ.get('WORLD_SIZE', '1'))
    if count == 1:
        yield Processes()
        return
    local_rank = int(os.environ.get('LOCAL_RANK', '0'))
    choice = resolve_device(device, cuda_devices=cuda_device_count())
    on_cuda = choice.name.startswith('cuda')
    if on_cuda:
        own = resolve_device(f'cuda:{local_rank}', cuda_devices=cuda_device_count())
        # NCCL communicates by the current device, which is GPU 0 in every process at first
        torch.cuda.set_device(own.name)
    # also on GPUs, what is no tensor of the training travels between CPUs
    distributed.init_process_group('cpu:gloo,cuda:nccl' if on_cuda else 'gloo',
                                   timeout=_PATIENCE)
    heartbeat = Heartbeat(count, end)
    try:
        yield Processes(distributed.get_rank(), count, local_rank)
    except RuntimeError as error:
        if reason := heartbeat.lost():
            raise TrainingError(reason) from error
        raise
    heartbeat.stop()
    # not after an error: the others would be waited for
    distributed.destroy_process_group()


class SharedBatchNorm2d(nn.BatchNorm2d):
    """
    Batch norm over the images of all processes, on any device.

    PyTorch's own SyncBatchNorm needs CUDA; this one lets tests train in two processes on a CPU.
    """

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        """Return (B, C, H, W) normalised by mean and variance of all processes' values."""
        if not self.training:
            return super().forward(values)
        per_channel = values.float().transpose(0, 1).flatten(1)
        sums = torch.cat([per_channel.sum(1), per_channel.square().sum(1),
                          per_channel.new_tensor([float(per_channel.shape[1])])])
        # of torch.distributed.nn, because the all_reduce of torch.distributed has no gradient
        total, squares, count = all_reduce(sums).split([self.num_features] * 2 + [1])
        mean = total / count
        # rounding may take it below 0
        variance = (squares / count - mean.square()).clamp(min=0)
        # as in PyTorch, the running variance is the unbiased one
        self._follow(mean.detach(), variance.detach() * count.item() / (count.item() - 1))
        scale = self.weight * (variance + self.eps).rsqrt()
        shift = self.bias - mean * scale
        return (values * scale[:, None, None] + shift[:, None, None]).to(values.dtype)

    @torch.no_grad()
    def _follow(self, mean: torch.Tensor, variance: torch.Tensor) -> None:
        self.num_batches_tracked.add_(1)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)


def share_batch_norms(network: nn.Module) -> None:
    """Make the batch norms of a network use the images of all processes, in place."""
    for module in network.modules():
        if type(module) is nn.BatchNorm2d:
            # changed and not replaced, so that weights and their names stay; subclasses were
            # excluded above
            module.__class__ = SharedBatchNorm2d
