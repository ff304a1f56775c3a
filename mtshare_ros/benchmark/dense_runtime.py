"""A dense piece in ONNX Runtime, which many run networks with on a CPU."""

from typing import Any, Sequence

import numpy as np
import torch
from torch import nn
from torch.utils import _pytree as pytree

from mtshare_ros.errors import MissingExtraError
from mtshare_ros.export.graph import Graph, Port
from mtshare_ros.export.onnx_file import check_libraries, convert


class RuntimePiece:
    """
    A module on the CPU, run by ONNX Runtime with as many threads as PyTorch has.

    Gives what the module gives, in memory of the runtime. Raises MissingExtraError where a library
    is not installed; what exporter and runtime raise has no common class.
    """

    def __init__(self, module: nn.Module, arguments: Sequence[torch.Tensor]) -> None:
        check_libraries()
        with torch.inference_mode(False), torch.no_grad():
            given = tuple(value.clone() for value in arguments)
            results, self._structure = pytree.tree_flatten(module(*given))
            inputs = tuple(Port(f'input_{number}', '') for number in range(len(given)))
            outputs = tuple(Port(f'output_{number}', '') for number in range(len(results)))
            model = convert(Graph(_Flat(module).eval(), given, inputs, outputs))
        self._session = _session(model.SerializeToString())
        self._inputs = [item.name for item in self._session.get_inputs()]
        self._places = [int(name.rpartition('_')[2]) for name in self._inputs]
        self(*given)

    def __call__(self, *arguments: torch.Tensor) -> Any:
        """Return what the module returns."""
        feeds = {name: np.asarray(arguments[place])
                 for name, place in zip(self._inputs, self._places)}
        found = [torch.from_numpy(value) for value in self._session.run(None, feeds)]
        return pytree.tree_unflatten(found, self._structure)


class _Flat(nn.Module):
    """A module whose results are one tuple of tensors."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self._module = module

    def forward(self, *arguments: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the tensors in what the module returns."""
        return tuple(pytree.tree_leaves(self._module(*arguments)))


def _session(content: bytes) -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError(
            f'ONNX Runtime cannot be imported ({error}); install it with: '
            "pip install 'mtshare_ros[export]'") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    # its threads would look for work while another side is timed
    options.add_session_config_entry('session.force_spinning_stop', '1')
    return onnxruntime.InferenceSession(content, options, providers=['CPUExecutionProvider'])
