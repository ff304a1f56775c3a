"""Label sets: the names and display colours behind the numbers of a semantic mask."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from mtshare_ros.config import require
from mtshare_ros.errors import ConfigError
from mtshare_ros.resources import share_directory


@dataclass(frozen=True)
class LabelSet:
    """
    At most 255 class names in the order of their ids, and one RGB colour (0-255) each.

    A model without classes has none.
    """

    name: str
    names: tuple[str, ...]
    colors: tuple[tuple[int, int, int], ...]

    def __post_init__(self) -> None:
        """Raise ConfigError for what no mask of 8 bits can show."""
        require(len(self.names) <= 255, 'the number of names', len(self.names), '255 at most')
        require(len(self.colors) == len(self.names), 'the number of colors', len(self.colors),
                f'{len(self.names)}, one for each name')
        for color in self.colors:
            require(len(color) == 3 and all(0 <= level <= 255 for level in color), 'a color',
                    list(color), 'three numbers from 0 to 255')

    def __len__(self) -> int:
        return len(self.names)

    def palette(self) -> np.ndarray:
        """Return the colours as a (256, 3) uint8 table; ids without a class are black."""
        table = np.zeros((256, 3), np.uint8)
        table[:len(self)] = np.reshape(self.colors, (-1, 3))
        return table


def load_labels(name: str) -> LabelSet:
    """Load ``config/labels/<name>.yaml``; raise ConfigError where it is missing or malformed."""
    folder = share_directory() / 'config' / 'labels'
    path = folder / f'{name}.yaml'
    if not path.is_file():
        known = ', '.join(sorted(file.stem for file in folder.glob('*.yaml')))
        raise ConfigError(f'no label set {name!r} in {folder}; there are: {known}')
    return read_labels(path)


def read_labels(path: Path) -> LabelSet:
    """Read a label file: a list of ``{id, name, rgb}`` whose ids count up from 0."""
    rows = yaml.safe_load(path.read_text())
    try:
        ids = [row['id'] for row in rows]
        names = tuple(str(row['name']) for row in rows)
        colors = tuple((int(r), int(g), int(b)) for r, g, b in (row['rgb'] for row in rows))
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(
            f'{path}: every label needs id, name and rgb (three numbers 0-255): {error!r}'
        ) from error
    if ids != list(range(len(ids))) or len(ids) > 255:
        raise ConfigError(f'{path}: ids must count up from 0 to at most 254, found {ids}')
    return LabelSet(path.stem, names, colors)
