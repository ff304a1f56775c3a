"""A tensor that says it lies on a CUDA device."""

from typing import Any, Iterator

import torch

from pretended_cuda import current, indexing

aten = torch.ops.aten


class PretendedTensor(torch.Tensor):
    """
    A tensor on a pretended device; ``data_on_cpu`` is where its numbers are.

    The methods that stand here are those for which PyTorch wants a guard of the CUDA device, which
    a build without CUDA has not, and those that make the host wait.
    """

    data_on_cpu: torch.Tensor
    block: Any
    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, data: torch.Tensor, device: torch.device, block: Any) -> 'PretendedTensor':
        tensor = torch.Tensor._make_wrapper_subclass(
            cls, data.size(), strides=data.stride(), storage_offset=data.storage_offset(),
            dtype=data.dtype, layout=data.layout, device=device, requires_grad=False)
        tensor.data_on_cpu, tensor.block = data, block
        return tensor

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        return current.mode().run(func, args, kwargs or {})

    def __getitem__(self, index: Any) -> torch.Tensor:
        return indexing.get(self, index)

    def __setitem__(self, index: Any, value: Any) -> None:
        indexing.put(self, index, value)

    def __iter__(self) -> Iterator[torch.Tensor]:
        return iter(self.unbind(0))

    def __invert__(self) -> torch.Tensor:
        return aten.bitwise_not.default(self)

    def __deepcopy__(self, memo: dict[int, Any]) -> 'PretendedTensor':
        copied = aten.clone.default(self)
        if getattr(self, '_is_param', False):
            copied._is_param = True
        memo[id(self)] = copied
        return copied

    def __repr__(self, **_: Any) -> str:
        return f'PretendedTensor({tuple(self.shape)}, {self.dtype}, {self.device})'

    def nonzero(self, *, as_tuple: bool = False) -> Any:
        """Return the places of what is not zero."""
        places = aten.nonzero.default(self)
        return places.unbind(1) if as_tuple else places

    def contiguous(self, memory_format: torch.memory_format = torch.contiguous_format):
        """Return the tensor, or a copy that lies in one piece."""
        if self.is_contiguous(memory_format=memory_format):
            return self
        return aten.clone.default(self, memory_format=memory_format)

    def data_ptr(self) -> int:
        """Return the address, which tells whether tensors share memory."""
        return self.data_on_cpu.data_ptr()

    def copy_(self, src: torch.Tensor, non_blocking: bool = False) -> torch.Tensor:
        """Overwrite the tensor."""
        return aten.copy_.default(self, src, non_blocking)

    def new_tensor(self, data: Any, **options: Any) -> torch.Tensor:
        """Return a tensor of Python's data on the same device."""
        return torch.tensor(data, **{'dtype': self.dtype, 'device': self.device, **options})

    def numpy(self, *, force: bool = False) -> Any:
        """Refuse, as CUDA does."""
        if force:
            return self.cpu().numpy()
        raise TypeError(f"can't convert {self.device} device type tensor to numpy. "
                        'Use Tensor.cpu() to copy the tensor to host memory first.')

    def __array__(self, dtype: Any = None) -> Any:
        return self.numpy()

    def record_stream(self, stream: Any) -> None:
        """Let the memory, once freed, wait for what a stream has been given by then."""
        self.block.recorded.add(stream.stream_id)

    def is_pinned(self, device: Any = None) -> bool:
        """Tell that this is no memory of the host."""
        return False

    def item(self) -> Any:
        """Return the only number; the host waits."""
        return self._on_host('item').item()

    def tolist(self) -> Any:
        """Return the numbers; the host waits."""
        return self._on_host('tolist').tolist()

    def __bool__(self) -> bool:
        return bool(self._on_host('bool()'))

    def __int__(self) -> int:
        return int(self._on_host('int()'))

    def __float__(self) -> float:
        return float(self._on_host('float()'))

    def __index__(self) -> int:
        return int(self._on_host('index()'))

    def _on_host(self, kind: str) -> torch.Tensor:
        return current.mode().to_host(kind, self)
