"""Writing a module as an ONNX file of standard operators, and checking what it computes."""

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
import json
import logging
from pathlib import Path
import time
from typing import Any, Iterator, Mapping
import warnings

import numpy as np
import torch

from mtshare_ros.errors import ConfigError, MissingExtraError, ModelError
from mtshare_ros.export.extras import require_library
from mtshare_ros.export.graph import Graph, Port
from mtshare_ros.export.translations import translations
from mtshare_ros.model.checkpoint import check_new
from mtshare_ros.model.writing import replacing

OPSET = 18
"""Of the operators: TensorRT reads it since version 8.6."""

TOLERANCES = {torch.float32: 1e-4, torch.float16: 0.05}
"""Largest difference to PyTorch that a check lets pass, by precision."""

_LARGEST_FILE = 2_000_000_000
"""Bytes that the format of the file allows."""

_LIBRARIES = ('onnx', 'onnxscript')
_OLDEST_TORCH = (2, 6)


@dataclass(frozen=True)
class Written:
    """
    A file that was written.

    ``operators`` counts its nodes by operator. ``difference`` is the one to PyTorch, as
    ``compare_with_torch`` returns it.
    """

    path: Path
    bytes: int
    seconds: float
    operators: dict[str, int]
    difference: float | None


def check_export(path: Path) -> None:
    """
    Raise an error for what would end an export only after its work.

    That are a path at which no new file can be made, and libraries that are not installed.
    """
    if path.suffix != '.onnx':
        raise ConfigError(
            f'--output is {str(path)!r}; allowed is a file name that ends with .onnx')
    check_new(path)
    check_libraries()


def check_libraries() -> None:
    """Raise MissingExtraError for libraries that are not installed, or are too old."""
    for library in _LIBRARIES:
        require_library(library)
    version = tuple(int(part) for part in torch.__version__.split('.')[:2])
    if version < _OLDEST_TORCH:
        raise MissingExtraError(
            f'exporting needs PyTorch {".".join(map(str, _OLDEST_TORCH))} or later, installed is '
            f'{torch.__version__}; export on another machine: the file runs anywhere')


def write_onnx(
    path: Path, graph: Graph, facts: Mapping[str, Any], precision: torch.dtype = torch.float32
) -> Written:
    """
    Write a graph as a new file and compare what it computes with PyTorch.

    ``facts`` go into the metadata of the file, as JSON where they are not text. Raises ModelError
    for a file that computes something else, or that would be too large.
    """
    check_export(path)
    start = time.perf_counter()
    model = convert(graph)
    _describe(model, graph, facts)
    if model.ByteSize() > _LARGEST_FILE:
        raise ModelError(f'{path}: the network would take {model.ByteSize() / 1e9:.1f} GB, the '
                         'format of the file holds 2 GB; give --precision fp16')
    content = model.SerializeToString()
    difference = compare_with_torch(content, graph)
    if difference is not None and not difference <= TOLERANCES[precision]:
        raise ModelError(f'{path}: not written, because ONNX Runtime computes something else than '
                         f'PyTorch: the difference is {difference:.1e}, allowed is '
                         f'{TOLERANCES[precision]:.0e}; give another --precision or --size')
    with replacing(path) as partial:
        Path(partial).write_bytes(content)
    return Written(path, len(content), time.perf_counter() - start,
                   _operators(model.graph.node), difference)


def compare_with_torch(content: bytes, graph: Graph) -> float | None:
    """
    Return the largest difference of an output to PyTorch's; None without ONNX Runtime.

    It is relative to the largest value of the output. Of a map of bytes it is the share of the
    pixels that differ by more than the rounding of one: the best of two classes may change with
    the last digit of either.
    """
    try:
        import onnxruntime
    except ImportError:
        return None
    session = onnxruntime.InferenceSession(content, providers=['CPUExecutionProvider'])
    feeds = {port.name: value.numpy() for port, value in zip(graph.inputs, graph.examples)}
    found = session.run([port.name for port in graph.outputs], feeds)
    return max(_difference(mine, theirs.numpy()) for mine, theirs in zip(found, graph.results))


def _difference(found: np.ndarray, expected: np.ndarray) -> float:
    error = np.abs(found.astype(np.float64) - expected)
    if expected.dtype == np.uint8:
        return float((error > 1).mean())
    return float(error.max() / max(np.abs(expected).max(), 1e-12))


def convert(graph: Graph) -> Any:
    """Return the ``onnx.ModelProto`` of a graph."""
    inputs, outputs = ([port.name for port in ports] for ports in (graph.inputs, graph.outputs))
    with torch.inference_mode(False), torch.no_grad(), _quiet():
        program = torch.onnx.export(
            graph.module, graph.examples, dynamo=True, verbose=False, opset_version=OPSET,
            input_names=inputs, output_names=outputs, custom_translation_table=translations())
    return program.model_proto


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep from the user what the exporter says of itself."""
    logger = logging.getLogger('torch.onnx')
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            yield
    finally:
        logger.setLevel(before)


def _describe(model: Any, graph: Graph, facts: Mapping[str, Any]) -> None:
    """Write into the file what it is, and leave out where on this machine it came from."""
    for values, ports in ((model.graph.input, graph.inputs), (model.graph.output, graph.outputs)):
        texts = _texts(ports)
        for value in values:
            value.doc_string = texts[value.name]
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ''
    del model.graph.value_info[:]
    described = {'inputs': _said(model.graph.input), 'outputs': _said(model.graph.output)}
    states = {'states': graph.states} if graph.states else {}
    for key, value in {**facts, **graph.facts, **described, **states}.items():
        entry = model.metadata_props.add()
        entry.key = key
        entry.value = value if isinstance(value, str) else json.dumps(value)


def _texts(ports: tuple[Port, ...]) -> dict[str, str]:
    return {port.name: port.text for port in ports}


def _said(values: Any) -> dict[str, str]:
    return {value.name: value.doc_string for value in values}


def _operators(nodes: Any) -> dict[str, int]:
    return dict(Counter(node.op_type for node in nodes).most_common())
