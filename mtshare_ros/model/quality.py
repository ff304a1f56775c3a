"""
The measured quality of a model at each input size, in a file beside the model.

``NAME.quality.json`` is beside ``NAME.safetensors``, and its metrics are those of the model file
whose checksum it names. Every input size has metrics of its own, because a network
gets worse at sizes far from that of its training.
"""

from dataclasses import asdict, dataclass
import json
from pathlib import Path
from typing import Any, Iterable, Mapping

from mtshare_ros.config import from_values
from mtshare_ros.errors import ConfigError, ModelError
from mtshare_ros.model.manifest import ModelFile
from mtshare_ros.model.weight_files import replacing
from mtshare_ros.tasks import get_task, ordered

FAR = 1.25
"""A side of the input that is more than this factor off that of the training is far from it."""

_SUFFIX = '.quality.json'
_LARGEST_FILE = 1 << 20

_WORDS = {'semseg': 'mean IoU {:.1f} %', 'depth': 'RMSE {:.2f} m', 'normals': 'mean angle {:.1f}°',
          'edge': 'F {:.1f} %', 'human_parts': 'mean IoU {:.1f} %', 'saliency': 'max F {:.1f} %'}
"""The main metric of each task in words."""


@dataclass(frozen=True)
class SizeQuality:
    """
    What was measured at one input size.

    ``figures`` holds the main metric of each task; ``measured_on`` names the data.
    """

    input_size: tuple[int, ...]
    figures: dict[str, float]
    measured_on: str

    def __post_init__(self) -> None:
        """Raise ConfigError for an unknown task."""
        ordered(self.figures)

    @property
    def words(self) -> str:
        """The metrics as a text."""
        return ', '.join(f'{task} {_WORDS[task].format(self.figures[task])}'
                         for task in ordered(self.figures))


@dataclass(frozen=True)
class _Kept:
    """The contents of the file of metrics."""

    sha256: str
    sizes: tuple[SizeQuality, ...]


def quality_path(model: Path) -> Path:
    """Return the path of the file with the metrics of a model file, which is beside it."""
    return model.with_name(model.stem + _SUFFIX)


def read_quality(file: ModelFile) -> tuple[SizeQuality, ...]:
    """
    Return what was measured of a model file, empty where nothing was.

    Metrics of another model file of that name do not count. Raises ModelError for a damaged file.
    """
    path = quality_path(file.path)
    if not path.is_file():
        return ()
    try:
        if path.stat().st_size > _LARGEST_FILE:
            raise ValueError(f'it has more than {_LARGEST_FILE} bytes')
        kept = from_values(_Kept, json.loads(path.read_text(encoding='utf-8')), str(path))
    except (OSError, ValueError, RecursionError, ConfigError) as error:
        raise ModelError(f'{path}: the metrics of the model cannot be read: {error}; delete the '
                         'file and measure again: mtshare evaluate MODEL --store') from error
    return kept.sizes if kept.sha256 == file.sha256 else ()


def store_quality(file: ModelFile, found: SizeQuality) -> Path:
    """
    Put what was measured at one size beside a model file, in place of what was known of that size.

    Returns the file; raises ModelError where it cannot be written.
    """
    path = quality_path(file.path)
    sizes = [known for known in read_quality(file) if known.input_size != found.input_size]
    kept = _Kept(file.sha256, tuple(sorted((*sizes, found), key=lambda item: item.input_size)))
    try:
        with replacing(path) as partial:
            partial.write_text(json.dumps(asdict(kept), indent=2) + '\n', encoding='utf-8')
    except OSError as error:
        raise ModelError(f'{path}: cannot be written: {error.strerror}; copy the model to a '
                         'folder of your own and measure that copy') from error
    return path


def main_figures(metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Return the main metric of each task, without those that are NaN for lack of truth."""
    found = {task: float(figures[get_task(task).metric]) for task, figures in metrics.items()}
    return {task: value for task, value in found.items() if value == value}


def is_far(input_size: tuple[int, ...], trained: tuple[int, ...]) -> bool:
    """Tell whether a side of the input differs by more than FAR from that of the training."""
    return any(max(own, other) > FAR * min(own, other) for own, other in zip(input_size, trained))


def quality_at(
    known: Iterable[SizeQuality], input_size: tuple[int, ...]
) -> SizeQuality | None:
    """Return what was measured at a size, None where nothing was."""
    return next((item for item in known if item.input_size == tuple(input_size)), None)


def say_quality(known: Iterable[SizeQuality], input_size: tuple[int, ...]) -> str:
    """Return a text: the metrics of a model at a size, or the command that measures them."""
    found = quality_at(known, input_size)
    size = _words_of(input_size)
    if found is None:
        return (f'quality at {size} is not known; measure it: mtshare evaluate MODEL --input-size '
                f'{size} --store')
    return f'quality at {size}: {found.words} ({found.measured_on})'


def doubt_size(
    known: Iterable[SizeQuality], input_size: tuple[int, ...], trained: tuple[int, ...]
) -> str:
    """Return a warning with metrics for a size far from that of the training, else empty."""
    known = tuple(known)
    if not is_far(input_size, trained):
        return ''
    text = (f'input_size {_words_of(input_size)} is far from {_words_of(trained)} (height x '
            f'width), which this model was trained at: {say_quality(known, input_size)}')
    at_home = quality_at(known, trained)
    if at_home is None:
        return f'{text}; run it at {_words_of(trained)}, or train at the size you need'
    return f'{text}; {say_quality([at_home], trained)}'


def _words_of(size: tuple[int, ...]) -> str:
    return f'{size[0]}x{size[1]}'
