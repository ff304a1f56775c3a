"""What ``mtshare models info`` prints about a model."""

from dataclasses import asdict
from typing import Any, TYPE_CHECKING

import typer

from mtshare_ros.cli.output import print_table

if TYPE_CHECKING:
    from mtshare_ros.model.checkpoint import Checkpoint, Storage
    from mtshare_ros.model.description import ModelDescription
    from mtshare_ros.model.manifest import ModelFile
    from mtshare_ros.model.network import MultiTaskNetwork

DELTA_NOTE = """\
share of the weights that differ from the base task's: of all weights of the encoder, shared blocks
counted, and of the linear weights of each block that is not shared\
"""


def facts_of(file: 'ModelFile', checkpoint: 'Checkpoint') -> dict[str, str]:
    """Return what is known of a model, by the names that are printed before the texts."""
    description, shape = checkpoint.description, checkpoint.description.architecture
    weights = sum(value.numel() for value in checkpoint.network.parameters())
    return {
        'sha256': file.sha256,
        'tasks': _tasks(description),
        'labels': f'{description.labels.name}, {len(description.labels)} classes',
        'input': f'{"x".join(map(str, shape.input_size))} (height x width)',
        'network': f'{shape.depth} blocks of width {shape.embed_dim}, {shape.num_heads} heads, '
                   f'{shape.stem} stem of {shape.patch_size} pixels, {shape.position} position, '
                   f'{weights / 1e6:.2f} M weights',
        'camera': f'{_focal_length(description)}, {_depths(description)}',
        'trained on': description.trained_on or 'not stated',
        'made of': '; '.join(
            f'{source.name} ({", ".join(source.parts)}; {source.licence}; sha256 {source.sha256})'
            for source in description.sources) or 'nothing of others',
        'fp16': _range(checkpoint),
        'quality': _quality(file),
        'calibrated': description.calibration or 'no, sharing uses default thresholds',
    }


def _range(checkpoint: 'Checkpoint') -> str:
    """Return the largest number on a trial picture, beside what half precision can hold."""
    from mtshare_ros.model.half_precision import HALF_MAX, peaks_of

    peak = peaks_of(checkpoint.network, checkpoint.description)[0]
    return (f'holds {HALF_MAX:,.0f}; the largest number on a trial picture is {peak.value:,.0f}, '
            f'at {peak.name}')


def _quality(file: 'ModelFile') -> str:
    from mtshare_ros.model.quality import read_quality, say_quality

    known = read_quality(file)
    return '; '.join(say_quality([item], item.input_size) for item in known) or \
        'not measured; mtshare evaluate MODEL --store'


def _focal_length(description: 'ModelDescription') -> str:
    if description.focal_length is None:
        return 'focal length of the training images not known'
    return f'trained with a focal length of {description.focal_length:.1f} pixels'


def _tasks(description: 'ModelDescription') -> str:
    """Return the tasks, and which of them have no weights and are worked out from depth."""
    derived = [task for task in description.tasks
               if description.architecture.head_of(task).kind == 'geometry']
    from_depth = f'; {", ".join(derived)} worked out from depth' if derived else ''
    return f'{", ".join(description.tasks)}{from_depth}'


def _depths(description: 'ModelDescription') -> str:
    if description.architecture.relative_depth:
        return 'depth is relative (inverse depth without scale and shift), never metres'
    if description.depth_range is None:
        return 'range of the depths not known'
    near, far = description.depth_range
    return f'depths {near:.1f} to {far:.1f} m'


def delta_shares(network: 'MultiTaskNetwork') -> dict[str, dict[str, Any]]:
    """Return, for every sub-task with an encoder, the share of its weights that differ."""
    from mtshare_ros.model.deltas import delta_density, delta_share_of_encoder

    return {
        task: {
            'encoder': delta_share_of_encoder(network, task),
            'blocks': {block: asdict(density) for block, density in
                       enumerate(delta_density(network, task), start=network.config.shared_depth)},
        }
        for task in network.branches
    }


def print_delta_shares(deltas: dict[str, dict[str, Any]]) -> None:
    """Print what ``delta_shares`` returned."""
    blocks = next(iter(deltas.values()))['blocks']
    print_table('Delta weights', ('part', *deltas), (
        ('encoder', *(f'{values["encoder"]:.2%}' for values in deltas.values())),
        *((f'block {number}', *(f'{values["blocks"][number]["elements"]:.2%}'
                                for values in deltas.values())) for number in blocks)))
    typer.echo(DELTA_NOTE)


def print_storage(storage: 'Storage') -> None:
    """Print how many megabytes the parts of a model take."""
    parts = {'stem and base encoder': storage.base_bytes,
             **{f'{task}: delta weights': size for task, size in storage.delta_bytes.items()},
             'all tasks, without heads': storage.base_bytes + sum(storage.delta_bytes.values())}
    print_table('Storage', ('part', 'MB', 'of the base'), (
        *((name, f'{size / 1e6:.2f}', f'{size / storage.base_bytes:.2f}')
          for name, size in parts.items()),
        *((f'{task}: head', f'{size / 1e6:.2f}', '')
          for task, size in storage.head_bytes.items())))
