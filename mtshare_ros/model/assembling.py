"""One model of many tasks out of a base task and sub-tasks that were trained on it one by one."""

from dataclasses import replace
from typing import Mapping

import torch

from mtshare_ros.errors import ModelError
from mtshare_ros.model.checkpoint import Checkpoint
from mtshare_ros.model.description import ModelDescription
from mtshare_ros.model.network import build_model
from mtshare_ros.tasks import ordered


def assemble(
    base: Checkpoint, sub_tasks: Mapping[str, Checkpoint], *, trained_on: str = ''
) -> Checkpoint:
    """
    Return one network with the base task and every sub-task, not calibrated.

    ``base`` has one task; each checkpoint of ``sub_tasks`` has this task, exactly as it is in
    ``base``, and the one it stands for, with a branch of its own. The depth range of the result
    covers all of theirs. Raises ModelError where one was made from another base, naming the first
    tensor that differs, or has another architecture, label set or camera.
    """
    _check_tasks(base, sub_tasks)
    state = base.network.state_dict()
    for task, part in sub_tasks.items():
        _check_description(task, part.description, base.description, sub_tasks)
        own = part.network.state_dict()
        _check_base(task, own, base.network.state_dict())
        state |= {name: value for name, value in own.items()
                  if name.startswith((f'branches.{task}.', f'heads.{task}.'))}
    description = _joined(base, sub_tasks, trained_on)
    network = build_model(description.architecture, description.tasks, len(description.labels))
    network.load_state_dict(state)
    return Checkpoint(network.eval(), description)


def _check_tasks(base: Checkpoint, sub_tasks: Mapping[str, Checkpoint]) -> None:
    base_task = base.network.base_task
    if len(base.network.tasks) != 1 or not sub_tasks:
        raise ModelError(
            f'the base has the tasks {", ".join(base.network.tasks)}, and there are '
            f'{len(sub_tasks)} sub-tasks; needed are a base of one task and one sub-task or more')
    for task, part in sub_tasks.items():
        network = part.network
        if network.tasks != (base_task, task) or task not in network.branches:
            raise ModelError(
                f'{task}: its checkpoint has the tasks {", ".join(network.tasks)}, with branches '
                f'of {", ".join(network.branches) or "none"}; needed are the base task '
                f'{base_task} and {task}, with a branch of {task}')


def _check_description(
    task: str, own: ModelDescription, base: ModelDescription, sub_tasks: Mapping[str, Checkpoint]
) -> None:
    first = next(iter(sub_tasks.values())).description.architecture
    # a base task alone has no sub-tasks to share its blocks with
    shape = replace(base.architecture, shared_blocks=first.shared_blocks)
    for what, found, needed in (
            ('architecture', own.architecture, shape),
            ('labels', own.labels, base.labels),
            ('focal length', own.focal_length, base.focal_length)):
        if found != needed:
            raise ModelError(
                f'{task}: the {what} of its checkpoint is {found}, that of the others {needed}; '
                'only models of one kind can be put together')


def _check_base(
    task: str, own: Mapping[str, torch.Tensor], base: Mapping[str, torch.Tensor]
) -> None:
    """Compare what a file holds: floats, no counters of training steps."""
    different = next((name for name, value in base.items() if value.is_floating_point()
                      and not torch.equal(value, own[name])), None)
    if different is not None:
        raise ModelError(
            f'{task}: {different} differs from that of the base, so its checkpoint was made from '
            'another base or did not keep it fixed; train it again from this one')


def _joined(
    base: Checkpoint, sub_tasks: Mapping[str, Checkpoint], trained_on: str
) -> ModelDescription:
    parts = [part.description for part in sub_tasks.values()]
    ranges = [known for item in (base.description, *parts) if (known := item.depth_range)]
    return replace(
        base.description, architecture=parts[0].architecture, thresholds={}, calibration='',
        tasks=ordered((base.network.base_task, *sub_tasks)),
        depth_range=(min(near for near, _ in ranges), max(far for _, far in ranges))
        if ranges else None,
        trained_on=trained_on)
