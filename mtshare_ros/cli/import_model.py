"""``mtshare import``: makes a model of public weights in local files."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
import re
from typing import Annotated, Any, TYPE_CHECKING

import typer

from mtshare_ros.cli.options import (
    input_size_option,
    JsonOption,
    offering,
    read_height_width,
    read_list,
    TasksOption,
)
from mtshare_ros.cli.output import check_folder, print_table, warn, write_json
from mtshare_ros.errors import ConfigError

if TYPE_CHECKING:
    from mtshare_ros.model.description import ModelDescription
    from mtshare_ros.model.importing.combination import Imported, Part

SourcesArgument = Annotated[list[Path], typer.Argument(
    metavar='SOURCE', help='Folders with config.json, or .safetensors files: a backbone and the '
                           'heads on it.')]
OutputOption = Annotated[Path, typer.Option(metavar='FILE', help='The model, a new file.')]
InputSizeOption = Annotated[str, input_size_option()]
LabelsOption = Annotated[Path | None, typer.Option(
    metavar='FILE', help='Names of the classes: a list of {id, name, rgb}, as in '
                         'config/labels/ade20k150.yaml.')]
ByGeometryOption = Annotated[str | None, typer.Option(
    metavar='TASK,...', autocompletion=offering('normals', 'edge', 'normals,edge'),
    help='Work normals or edges out from the depth, although a source has a head for them.')]
DepthRangeOption = Annotated[tuple[float, float] | None, typer.Option(
    metavar='NEAR FAR', help='Metres of the first and the last bin of a depth head, where '
                             'neither the configuration nor the file name says so.')]
LicenceOption = Annotated[list[str] | None, typer.Option(
    metavar='SOURCE=TEXT', help='The licence of a source, where its folder does not say it.')]
TensorsOption = Annotated[bool, typer.Option(
    '--tensors', help='Print every tensor of the sources with its shape; those that are not used '
                      'end with a dash.')]

EXAMPLES = """
mtshare import depth-anything-v2-metric-indoor-small-hf --output depth.safetensors
mtshare import dinov2-small ade20k.safetensors nyu.safetensors --output my.safetensors
mtshare import tipsv2-b14-dpt --output tips.safetensors --tasks semseg,depth --input-size 448x448
mtshare import dinov2-small mine.safetensors --labels mine.yaml --output my.safetensors
mtshare import dinov2 head.safetensors --licence dinov2=Apache-2.0 --output my.safetensors
"""

def import_model(
    sources: SourcesArgument,
    output: OutputOption,
    input_size: InputSizeOption = '336x448',
    labels: LabelsOption = None,
    tasks: TasksOption = None,
    by_geometry: ByGeometryOption = None,
    depth_range: DepthRangeOption = None,
    licence: LicenceOption = None,
    tensors: TensorsOption = False,
    json: JsonOption = None,
) -> None:
    """
    Make one model of public weights: one backbone, and the heads of every source on it.

    Reads local files only, and of those only safetensors: DINOv2 (Hugging Face, timm, Meta) and
    DINOv3 backbones, DINOv2's linear heads, Depth Anything, TIPSv2 with its heads. Normals and
    edges without a head are worked out from the depth, of a relative depth only edges. The sources
    with their licences and sha256, and what was used of them, are printed and kept in the file.
    """
    from mtshare_ros.model.checkpoint import check_new, save_checkpoint
    from mtshare_ros.model.importing.combination import BY_GEOMETRY, combine_sources, ImportOptions
    from mtshare_ros.model.importing.source import open_source
    from mtshare_ros.tasks import read_labels, TASKS

    check_new(output)
    check_folder(json)
    said = ImportOptions(
        input_size=read_height_width(input_size, '--input-size'), depth_range=depth_range or (),
        tasks=() if tasks is None else read_list('--tasks', tasks, TASKS),
        by_geometry=() if by_geometry is None else read_list(
            '--by-geometry', by_geometry, BY_GEOMETRY),
        labels=None if labels is None else read_labels(labels))
    known = _licences(licence or [], sources)
    imported = combine_sources([open_source(path, known.get(path, '')) for path in sources], said)
    for part in imported.parts:
        _print_part(part, tensors)
    _print_tasks(imported)
    description = _with_peaks(imported)
    save_checkpoint(output, imported.checkpoint.network, description)
    typer.echo(f'\nwrote {output} ({output.stat().st_size / 1e6:.0f} MB); not calibrated: mtshare '
               'calibrate --help')
    write_json(json, _values(imported))


def _with_peaks(imported: 'Imported') -> 'ModelDescription':
    """Measure and print the largest numbers in the network; return the description with them."""
    from mtshare_ros.model.half_precision import doubt_half, HALF_MAX, measure_peaks, weight_peak

    network, description = imported.checkpoint.network, imported.checkpoint.description
    peaks = measure_peaks(network, description.architecture.input_size)
    typer.echo(f'\nthe largest number on a trial picture is {peaks[0].value:,.0f}, at '
               f'{peaks[0].name}; fp16 holds {HALF_MAX:,.0f}')
    for doubt in doubt_half(weight_peak(network), peaks):
        warn(f'warning: {doubt}')
    return replace(description, peaks=peaks)


def _licences(texts: list[str], sources: list[Path]) -> dict[Path, str]:
    """Return the licences by source; a source may be named in full or by its last part."""
    found = {}
    for text in texts:
        name, _, licence = text.partition('=')
        fitting = [path for path in sources if name in (str(path), path.absolute().name)]
        if len(fitting) != 1 or not licence:
            raise ConfigError(
                f'--licence is {text!r}; allowed is SOURCE=TEXT, SOURCE being one of '
                f'{", ".join(map(str, sources))}')
        found[fitting[0]] = licence
    return found


def _print_part(part: 'Part', tensors: bool) -> None:
    typer.echo(f'{part.source.name}')
    for summary in _taken(part) or ['nothing of it is needed']:
        typer.echo(f'    {summary}')
    typer.echo(f'    licence: {part.source.licence}')
    typer.echo(f'    sha256:  {part.source.sha256}')
    count = len(part.source.tensors)
    typer.echo(f'    {count - len(part.unused)} of {count} tensors are used'
               f'{"; not used:" if part.unused else ""}')
    for name, alike in Counter(re.sub(r'\b\d+\b', '*', name) for name in part.unused).items():
        typer.echo(f'        {name}{f" ({alike})" if alike > 1 else ""}')
    for name, value in part.source.tensors.items() if tensors else ():
        typer.echo(f'        {name} {list(value.shape)}{" -" if name in part.unused else ""}')


def _taken(part: 'Part') -> list[str]:
    return ([part.backbone.summary] if part.backbone else []) + [
        f'{head.task}: {head.summary}' for head in part.heads]


def _print_tasks(imported: 'Imported') -> None:
    shape, heads = imported.checkpoint.description.architecture, imported.checkpoint.network.heads
    rows = []
    for task in imported.checkpoint.description.tasks:
        head = shape.head_of(task)
        blocks = weights = '-'
        if head.kind != 'geometry':
            blocks = ', '.join(map(str, shape.taps_of(head)))
            count = sum(value.numel() for value in heads[task].parameters())
            weights = f'{count / 1e6:.2f} M'
        rows.append((task, head.kind, blocks, weights))
    print_table('Tasks', ('task', 'head', 'blocks it reads', 'weights'), rows)
    for note in imported.notes:
        typer.echo(f'  {note}')


def _values(imported: 'Imported') -> dict[str, Any]:
    from mtshare_ros.config import to_values

    description = imported.checkpoint.description
    return {
        'tasks': description.tasks, 'backbone_sha256': description.backbone_sha256,
        'architecture': to_values(description.architecture), 'notes': imported.notes,
        'sources': [{
            'name': part.source.name, 'sha256': part.source.sha256,
            'licence': part.source.licence, 'taken': _taken(part), 'unused': part.unused,
            'tensors': {name: list(value.shape) for name, value in part.source.tensors.items()},
        } for part in imported.parts],
    }
