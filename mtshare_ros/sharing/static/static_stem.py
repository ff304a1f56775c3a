"""The stem on lists of patches of fixed lengths, in few launches."""

import copy
from dataclasses import dataclass

import torch
from torch import nn

from mtshare_ros.model.backbone import Normalize
from mtshare_ros.model.network import MultiTaskNetwork
from mtshare_ros.sharing import memory as layout
from mtshare_ros.sharing.memory import tensor_bytes
from mtshare_ros.sharing.pixel_maps import Level, strips_of_patches
from mtshare_ros.sharing.static.operators import Operators, PLAIN
from mtshare_ros.sharing.stem import layers_of, StemLayers, StemState

_UNIT = 64.0
"""Pixels are stored in units of 64: dividing by a power of two rounds in no format."""

_CPU = torch.device('cpu')


@dataclass
class StaticStemState(StemState):
    """
    What the stem remembers of one camera, and the index tables that its graphs point to.

    The reference image is kept centred: (pixel - mean) / 64. ``every`` (N,) are all patches.
    ``transmitted_table`` (N, ...) is what ``take_patches`` reads. ``patch_table`` (N, ...) are for
    each convolution in turn the pixels that a patch reads and, but for the last one, the strips of
    the next map that it fills; None where a patch is one block, whose number is that of the patch.
    """

    every: torch.Tensor
    transmitted_table: torch.Tensor
    patch_table: torch.Tensor | None

    @property
    def nbytes(self) -> int:
        """Bytes the buffers take."""
        tables = (self.every, self.transmitted_table, self.patch_table)
        return super().nbytes + tensor_bytes(*(table for table in tables if table is not None))


class StaticStem(StemLayers):
    """
    The network's stem on lists of fixed lengths; weights are in ``dtype``.

    Lists may repeat entries. The tokens are those of the stem alone, without a position embedding.
    """

    def __init__(
        self, network: MultiTaskNetwork, dtype: torch.dtype, operators: Operators = PLAIN
    ) -> None:
        self._operators = operators
        normalize = network.normalize
        mean = normalize.mean.view(-1).to(dtype)
        first, *others = layers_of(network)
        super().__init__(
            network, [_for_centred_pixels(first, normalize, mean), *others], dtype, layout.PLAIN)
        self._shift = (mean / -_UNIT).repeat(self._block ** 2)
        self._unit = mean.new_full((1,), 1 / _UNIT)
        pieces = ((side ** 2 * convolution.kernel ** 2, side)
                  for convolution, side in zip(self._convolutions, self._sides))
        self._widths = [width for piece in pieces for width in piece][:-1]

    def allocate(self, grid: tuple[int, int], device: torch.device) -> StaticStemState:
        """Return the state of one camera for a grid of (rows, columns) patches."""
        levels = self._levels(grid)
        transmitted = transmitted_table(grid, levels[0].side, self._block).to(device)
        patch_table = None if len(levels) == 1 else self._patch_table(levels).to(device)
        return StaticStemState(levels, self._maps(levels, device),
                               torch.arange(grid[0] * grid[1], device=device), transmitted,
                               patch_table)

    def dense(self, state: StaticStemState, image: torch.Tensor) -> torch.Tensor:
        """Make an image (1, 3, H, W) uint8 the reference; return all tokens (N, D)."""
        self._take(state, image, state.every)
        return self._compute_all(state)

    def update(
        self, state: StaticStemState, image: torch.Tensor, transmitted: torch.Tensor,
        patches: torch.Tensor,
    ) -> torch.Tensor:
        """
        Copy ``transmitted`` patches (p,) of an image (1, 3, H, W) uint8 into the reference.

        Computes the features of ``patches`` (n,), which must contain the transmitted ones, and
        returns their tokens (n, D). Features of other patches stay as they are.
        """
        self._take(state, image, transmitted)
        *others, last = self._convolutions
        if state.patch_table is None:
            return last.windows(state.maps[0].index_select(0, patches))
        columns = state.patch_table.index_select(0, patches).split(self._widths, dim=1)
        for number, (convolution, level) in enumerate(zip(others, state.levels[1:])):
            taps, strips = columns[2 * number:2 * number + 2]
            values = convolution.windows(state.maps[number][taps])
            level.strips(state.maps[number + 1])[strips] = values.view(*strips.shape, -1)
        return last.windows(state.maps[-1][columns[-1]])

    def _take(
        self, state: StaticStemState, image: torch.Tensor, transmitted: torch.Tensor
    ) -> None:
        """Copy patches of an image into the reference."""
        self._operators.take_patches(
            image[0].permute(1, 2, 0), transmitted, state.transmitted_table, self._shift,
            self._unit,
            state.maps[0], state.levels[0].side, self._block)

    def _patch_table(self, levels: tuple[Level, ...]) -> torch.Tensor:
        pieces = []
        for convolution, source, side in zip(self._convolutions, levels, self._sides):
            target = Level(source.grid, side)
            pieces.append(convolution.taps_of_patches(source, target, _CPU).long())
            pieces.append(strips_of_patches(target, _CPU))
        return torch.cat(pieces[:-1], dim=1)


def _for_centred_pixels(
    layer: nn.Conv2d | nn.Sequential, normalize: Normalize, centre: torch.Tensor
) -> nn.Conv2d | nn.Sequential:
    """Return a stem's first layer for pixels (x - centre) / 64 in place of (x - mean) / std."""
    layer = copy.deepcopy(layer)
    convolution = layer[0] if isinstance(layer, nn.Sequential) else layer
    mean, std = (value.view(-1) for value in (normalize.mean, normalize.std))
    scaled = convolution.weight.detach() / std[:, None, None]
    # the centre is the mean in the dtype of products; the bias makes up for that rounding
    offset = (scaled.sum(dim=(2, 3)) @ (centre.to(mean) - mean))
    bias = offset if convolution.bias is None else convolution.bias.detach() + offset
    convolution.weight, convolution.bias = nn.Parameter(scaled * _UNIT), nn.Parameter(bias)
    return layer


def transmitted_table(grid: tuple[int, int], side: int, block: int) -> torch.Tensor:
    """
    Return where the patches of a (rows, columns) grid are in an image and in its reference.

    For each patch (N, side ** 2 x block + side): the strips of ``block`` pixels of the image that
    are its blocks, then the strips of ``side`` blocks of the reference that they fill. The latter
    are left out where a patch is one block, which then has the number of the patch.
    """
    rows, columns = grid
    strips = torch.arange(rows * columns * side ** 2 * block)
    image = strips.view(rows, side, block, columns, side).permute(0, 3, 1, 4, 2)
    image = image.reshape(rows * columns, -1)
    if side == 1:
        return image
    return torch.cat((image, strips_of_patches(Level(grid, side), torch.device('cpu'))), dim=1)
