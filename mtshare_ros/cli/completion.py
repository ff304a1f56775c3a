"""What the shell offers when TAB is pressed; torch, ROS and numba are not imported for it."""

from typing import Callable

from mtshare_ros.errors import MtshareError

Offer = list[tuple[str, str]]
"""Words, and what is said of each where the shell shows that; typer takes those that fit."""


def offer_models() -> Offer:
    """Return the shipped models; where a file is begun none fits, and the shell offers files."""
    from mtshare_ros.model.manifest import load_manifest

    try:
        manifest = load_manifest()
    except MtshareError:
        # the command itself says what is wrong; a prompt is no place for it
        return []
    return [('default', manifest.default),
            *((name, ', '.join(entry.tasks)) for name, entry in manifest.models.items())]


def offer_tasks() -> Offer:
    """Return the tasks."""
    from mtshare_ros.tasks import TASKS

    return [(name, spec.ros_name) for name, spec in TASKS.items()]


def offer_task_list(incomplete: str) -> Offer:
    """Return the tasks for the last item of a list with commas, without those given already."""
    *given, _ = incomplete.split(',')
    before = ''.join(f'{name},' for name in given)
    return [(before + name, text) for name, text in offer_tasks() if name not in given]


def offering(*words: str) -> Callable[[], list[str]]:
    """Return the completion of an option that takes one of a few words."""
    return lambda: list(words)
