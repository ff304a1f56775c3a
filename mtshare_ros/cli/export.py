"""``mtshare export``: a model as a file for TensorRT and other runtimes."""

from dataclasses import dataclass
from enum import Enum
import math
from pathlib import Path
from typing import Annotated, TYPE_CHECKING

import typer

from mtshare_ros.cli.options import (
    InputSizeOption,
    JsonOption,
    ModelArgument,
    read_height_width,
    read_list,
    TasksOption,
)
from mtshare_ros.cli.output import check_folder, print_table, write_json
from mtshare_ros.errors import ConfigError

if TYPE_CHECKING:
    import torch

    from mtshare_ros.export.onnx_file import Graph, Written
    from mtshare_ros.model.checkpoint import Checkpoint
    from mtshare_ros.model.network import MultiTaskNetwork


class FilePrecision(str, Enum):
    """The precision of an exported file."""

    FP32 = 'fp32'
    FP16 = 'fp16'


class FileOutputs(str, Enum):
    """What an exported file returns."""

    MAPS = 'maps'
    RAW = 'raw'


OutputOption = Annotated[Path, typer.Option(metavar='FILE.onnx', help='A new file.')]
PrecisionOption = Annotated[FilePrecision, typer.Option(
    '--precision', help='fp16: products in half precision, norms and last layers in single.')]
OutputsOption = Annotated[FileOutputs, typer.Option(
    '--outputs', help='Maps in the size of the input, or the raw outputs of the heads.')]
UpdateOption = Annotated[str | None, typer.Option(
    '--update', metavar='PATCHES|SHARE|all',
    help='Instead of the dense network: frames of which only so many listed patches are computed; '
         'the rest is in states, inputs and outputs of the file. all: a first frame, without '
         'states as inputs.')]
KeepOption = Annotated[float, typer.Option(
    '--keep', min=0.05, max=1.0, metavar='SHARE',
    help='With --update: the share of the listed patches, those that changed most, that go '
         'through the blocks.')]


def check_keep(keep: float, update: str | None) -> None:
    """Refuse a share of listed patches for a file without a list of patches as an input."""
    if keep < 1 and update in (None, 'all'):
        raise ConfigError(f'--keep is {keep:g} for a file that computes every patch; give it '
                          'with --update and a number or a share of patches')


def read_update(text: str, patch_count: int) -> int | None:
    """Return how many of the patches ``--update`` asks for, None for all."""
    if text == 'all':
        return None
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if 0 < number < 1:
        return math.ceil(number * patch_count)
    if number >= 1 and number.is_integer():
        return int(number)
    raise ConfigError(f'--update is {text!r}; allowed are a number of patches, 1 or more, a '
                      'share of them below 1, or all')

EXAMPLES = """
mtshare export default --output dense.onnx
mtshare export default --output dense.onnx --input-size 480x640 --precision fp16
mtshare export default --output raw.onnx --outputs raw --tasks semseg,depth
mtshare export default --output first.onnx --update all
mtshare export default --output update.onnx --update 0.125
"""


