"""The fixed views of the procedural rooms that models are measured on."""

from typing import Iterator

import numpy as np

from mtshare_ros.data.rooms.frame import RoomFrame
from mtshare_ros.data.rooms.renderer import LIVE, Renderer
from mtshare_ros.data.rooms.scene import make_room
from mtshare_ros.data.rooms.views import render_view, test_views, validation_views, View
from mtshare_ros.errors import ConfigError
from mtshare_ros.evaluation.scoring import tasks_with_truth
from mtshare_ros.inference.engine import Engine
from mtshare_ros.labels import LabelSet, load_labels
from mtshare_ros.tasks import DEFAULT_TASKS

_VIEWS = {'validation': validation_views, 'test': test_views}


def room_labels() -> LabelSet:
    """Return the classes of the rooms' truth."""
    return load_labels('nyu40')


def tasks_of_rooms(engine: Engine) -> tuple[str, ...]:
    """Return the tasks of a model that rooms have the truth of; classes must be the same."""
    same = engine.labels.names == room_labels().names
    return tuple(task for task in tasks_with_truth(engine)
                 if task in DEFAULT_TASKS and (task != 'semseg' or same))


def fixed_views(split: str, count: int | None = None) -> list[View]:
    """
    Return ``count`` views of ``validation`` or ``test``, spread over the rooms; None is all.

    Raises ConfigError for another split or a count that the split does not have.
    """
    if split not in _VIEWS:
        raise ConfigError(f'split is {split!r}; allowed are {", ".join(_VIEWS)}')
    views = _VIEWS[split]()
    count = len(views) if count is None else count
    if not 1 <= count <= len(views):
        raise ConfigError(f'views is {count}; the split {split} has 1 to {len(views)}')
    return [views[place] for place in np.arange(count) * len(views) // count]


def render_fixed_views(views: list[View], *, size: tuple[int, int]) -> Iterator[RoomFrame]:
    """
    Render views at (height, width), as the simulated camera renders them.

    Raises MissingExtraError where numba is not installed.
    """
    renderer = Renderer(height=size[0], width=size[1], quality=LIVE)
    room = None
    for view in views:
        if room is None or room.seed != view.room_seed:
            room = make_room(view.room_seed)
        yield render_view(renderer, room, view.number)
