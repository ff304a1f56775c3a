"""What an engine knows of its model: the sizes it can compute, how good it is, and doubts."""

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
    Return the (height, width) that was asked for, or that of the training for None.

    Raises ConfigError with the nearest size for one that is not whole patches of the ``model``.
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
    """Return what was measured of a model, and what its user should know of the input size."""
    known: tuple[SizeQuality, ...] = ()
    notices = []
    try:
        known = read_quality(file) if file else ()
    except ModelError as error:
        notices.append(str(error))
    notices.append(doubt_size(known, input_size, description.architecture.input_size))
    return known, tuple(filter(None, notices))


def doubt_gates(description: ModelDescription) -> tuple[str, ...]:
    """Return what the user of a model that never met the gates of sharing should know of them."""
    if description.thresholds or not never_gated(description.architecture):
        return ()
    return ('the backbone of this model never met the gates of sharing, and what they keep gets '
            f'older than it likes: a temporal.refresh_period of {UNTRAINED_REFRESH_PERIOD} brings '
            'the maps nearer to the exact ones, at about twice the work; mtshare calibrate '
            'chooses it, and thresholds, on a recording of your camera',)


def doubts_of(
    network: MultiTaskNetwork, description: ModelDescription, dtype: torch.dtype
) -> tuple[str, ...]:
    """Return what the user of a network should know that computes in ``dtype``."""
    halves = doubt_half(weight_peak(network), description.peaks) if dtype == torch.float16 else ()
    return *doubt_depth(description), *doubt_gates(description), *halves


def doubt_numbers(non_finite: tuple[str, ...], dtype: torch.dtype) -> tuple[str, ...]:
    """Return what the user should know where a trial picture had outputs that are no numbers."""
    if not non_finite:
        return ()
    advice = 'set precision to bf16 or fp32' if dtype == torch.float16 else 'get the file again'
    return (f'on a trial picture the network returned NaN or infinity for {", ".join(non_finite)} '
            f'in {str(dtype).removeprefix("torch.")}: {advice}',)


def doubt_depth(description: ModelDescription) -> tuple[str, ...]:
    """Return what the user of a model should know of its depth, nothing where it is metres."""
    if not description.architecture.relative_depth:
        return ()
    return ('the depth of this model is relative, an inverse depth without scale and shift: there '
            'are no metres and no points, depth/relative stands in place of depth/image; for '
            'metres import a metric depth head',)


_ROOMS_ONLY = re.compile(r'\b(images|frames) of (procedural )?rooms\b')
"""How the sentence ``trained_on`` of such a model begins, whoever trained it."""


def doubt_transfer(description: ModelDescription) -> str:
    """
    Say in a line that a model knows rendered rooms only, and where one for real images is.

    Empty for a model that has seen real images, be it in the training of its backbone.
    """
    starts_elsewhere = description.sources or description.backbone_sha256
    if starts_elsewhere or not _ROOMS_ONLY.search(description.trained_on):
        return ''
    return ('this model was trained on rendered rooms and does not know real images; '
            f'the one that does: {_better()}')


def _better() -> str:
    """Return how to get the model for real images, from the manifests as they are now."""
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
