"""Label sets for imported semantic heads."""

import colorsys
import re

from mtshare_ros.errors import ModelError
from mtshare_ros.model.importing.source import Source
from mtshare_ros.tasks import LabelSet, load_labels

_KNOWN = {150: 'ade20k150', 21: 'pascal21', 40: 'nyu40'}
"""Label sets of this package by the number of their classes."""
_GOLDEN = 0.618033988749895
_NUMBERED = re.compile(r'LABEL_\d+')


def named_classes(source: Source, count: int) -> LabelSet | None:
    """Return the classes that a configuration names, None where it only numbers them."""
    names = source.config.get('id2label') or {}
    found = [str(names.get(str(number), f'LABEL_{number}')) for number in range(count)]
    if count > 255 or any(_NUMBERED.fullmatch(name) for name in found):
        return None
    return LabelSet(source.name, tuple(found), tuple(_color(number) for number in range(count)))


def labels_for(count: int, source: str) -> LabelSet:
    """Return the shipped label set of so many classes; raise ModelError where there is none."""
    if count not in _KNOWN:
        raise ModelError(
            f'{source}: its semantic head has {count} classes, and no label set of this package '
            f'has as many (there are {", ".join(map(str, _KNOWN.values()))}); give one with '
            '--labels FILE, a list of {id, name, rgb} as in config/labels/ade20k150.yaml')
    return load_labels(_KNOWN[count])


def _color(number: int) -> tuple[int, int, int]:
    """Return a colour that differs from those of the numbers around it."""
    red, green, blue = colorsys.hsv_to_rgb(
        number * _GOLDEN % 1, (0.55, 0.75, 0.95)[number % 3], (0.95, 0.75, 0.6)[number // 3 % 3])
    return round(255 * red), round(255 * green), round(255 * blue)
