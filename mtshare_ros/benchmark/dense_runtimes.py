"""Dense networks in other runtimes: pieces in ONNX Runtime, whole networks in TensorRT."""

from typing import Any, Sequence

import numpy as np
import torch
from torch import nn
from torch.utils import _pytree as pytree

from mtshare_ros.benchmark.dense_pieces import DenseOutputs
from mtshare_ros.errors import MissingExtraError
from mtshare_ros.export.dense import BOTH, dense_graph, RAW_PREFIX
from mtshare_ros.export.onnx_file import check_libraries, convert, Graph, Port
from mtshare_ros.model.network import MultiTaskNetwork


class RuntimePiece:
    """
    A module on the CPU, run by ONNX Runtime with as many threads as PyTorch has.

    It returns what the module returns, in memory of the runtime. Raises MissingExtraError where a
    library is not installed; other errors of exporter and runtime have no common class.
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
    """A module that returns the results of another as one flat tuple of tensors."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self._module = module

    def forward(self, *arguments: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the tensors in the nested results of the module."""
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
    # idle threads spin by default, which would slow down the contender that is timed next
    options.add_session_config_entry('session.force_spinning_stop', '1')
    return onnxruntime.InferenceSession(content, options, providers=['CPUExecutionProvider'])


Part = tuple[MultiTaskNetwork, tuple[str, ...]]
"""A network and the tasks that one engine computes."""


class TensorRtEngine:
    """
    A TensorRT engine of a graph whose only input is an image, with its own buffers on a device.

    Raises MissingExtraError where TensorRT or a library that exports need is not installed, and
    RuntimeError where TensorRT refuses the network.
    """

    def __init__(self, graph: Graph, device: torch.device, *, half: bool) -> None:
        tensorrt = load_tensorrt()
        check_libraries()
        logger = tensorrt.Logger(tensorrt.Logger.ERROR)
        content = convert(graph).SerializeToString()
        # kept as a field, because an engine must not outlive the runtime that made it
        self._runtime = tensorrt.Runtime(logger)
        self._engine = self._runtime.deserialize_cuda_engine(
            _build(tensorrt, logger, content, half=half))
        self._context = self._engine.create_execution_context()
        self._image = graph.examples[0].to(device)
        self._outputs = {port.name: torch.empty_like(value, device=device)
                         for port, value in zip(graph.outputs, graph.results)}
        buffers = {graph.inputs[0].name: self._image, **self._outputs}
        for name, buffer in buffers.items():
            self._context.set_tensor_address(name, buffer.data_ptr())

    def __call__(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the outputs by name for an (H, W, 3) image; the next call overwrites them."""
        self._image.copy_(image)
        if not self._context.execute_async_v3(_stream_of(self._image.device)):
            raise RuntimeError('TensorRT could not run its engine; its log says why')
        return self._outputs


class EngineCompute:
    """
    Computes all tasks of a dense contender, with one TensorRT engine for each of its ``parts``.

    Images are of (height, width); products are in ``dtype``, float32 or float16.
    """

    def __init__(
        self, parts: Sequence[Part], size: tuple[int, int], device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        with torch.inference_mode(False), torch.no_grad():
            self._engines = [TensorRtEngine(
                dense_graph(network, tasks, size, outputs=BOTH, precision=dtype), device,
                half=dtype == torch.float16) for network, tasks in parts]

    def __call__(self, image: torch.Tensor) -> DenseOutputs:
        """Return the outputs of an image (1, 3, H, W) uint8; the next call overwrites them."""
        pixels, outputs = image[0].permute(1, 2, 0), DenseOutputs()
        for engine in self._engines:
            for name, value in engine(pixels).items():
                raw = name.startswith(RAW_PREFIX)
                found = outputs.raw if raw else outputs.maps
                found[name.removeprefix(RAW_PREFIX) if raw else name] = value
        return outputs


def why_no_engine(dtype: torch.dtype) -> str:
    """Return why TensorRT cannot be used with products in ``dtype``; empty where it can."""
    if dtype == torch.bfloat16:
        return 'exported files are fp32 or fp16; give --precision fp16'
    try:
        load_tensorrt()
        check_libraries()
    except MissingExtraError as error:
        return str(error)
    return ''


def load_tensorrt() -> Any:
    """Return the module ``tensorrt``; raise MissingExtraError where it is not installed."""
    try:
        import tensorrt
    except ImportError as error:
        raise MissingExtraError(
            f'TensorRT cannot be imported ({error}); JetPack brings it, elsewhere install it with '
            'pip install tensorrt') from error
    return tensorrt


def _build(tensorrt: Any, logger: Any, content: bytes, *, half: bool) -> Any:
    """Return the serialised engine of an ONNX file's content."""
    builder = tensorrt.Builder(logger)
    flags = tensorrt.NetworkDefinitionCreationFlag
    typed = hasattr(flags, 'STRONGLY_TYPED')  # before, TensorRT chose types within some bounds
    flag = flags.STRONGLY_TYPED if typed else flags.EXPLICIT_BATCH
    network = builder.create_network(1 << int(flag))
    parser = tensorrt.OnnxParser(network, logger)
    if not parser.parse(content):
        raise RuntimeError(f'TensorRT cannot read the network: {parser.get_error(0)}')
    config = builder.create_builder_config()
    if half and not typed:
        config.set_flag(tensorrt.BuilderFlag.FP16)
    plan = builder.build_serialized_network(network, config)
    if plan is None:
        raise RuntimeError('TensorRT built no engine for the network; its log says why')
    return plan


def _stream_of(device: torch.device) -> int:
    return torch.cuda.current_stream(device).cuda_stream if device.type == 'cuda' else 0
