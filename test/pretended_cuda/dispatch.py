"""Where every operator of PyTorch passes, and is run on the CPU for the device."""

import contextlib
from typing import Any, Iterator

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from pretended_cuda import current, placement
from pretended_cuda.device import PretendedDevice
from pretended_cuda.launches import launches
from pretended_cuda.tensor import PretendedTensor

_COPIES = frozenset(('_to_copy', 'copy_'))
_WAITS = frozenset(('nonzero', 'equal', 'masked_select', '_unique2', 'unique_dim',
                    'unique_consecutive', 'bincount', 'is_nonzero', 'allclose',
                    '_local_scalar_dense'))
_MASKED = frozenset(('index', 'index_put_', '_index_put_impl_'))
# composed of others, but not of those that the CPU build can run for CUDA; a kernel on a GPU
_WHOLE = frozenset(('sort', 'scaled_dot_product_attention', 'addmm_', '_to_copy', 'copy_',
                    'nonzero_static'))


class PretendedMode(TorchDispatchMode):
    """Runs the operators of pretended tensors on the CPU and keeps the account."""

    # PyTorch lets device='cuda' through to a mode that says it makes fake tensors
    _mode_key = torch._C._TorchDispatchModeKey.FAKE

    def __init__(self, device: PretendedDevice) -> None:
        super().__init__()
        self.device = device

    def __enter__(self):
        current.enter(self)
        torch._C._set_only_lift_cpu_tensors(True)
        return super().__enter__()

    def __exit__(self, *error):
        result = super().__exit__(*error)
        torch._C._set_only_lift_cpu_tensors(False)
        current.leave()
        return result

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        return self.run(func, args, kwargs or {})

    def run(self, func: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run an operator where its operands are."""
        args, kwargs = tree_map(_with_index, (args, kwargs))
        leaves = tree_leaves((args, kwargs))
        tensors = [leaf for leaf in leaves if isinstance(leaf, torch.Tensor)]
        pretended = [tensor for tensor in tensors if isinstance(tensor, PretendedTensor)]
        asked = next((leaf for leaf in leaves if isinstance(leaf, torch.device)), None)
        if not pretended and (asked is None or asked.type != 'cuda'):
            return func(*args, **kwargs)
        name = func._schema.name.partition('::')[2]
        if _is_composed(func, name):
            with self._inside():
                result = func.decompose(*args, **kwargs)
            if result is not NotImplemented:
                return result
        target = asked or pretended[0].device
        if name in _COPIES:
            target = self._copy(name, args, target if asked else None)
        elif placement.check(func, name, args, tensors):
            self.device.synchronised(f'H2D index of {name}')
        self._account(name, args, tensors)
        return self._compute(func, args, kwargs, tensors, target)

    @contextlib.contextmanager
    def _inside(self) -> Iterator[None]:
        """Let the mode see the pieces of a composed operator."""
        with torch._C._SetExcludeDispatchKeyGuard(torch._C.DispatchKey.Python, False):
            torch._C._set_dispatch_mode(self)
            try:
                yield
            finally:
                torch._C._unset_dispatch_mode(self._mode_key)

    def _copy(self, name: str, args: tuple[Any, ...], asked: torch.device | None) -> torch.device:
        """Note a copy between host and device; return where the result lies."""
        source = args[1] if name == 'copy_' else args[0]
        target = args[0].device if name == 'copy_' else asked or source.device
        if target.type != source.device.type:
            kind = 'H2D' if target.type == 'cuda' else 'D2H'
            self.device.copied(kind, source.nbytes)
            self.device.synchronised(kind)
        return target

    def _account(self, name: str, args: tuple[Any, ...], tensors: list[torch.Tensor]) -> None:
        masked = name in _MASKED and _has_mask(name, args)
        if name in _WAITS or masked:
            self.device.synchronised('boolean mask' if masked else _kind(name))
        self.device.launched(name, launches(name, tensors, masked=masked))

    def _compute(self, func: Any, args: Any, kwargs: Any, tensors: list[torch.Tensor],
                 target: torch.device) -> Any:
        known = {id(_data(tensor)): tensor for tensor in tensors}
        args, kwargs = tree_map(_data, (args, kwargs))
        if 'device' in kwargs:
            kwargs = {**kwargs, 'device': torch.device('cpu')}

        def wrapped(value: Any) -> Any:
            if not isinstance(value, torch.Tensor):
                return value
            if id(value) in known:
                return known[id(value)]
            return PretendedTensor(value, target) if target.type == 'cuda' else value

        return tree_map(wrapped, func(*args, **kwargs))


def _with_index(value: Any) -> Any:
    """Return a value; the device 'cuda' is the first of its kind."""
    if isinstance(value, torch.device) and value.type == 'cuda' and value.index is None:
        return torch.device('cuda', 0)
    return value


def _is_composed(func: Any, name: str) -> bool:
    return (func._can_decompose() and name not in _WHOLE and not name.startswith('upsample'))


def _has_mask(name: str, args: tuple[Any, ...]) -> bool:
    """Tell whether an index is a mask; one number for all its places needs no list of them."""
    if name != 'index' and args[2].numel() == 1:
        return False
    return any(index is not None and index.dtype in (torch.bool, torch.uint8)
               for index in args[1] or ())


def _kind(name: str) -> str:
    return 'item' if name == '_local_scalar_dense' else name


def _data(value: Any) -> Any:
    return value.data_on_cpu if isinstance(value, PretendedTensor) else value
