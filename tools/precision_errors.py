"""
Print what half precision changes in models, as a table: ``tools/precision_errors.py MODEL...``.

Computed on the CPU, which rounds as a GPU does, on rooms seen by a camera held in the hand; a
minute for a small model, ten for one of 22 million weights.
"""

from dataclasses import dataclass
import sys
from typing import Iterator, Sequence

import numpy as np
import torch

from mtshare_ros.data.rooms.streams import STREAMS
from mtshare_ros.evaluation.output_error import DENSE, relative_error
from mtshare_ros.inference.postprocess import decode, fields_of
from mtshare_ros.model.backbone import to_tensor
from mtshare_ros.model.checkpoint import Checkpoint, load_checkpoint
from mtshare_ros.model.description import default_thresholds
from mtshare_ros.model.half_precision import measure_peaks
from mtshare_ros.model.manifest import find_model
from mtshare_ros.model.network import fuse_batch_norm
from mtshare_ros.sharing.camera_cache import ActivationCache
from mtshare_ros.sharing.plan import PlanBounds
from mtshare_ros.sharing.sharing_network import SharingNetwork
from mtshare_ros.sharing.sharing_settings import SharingSettings
from mtshare_ros.tasks import DEFAULT_TASKS

FRAMES = 10
HALVES = {'fp16': torch.float16, 'bf16': torch.bfloat16}


@dataclass(frozen=True)
class PrecisionError:
    """
    How far a task's outputs in half precision are from those in float32.

    ``dense`` and ``shared`` are relative L2 differences of the raw output, the mean of all frames
    without sharing and that of the last frame with it; ``map`` is how much the task's map differs:
    the share of other labels, the median relative difference of depths, else the mean difference
    relative to the mean.
    """

    task: str
    dense: float
    shared: float
    map: float


def precision_errors(
    checkpoint: Checkpoint, images: Sequence[np.ndarray], dtype: torch.dtype
) -> tuple[PrecisionError, ...]:
    """Return the errors of every task with weights, for (H, W, 3) uint8 frames of one camera."""
    dense: dict[str, list[float]] = {}
    maps: dict[str, list[float]] = {}
    shared: dict[str, float] = {}
    exact, half = (_network(checkpoint, kind) for kind in (torch.float32, dtype))
    size = images[0].shape[:2]
    config = checkpoint.description.architecture
    with torch.inference_mode():
        for ours, theirs in zip(_outputs(half, images, DENSE), _outputs(exact, images, DENSE)):
            for task, raw in ours.items():
                encoding = config.head_of(task).encoding
                dense.setdefault(task, []).append(relative_error(raw, theirs[task]))
                maps.setdefault(task, []).append(_map_difference(
                    task, encoding, *(decode(task, item, size, encoding)
                                      for item in (raw, theirs[task]))))
        sharing = SharingSettings()
        for ours, theirs in zip(_outputs(half, images, sharing), _outputs(exact, images, sharing)):
            shared = {task: relative_error(raw, theirs[task]) for task, raw in ours.items()}
    return tuple(PrecisionError(task, float(np.mean(dense[task])), shared[task],
                                float(np.mean(maps[task]))) for task in dense)


def _network(checkpoint: Checkpoint, dtype: torch.dtype) -> SharingNetwork:
    network = fuse_batch_norm(checkpoint.network)
    fallback = default_thresholds(network.config)
    thresholds = {task: checkpoint.description.thresholds.get(task, fallback)
                  for task in network.tasks}
    with torch.inference_mode():
        return SharingNetwork(network, thresholds, dtype)


def _outputs(
    network: SharingNetwork, images: Sequence[np.ndarray], sharing: SharingSettings
) -> Iterator[dict[str, torch.Tensor]]:
    """Yield copies of the raw outputs (1, C, h, w) of each frame by task."""
    cache, tasks = ActivationCache(), tuple(network.sides)
    for image in images:
        tensor = to_tensor(image, network.device)
        network.run(cache, tensor, tasks, sharing, PlanBounds())
        yield {task: cache.camera.heads[task].raw.clone() for task in tasks}


def _map_difference(
    task: str, encoding: str, found: dict[str, np.ndarray], expected: dict[str, np.ndarray]
) -> float:
    name = fields_of(task, encoding)[0].name
    ours, theirs = found[name].astype(np.float64), expected[name].astype(np.float64)
    if name in ('mask', 'human_parts'):
        return float((ours != theirs).mean())
    difference = np.abs(ours - theirs)
    if name == 'depth':
        return float(np.nanmedian(difference / theirs))
    return float(np.nanmean(difference) / np.nanmean(np.abs(theirs)))


def row(title: str, cells: Sequence[str]) -> str:
    """Return a line of the table."""
    return f'| {title} | {" | ".join(cells)} |'


def cell(error: PrecisionError | None) -> str:
    """Return the three errors of a task in per cent."""
    if error is None:
        return '-'
    return ' / '.join(f'{100 * value:.2g}' for value in (error.dense, error.shared, error.map))


def main(models: list[str]) -> int:
    """Print one line for every model and precision; return the exit code."""
    print(row('model, its largest number', ('', *DEFAULT_TASKS)))
    print(row('---', ['---'] * (1 + len(DEFAULT_TASKS))))
    for name in models:
        checkpoint = load_checkpoint(find_model(name).path)
        size = checkpoint.description.architecture.input_size
        stream = STREAMS['handheld']
        video = stream.video(stream.seeds[0], height=size[0], width=size[1])
        images = [video.frame(number).image for number in range(FRAMES)]
        peak = measure_peaks(checkpoint.network, size)[0]
        for precision, dtype in HALVES.items():
            errors = {item.task: item for item in precision_errors(checkpoint, images, dtype)}
            cells = [cell(errors.get(task)) for task in DEFAULT_TASKS]
            print(row(f'{name}, {peak.value:.0f}', (precision, *cells)), flush=True)
    return 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
