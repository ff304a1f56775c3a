"""What depends on the machine: the costs of frames, the crossover, and the last bits of maps."""

from dataclasses import dataclass
from typing import Any, Callable, Iterator, Mapping, TYPE_CHECKING

import numpy as np
import torch

from mtshare_ros.inference.prediction import FrameStats, InferenceSettings, Prediction
from mtshare_ros.inference.session import Session
from mtshare_ros.sharing.memory import processor
from mtshare_ros.sharing.plan import FrameCost
from mtshare_ros.sharing.sharing_settings import SharingSettings

if TYPE_CHECKING:  # the engine measures its costs with this module
    from mtshare_ros.inference.engine import Engine

SETTING, MEASURED, MODEL, DEFAULT, UNKNOWN = (
    'setting', 'measured', 'model', 'default', 'unknown')
"""Where a crossover comes from; the first of them that there is applies."""

DEFAULT_CROSSOVERS = {'cpu': 0.9}
"""
By type of device, for models without a measured crossover.

On a CPU the time of a frame is about proportional to its active tokens, whatever the model: the
shipped ones have 0.85 to 0.98. It differs between GPUs: without a measurement, no frame is
computed whole for the sake of speed.
"""


_SHARES = (0.1, 0.4)
"""Shares of the patches that change in the frames that are timed."""

_ROUNDS = 3
# no scene cut: it would compute frames whole that are to be timed by their active tokens
_DENSE = SharingSettings(crossover=0.0, scene_cut_fraction=1.0)
_SPARSE = SharingSettings(crossover=1.0, scene_cut_fraction=1.0)


@dataclass(frozen=True)
class Crossover:
    """
    Frames with more than ``share`` of their tokens active are computed whole, as that is faster.

    ``source`` is ``setting``, ``measured``, ``model``, ``default`` or ``unknown``.
    """

    share: float
    source: str


def choose_crossover(
    device: str, settings: SharingSettings, measured: float | None, stored: Mapping[str, float],
) -> Crossover:
    """Return the crossover of a device; ``stored`` are the model's, by type of device."""
    kind = device.partition(':')[0]
    if settings.crossover is not None:
        return Crossover(settings.crossover, SETTING)
    if not settings.temporal:
        return Crossover(1.0, SETTING)  # every frame is whole already
    if measured is not None:
        return Crossover(measured, MEASURED)
    if kind in stored:
        return Crossover(stored[kind], MODEL)
    if kind in DEFAULT_CROSSOVERS:
        return Crossover(DEFAULT_CROSSOVERS[kind], DEFAULT)
    return Crossover(1.0, UNKNOWN)


Infer = Callable[[np.ndarray, Session, InferenceSettings], Prediction]


@dataclass(frozen=True)
class MachineCosts:
    """
    The milliseconds of a whole frame, the cost of a frame by its tokens, and the crossover.

    Above ``crossover``, a share of the tokens, a whole frame is faster.
    """

    dense_ms: float
    sparse: FrameCost
    crossover: float


def measure_costs(
    infer: Infer, tasks: tuple[str, ...], size: tuple[int, int], patch_size: int
) -> MachineCosts:
    """
    Time frames from the image to the maps, computed whole and by their active tokens.

    Both kinds alternate, and the fastest frame of each counts. What changes is new to every token,
    so that gates drop fewer tokens than in most scenes: real frames do not cost more than this.
    """
    dense, sparse = Session(), Session()
    fastest: dict[float, FrameStats] = {}
    for number, (share, image) in enumerate(_changing_images(size, patch_size)):
        stats = infer(image, sparse, InferenceSettings(tasks, _SPARSE)).stats
        whole = infer(image, dense, InferenceSettings(tasks, _DENSE)).stats
        if number > len(_SHARES):  # the first frames of each kind warm up
            _keep_faster(fastest, share, stats)
            _keep_faster(fastest, 1.0, whole)
    patches = size[0] * size[1] // patch_size ** 2
    few, many = (fastest[share] for share in _SHARES)
    few_tokens, many_tokens = (stats.input_fraction * patches for stats in (few, many))
    # at least a little, because on a busy machine the frame of more tokens may be the faster one
    per_token = max((many.total_ms - few.total_ms) / max(many_tokens - few_tokens, 1.0), 1e-6)
    cost = FrameCost(max(few.total_ms - per_token * few_tokens, 0.0), per_token)
    dense_ms = fastest[1.0].total_ms
    return MachineCosts(dense_ms, cost, min(cost.patches_within(dense_ms) / patches, 1.0))


def _changing_images(
    size: tuple[int, int], patch_size: int
) -> Iterator[tuple[float, np.ndarray]]:
    """
    Yield (H, W, 3) uint8 images of noise whose top rows of patches change colour each time.

    The patches that change are connected, like what moves in a scene; their share of the image is
    yielded with it.
    """
    # a generator of its own: measuring must not change the random numbers of other code
    random = np.random.default_rng(0)
    # noise and colours are below 128 each, so that their sum fits uint8
    noise = random.integers(0, 128, (*size, 3), np.uint8)
    lines, columns = size[0] // patch_size, size[1] // patch_size
    colours = random.integers(0, 128, (lines, columns, 3), np.uint8)
    for share in (1.0, *_SHARES * (1 + _ROUNDS)):
        count = max(1, int(share * lines))
        colours[:count] = random.integers(0, 128, (count, columns, 3), np.uint8)
        yield share, noise + colours.repeat(patch_size, axis=0).repeat(patch_size, axis=1)


def _keep_faster(fastest: dict[float, FrameStats], share: float, stats: FrameStats) -> None:
    if share not in fastest or stats.total_ms < fastest[share].total_ms:
        fastest[share] = stats


def choices_of(engine: 'Engine', sharing: SharingSettings) -> dict[str, Any]:
    """
    Return by name what was chosen for an engine, and what it runs on.

    Where all of this is equal, equal images give equal bits, however busy the machine is.
    """
    crossover = engine.crossover(sharing)
    return {
        'device': engine.device, 'processor': _name_of(engine.device),
        'precision': str(engine.dtype).removeprefix('torch.'),
        'weight_layout': engine.weight_layout,
        'crossover': crossover.share, 'crossover_source': crossover.source,
        'threads': torch.get_num_threads(), 'torch': str(torch.__version__),
    }


def _name_of(device: str) -> str:
    """Return the model of a GPU, or of the CPU with its vector instructions."""
    if device.startswith('cuda'):
        return torch.cuda.get_device_name(device)
    model = processor().name or processor().vendor
    return f'{model} {torch.backends.cpu.get_cpu_capability()}'.strip()
