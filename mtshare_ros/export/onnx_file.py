"""Writing a module as an ONNX file of standard operators, and checking what it computes."""

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
import json
import logging
from pathlib import Path
import time
from typing import Any, Iterator, Mapping
import warnings

import numpy as np
import torch
from torch import nn

from mtshare_ros import __version__
from mtshare_ros.errors import ConfigError, import_extra, MissingExtraError, ModelError
from mtshare_ros.inference.map_camera import assumed_focal_length
from mtshare_ros.model.checkpoint import check_new
from mtshare_ros.model.description import ModelDescription
from mtshare_ros.model.manifest import load_catalogue, ModelFile
from mtshare_ros.model.weight_files import replacing


@dataclass(frozen=True)
class Port:
    """An input or an output of a file: its name there, and what it holds in words."""

    name: str
    text: str


@dataclass(frozen=True)
class Graph:
    """
    A module of fixed shapes; ``forward(*examples)`` returns a tuple in the order of ``outputs``.

    ``facts`` are further entries for the metadata of the file. ``states`` says by output which
    input of the next frame it is.
    """

    module: nn.Module
    examples: tuple[torch.Tensor, ...]
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    facts: dict[str, object] = field(default_factory=dict)
    states: dict[str, str] = field(default_factory=dict)

    @cached_property
    def results(self) -> tuple[torch.Tensor, ...]:
        """What PyTorch computes from the examples."""
        with torch.no_grad():
            # copies, because a module may write into its inputs
            return self.module(*(value.clone() for value in self.examples))


IMAGE = Port('image', 'RGB, (height, width, 3), 0 to 255; normalised in the file')


def example_image(size: tuple[int, int], seed: int = 0) -> torch.Tensor:
    """Return an image (H, W, 3) uint8 of noise, always the same."""
    made = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (*size, 3), dtype=torch.uint8, generator=made)


def facts_of(
    file: ModelFile, description: ModelDescription, size: tuple[int, int], precision: str
) -> dict[str, Any]:
    """Return what a program that runs the file must know, by key of the metadata."""
    shape, labels = description.architecture, description.labels
    return {
        'producer': f'mtshare_ros {__version__}', 'model': file.name, 'sha256': file.sha256,
        'licence': licence_of(file, description),
        'trained_on': description.trained_on, 'precision': precision, 'input_size': size,
        'normalisation': {'mean': shape.image_mean, 'std': shape.image_std, 'of': 'RGB, 0 to 255',
                          'where': 'in the file: image takes pixels as they are'},
        'labels': [{'id': number, 'name': name, 'rgb': color} for number, (name, color)
                   in enumerate(zip(labels.names, labels.colors))],
        'focal_length': _focal_length(description, size),
        'depth_scaling': description.depth_scaling, 'depth_range': description.depth_range,
    }


def licence_of(file: ModelFile, description: ModelDescription) -> str:
    """Return the licences of the weights and of their sources."""
    names = dict(load_catalogue())
    own = [names[file.name].models[file.name].licence] if file.name in names else []
    others = [f'{source.name}: {source.licence}' for source in description.sources]
    return '; '.join([*own, *others]) or 'not stated'


def _focal_length(description: ModelDescription, size: tuple[int, int]) -> float | None:
    if description.focal_length is None:
        return None
    return assumed_focal_length(description.focal_length,
                                trained_size=description.architecture.input_size, size=size)


OPSET = 18
"""Version of the operators; TensorRT reads it since 8.6."""

TOLERANCES = {torch.float32: 1e-4, torch.float16: 0.05}
"""Largest difference from PyTorch that a check lets pass, by precision."""

_LARGEST_FILE = 2_000_000_000
"""Bytes that an ONNX file can have at most."""

_LIBRARIES = ('onnx', 'onnxscript')
_OLDEST_TORCH = (2, 6)


@dataclass(frozen=True)
class Written:
    """
    A file that was written.

    ``operators`` counts its nodes by operator; ``difference`` is as ``compare_with_torch`` returns
    it.
    """

    path: Path
    bytes: int
    seconds: float
    operators: dict[str, int]
    difference: float | None


def check_export(path: Path) -> None:
    """
    Raise an error before the work for what would make the export fail after it.

    That is a path at which no new file can be made, or a library that is not installed.
    """
    if path.suffix != '.onnx':
        raise ConfigError(
            f'--output is {str(path)!r}; allowed is a file name that ends with .onnx')
    check_new(path)
    check_libraries()


def _import(library: str) -> Any:
    return import_extra(library, 'exporting', 'export')


def check_libraries() -> None:
    """Raise MissingExtraError for libraries that are not installed, or are too old."""
    for library in _LIBRARIES:
        _import(library)
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
    # said with "not", so that NaN does not pass
    if difference is not None and not difference <= TOLERANCES[precision]:
        raise ModelError(f'{path}: not written, because ONNX Runtime computes something else than '
                         f'PyTorch: the difference is {difference:.1e}, allowed is '
                         f'{TOLERANCES[precision]:.0e}; give another --precision or --input-size')
    with replacing(path) as partial:
        Path(partial).write_bytes(content)
    operators = Counter(node.op_type for node in model.graph.node).most_common()
    return Written(
        path, len(content), time.perf_counter() - start, dict(operators), difference)


def compare_with_torch(content: bytes, graph: Graph) -> float | None:
    """
    Return the largest difference of an output from PyTorch's; None without ONNX Runtime.

    It is relative to the largest value of the output. For a map of bytes it is the share of pixels
    that differ by more than 1, because which of two classes is the better one may change with the
    last digit of either.
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
            input_names=inputs, output_names=outputs, custom_translation_table={
                torch.ops.aten.index_copy.default: _index_copy})
    return program.model_proto


def _index_copy(rows: Any, dim: int, index: Any, values: Any) -> Any:
    """
    Write ``values`` to ``index`` (n,) of ``rows``, along their first dimension or the second.

    To write along the second, PyTorch's exporter would transpose all rows twice.
    """
    helper = _import('onnx').numpy_helper
    operators = _import('onnxscript').opset18
    # the dimension may be negative
    if dim % len(rows.shape) == 0:
        return operators.ScatterND(
            rows, operators.Unsqueeze(index, operators.Constant(value_ints=[-1])), values)
    shape = [rows.shape[0], index.shape[0], 1]
    first = np.broadcast_to(np.arange(shape[0])[:, None, None], shape)
    places = operators.Expand(
        operators.Unsqueeze(index, operators.Constant(value_ints=[0, 2])),
        operators.Constant(value_ints=shape))
    both = operators.Concat(
        operators.Constant(value=helper.from_array(first.copy())), places, axis=-1)
    return operators.ScatterND(rows, both, values)


@contextmanager
def _quiet() -> Iterator[None]:
    """Hide what the exporter logs and warns about itself."""
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
    """Write into the file what it is; remove the paths of this machine from it."""
    for values, ports in ((model.graph.input, graph.inputs), (model.graph.output, graph.outputs)):
        texts = {port.name: port.text for port in ports}
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


def _said(values: Any) -> dict[str, str]:
    return {value.name: value.doc_string for value in values}
