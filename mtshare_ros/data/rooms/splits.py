"""Train, validation and test: ranges of seeds that never overlap."""

from mtshare_ros.data.rooms.views import View
from mtshare_ros.errors import ConfigError

_RANGES = {
    'train': range(0, 1_000_000),
    'validation': range(1_000_000, 1_100_000),
    'test': range(1_100_000, 1_200_000),
}
SPLITS = tuple(_RANGES)
VIEWS_PER_ROOM = 4
_ROOMS = 64


def split_seeds(split: str) -> range:
    """Return the room seeds of a split; raise ConfigError for an unknown one."""
    try:
        return _RANGES[split]
    except KeyError:
        raise ConfigError(
            f'unknown split {split!r} of the procedural rooms; allowed: {", ".join(SPLITS)}'
        ) from None


def test_views() -> tuple[View, ...]:
    """Return the fixed views of the test split: 256 of 64 rooms."""
    return _views('test')


def validation_views() -> tuple[View, ...]:
    """Return the fixed views of the validation split: 256 of 64 rooms."""
    return _views('validation')


def _views(split: str) -> tuple[View, ...]:
    seeds = split_seeds(split)[:_ROOMS]
    return tuple(View(seed, number) for seed in seeds for number in range(VIEWS_PER_ROOM))
