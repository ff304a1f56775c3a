"""What has to be equal on all machines of a training; found before it would spoil the result."""

from collections.abc import Iterator, Mapping, Sequence
from hashlib import sha256
import json
import platform
from typing import Any

import torch

from mtshare_ros import __version__
from mtshare_ros.config import to_values
from mtshare_ros.errors import TrainingError
from mtshare_ros.inference.device import cuda_device_count, resolve_device
from mtshare_ros.model.description import ModelDescription
from mtshare_ros.model.weight_files import open_weights
from mtshare_ros.training.batch_plan import BatchSource
from mtshare_ros.training.initial_network import initial_path
from mtshare_ros.training.processes import Processes
from mtshare_ros.training.recipe import Recipe, StageRun
from mtshare_ros.training.run_directory import Family


def check_recipes(
    processes: Processes, recipe: Recipe, runs: Sequence[StageRun], device: str
) -> None:
    """
    Check that all processes are about to train the same on the same kind of device.

    Raises TrainingError in every process, naming the first difference and the machine.
    """
    if processes.count == 1:
        return
    _check_equal(processes, {
        'mtshare_ros': __version__, 'torch': str(torch.__version__), 'device': _kind_of(device),
        'recipe': to_values(recipe), 'runs': ', '.join(run.folder for run in runs),
        'sha256 of initial': _digest_of(recipe.initial) if recipe.initial else ''})


def check_data(
    processes: Processes, run: StageRun, source: BatchSource, description: ModelDescription
) -> None:
    """Check that all processes found the same data for a stage; raises as ``check_recipes``."""
    _check_equal(processes, {f'{run.folder}: data': {
        'items': len(source), 'labels': len(description.labels),
        'depth_range': description.depth_range, 'focal_length': description.focal_length}})


def check_folder_of_runs(
    processes: Processes, family: Family, runs: Sequence[StageRun]
) -> None:
    """
    Check that the process that writes has every run that was begun on any machine.

    Raises TrainingError in every process, naming the run and the machine.
    """
    begun = [run.folder for run in runs if family.directory(run).begun]
    first, *others = _all_facts(processes, {'begun': begun})
    for rank, other in enumerate(others, 1):
        missing = [name for name in other['begun'] if name not in first['begun']]
        if missing:
            raise TrainingError(
                f'the run {missing[0]} was begun on {other["machine"]} (process {rank}), in '
                f'{family.path}, but the first process is on {first["machine"]}, which does not '
                f'have it; give {other["machine"]} the option --node-rank 0 of torchrun, or '
                f'copy that folder to {first["machine"]}, or delete it')


def _check_equal(processes: Processes, facts: Mapping[str, Any]) -> None:
    first, *others = _all_facts(processes, facts)
    expected = dict(_flat(first))
    for rank, other in enumerate(others, 1):
        found = dict(_flat(other))
        for name in (*expected, *found):
            if name != 'machine' and found.get(name) != expected.get(name):
                raise TrainingError(
                    f'{name} is {found.get(name)} on {other["machine"]} (process {rank}), and '
                    f'{expected.get(name)} on {first["machine"]} (process 0); all machines need '
                    'the same recipe, options, data and versions')


def _kind_of(device: str) -> str:
    return resolve_device(device, cuda_devices=cuda_device_count()).name.partition(':')[0]


def _digest_of(initial: str) -> str:
    """Return the sha256 of tensors and their names; files with the same ones may differ."""
    path, digest = initial_path(initial), sha256()
    for file in sorted(path.glob('*.safetensors')) if path.is_dir() else [path]:
        with open_weights(file) as weights:
            for name in sorted(weights.keys()):
                values = weights.get_tensor(name).reshape(-1).view(torch.uint8)
                digest.update(name.encode() + values.numpy().tobytes())
    return digest.hexdigest()


def _all_facts(processes: Processes, facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    own = json.dumps({'machine': platform.node(), **facts})
    return [json.loads(text) for text in processes.gather(own)]


def _flat(values: Any, name: str = '') -> Iterator[tuple[str, Any]]:
    """Yield the values of nested mappings by their names, joined with dots."""
    if not isinstance(values, dict):
        yield name, values
        return
    for key, value in values.items():
        yield from _flat(value, f'{name}.{key}' if name else key)
