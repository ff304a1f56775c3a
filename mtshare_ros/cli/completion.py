"""What the shell offers when TAB is pressed; torch, ROS and numba are not imported for it."""

from typing import Callable, TYPE_CHECKING

from mtshare_ros.errors import MtshareError

if TYPE_CHECKING:
    from mtshare_ros.model.manifest import Catalogue

Offer = list[tuple[str, str]]
"""Words, and what is said of each where the shell shows that; typer takes those that fit."""


def offer_models() -> Offer:
    """Return the models; where a file is begun none fits, and the shell offers files."""
    from mtshare_ros.model.manifest import load_catalogue

    try:
        catalogue = load_catalogue()
    except MtshareError:
        # the command itself says what is wrong; a prompt is no place for it
        return []
    return [('default', _default(catalogue)), *((name, ', '.join(manifest.models[name].tasks))
                                    for name, manifest in catalogue)]


def _default(catalogue: 'Catalogue') -> str:
    try:
        return catalogue.default
    except MtshareError:
        return ''


def offer_added_models() -> Offer:
    """Return the models that the user added."""
    from mtshare_ros.model.manifest import load_catalogue

    try:
        added = load_catalogue().added
    except MtshareError:
        return []
    return [(name, ', '.join(entry.tasks)) for name, entry in added.models.items()]


def offer_heads() -> Offer:
    """Return the models that ship without their backbone."""
    from mtshare_ros.model.manifest import load_manifest

    try:
        heads = load_manifest().heads
    except MtshareError:
        return []
    return [(name, ', '.join(entry.tasks)) for name, entry in heads.items()]


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
