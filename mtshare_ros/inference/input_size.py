"""The input size of an engine: what was asked for, where the model can compute it."""

from mtshare_ros.errors import ConfigError
from mtshare_ros.model.architecture import (
    ArchitectureConfig,
    check_input_size,
    fits_patches,
    LARGEST_SIDE,
    nearest_input_size,
)


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