def export(
    model: ModelArgument,
    output: OutputOption,
    input_size: InputSizeOption = None,
    precision: PrecisionOption = FilePrecision.FP32,
    tasks: TasksOption = None,
    outputs: OutputsOption = FileOutputs.MAPS,
    update: UpdateOption = None,
    keep: KeepOption = 1.0,
    json: JsonOption = None,
) -> None:
    """
    Write a model as an ONNX file, for TensorRT and other runtimes.

    The file holds the dense network for images of one size: an RGB image as a camera gives it in,
    all maps out, in standard operators. With --update it computes the patches that a program
    lists, and keeps the rest in states. Its metadata have names, units, classes, normalisation and
    licences. Where ONNX Runtime is installed, the difference to PyTorch is measured.
    """
    from mtshare_ros.export.dense import choose_tasks
    from mtshare_ros.export.onnx_file import check_export, facts_of, write_onnx
    from mtshare_ros.inference.device import resolve_precision
    from mtshare_ros.inference.model_facts import choose_input_size
    from mtshare_ros.model.checkpoint import load_checkpoint
    from mtshare_ros.model.manifest import find_model
    from mtshare_ros.tasks import TASKS

    check_keep(keep, update)
    check_export(output)
    check_folder(json)
    file = find_model(model)
    checkpoint = load_checkpoint(file.path)
    network = checkpoint.network
    size = choose_input_size(
        None if input_size is None else read_height_width(input_size, '--input-size'),
        network.config, f'the model {file.name!r}')
    asked = None if tasks is None else read_list('--tasks', tasks, TASKS)
    dtype = resolve_precision(precision.value, 'cuda')
    if precision is FilePrecision.FP16:
        _warn_of_halves(checkpoint)
    wanted = _Wanted(network, choose_tasks(network, asked), size, outputs.value, dtype)
    graph = wanted.dense() if update is None else wanted.update(update, keep)
    facts = facts_of(file, checkpoint.description, size, precision.value)
    written = write_onnx(output, graph, facts, dtype)
    _print(written, graph)
    if asked is None:
        _name_left_out(checkpoint)
    write_json(json, {
        'file': str(written.path), 'bytes': written.bytes, 'seconds': written.seconds,
        'operators': written.operators, 'difference': written.difference})


def _name_left_out(checkpoint: 'Checkpoint') -> None:
    """Print which tasks of a model are not in an exported file."""
    tasks = checkpoint.network.tasks
    left_out = [task for task in checkpoint.description.tasks if task not in tasks]
    if left_out:
        typer.echo(f'not in the file: {", ".join(left_out)}, which have no weights; the program '
                   'that runs the file has to work them out from the depth')


def _warn_of_halves(checkpoint: 'Checkpoint') -> None:
    from mtshare_ros.model.half_precision import doubt_half, peaks_of, weight_peak

    network = checkpoint.network
    peaks = peaks_of(network, checkpoint.description)
    for doubt in doubt_half(weight_peak(network), peaks, instead='fp32'):
        typer.echo(f'warning: {doubt}', err=True)


@dataclass(frozen=True)
class _Wanted:
    """What a file is made of, and the two kinds of graphs."""

    network: 'MultiTaskNetwork'
    tasks: tuple[str, ...]
    size: tuple[int, int]
    outputs: str
    precision: 'torch.dtype'

    def dense(self) -> 'Graph':
        from mtshare_ros.export.dense import dense_graph

        return dense_graph(self.network, self.tasks, self.size, outputs=self.outputs,
                           precision=self.precision)

    def update(self, text: str, keep: float) -> 'Graph':
        from mtshare_ros.export.update import (
            choose_sizes,
            update_graph,
            UpdateNetwork,
            whole_graph,
        )

        rows, columns = self.network.config.grid_of(self.size)
        patches = read_update(text, rows * columns)
        network = UpdateNetwork(
            self.network, self.tasks, self.size, self.outputs, self.precision)
        if patches is None:
            return whole_graph(network)
        return update_graph(network, choose_sizes(network, patches, keep))


def _print(written: 'Written', graph: 'Graph') -> None:
    rows = [(f'{kind} {port.name}', 'x'.join(map(str, value.shape)),
             str(value.dtype).removeprefix('torch.'), port.text)
            for kind, ports, values in (('input', graph.inputs, graph.examples),
                                        ('output', graph.outputs, graph.results))
            for port, value in zip(ports, values)]
    print_table(str(written.path), ('', 'shape', 'type', 'what it holds'), rows)
    count = sum(written.operators.values())
    typer.echo(f'wrote {written.path} ({written.bytes / 1e6:.1f} MB, {count} operators, '
               f'{written.seconds:.0f} s)')
    if written.difference is None:
        typer.echo("not checked: ONNX Runtime is not installed: pip install 'mtshare_ros[export]'")
    else:
        typer.echo(f'ONNX Runtime differs from PyTorch by {written.difference:.1e}')
