"""What an engine knows of its model: possible input sizes, measured quality, and warnings."""

import re

import torch

from mtshare_ros.errors import ConfigError, ModelError, MtshareError
from mtshare_ros.model.architecture import (
    ArchitectureConfig,
    check_input_size,
    fits_patches,
    LARGEST_SIDE,
    nearest_input_size,
)
from mtshare_ros.model.description import ModelDescription, never_gated, UNTRAINED_REFRESH_PERIOD
from mtshare_ros.model.half_precision import doubt_half, weight_peak
from mtshare_ros.model.manifest import load_catalogue, ModelFile
from mtshare_ros.model.network import MultiTaskNetwork
from mtshare_ros.model.quality import doubt_size, read_quality, SizeQuality


def choose_input_size(
    asked: tuple[int, ...] | None, architecture: ArchitectureConfig, model: str
) -> tuple[int, int]:
    """
    Return the (height, width) that was asked for, or that of the training where it is None.

    Raises ConfigError, naming the nearest possible size, where a side is not whole patches.
    """
    size, side = tuple(asked or architecture.input_size), architecture.patch_size
    if len(size) == 2 and not fits_patches(size, side):
        raise ConfigError(
            f'input_size is {list(size)}; {model} has patches of {side} pixels, so [height, '
            f'width] must be multiples of {side} from {side} to {LARGEST_SIDE}: the nearest is '
            f'{list(nearest_input_size(size, side))}')
    return check_input_size(size, side)


def known_quality(
    file: ModelFile | None, input_size: tuple[int, int], description: ModelDescription
) -> tuple[tuple[SizeQuality, ...], tuple[str, ...]]:
    """Return the measured quality of a model, and what to tell the user about the input size."""
    known: tuple[SizeQuality, ...] = ()
    notices = []
    try:
        known = read_quality(file) if file else ()
    except ModelError as error:
        notices.append(str(error))
    notices.append(doubt_size(known, input_size, description.architecture.input_size))
    return known, tuple(filter(None, notices))


def gate_warnings(description: ModelDescription) -> tuple[str, ...]:
    """Return what to tell the user of a model that was not trained with the gates of sharing."""
    if description.thresholds or not never_gated(description.architecture):
        return ()
    return ('the backbone of this model was not trained with the gates of sharing, so that maps '
            'get worse with the age of what is kept: a temporal.refresh_period of '
            f'{UNTRAINED_REFRESH_PERIOD} brings them nearer to the exact ones, at about twice the '
            'work; mtshare calibrate chooses it, and thresholds, on a recording of your camera',)


def model_warnings(
    network: MultiTaskNetwork, description: ModelDescription, dtype: torch.dtype
) -> tuple[str, ...]:
    """Return what to tell the user of a network that computes in ``dtype``."""
    halves = doubt_half(weight_peak(network), description.peaks) if dtype == torch.float16 else ()
    return *depth_warnings(description), *gate_warnings(description), *halves


def non_finite_warnings(non_finite: tuple[str, ...], dtype: torch.dtype) -> tuple[str, ...]:
    """Return what to tell the user where a trial picture gave NaN or infinity."""
    if not non_finite:
        return ()
    advice = 'set precision to bf16 or fp32' if dtype == torch.float16 else 'get the file again'
    return (f'on a trial picture the network returned NaN or infinity for {", ".join(non_finite)} '
            f'in {str(dtype).removeprefix("torch.")}: {advice}',)


def depth_warnings(description: ModelDescription) -> tuple[str, ...]:
    """Return what to tell the user about relative depth; nothing where it is in metres."""
    if not description.architecture.relative_depth:
        return ()
    return ('the depth of this model is relative, an inverse depth without scale and shift: there '
            'are no metres and no points, depth/relative stands in place of depth/image; for '
            'metres import a metric depth head',)


_ROOMS_ONLY = re.compile(r'\b(images|frames) of (procedural )?rooms\b')
"""How ``trained_on`` begins in the description of a model of rendered rooms."""


def rooms_only_warning(description: ModelDescription) -> str:
    """
    Return a warning that a model knows rendered rooms only, and how to get one for real images.

    It is empty for a model that was trained on real images, or whose backbone was.
    """
    starts_elsewhere = description.sources or description.backbone_sha256
    if starts_elsewhere or not _ROOMS_ONLY.search(description.trained_on):
        return ''
    return ('this model was trained on rendered rooms and does not know real images; '
            f'the one that does: {_better()}')


def _better() -> str:
    """Return how to get the model for real images, according to the installed manifests."""
    try:
        catalogue = load_catalogue()
    except MtshareError:
        return 'see mtshare models list'
    name = catalogue.shipped.default_when_added
    if name in catalogue.added.models:
        return f'model {name}'
    if name in catalogue.shipped.heads:
        return f'mtshare models add {name}'
    return 'train one, see docs/training.md'
