"""The stem on the patches that changed."""

from dataclasses import dataclass
from functools import cached_property
from typing import Sequence

import torch
from torch import nn

from mtshare_ros.model.backbone import ConvStem
from mtshare_ros.model.network import MultiTaskNetwork
from mtshare_ros.sharing.memory import AUTO, tensor_bytes
from mtshare_ros.sharing.pixel_maps import Level, ReceptiveField, RowConvolution, strips_of_patches


@dataclass
class StemState:
    """
    What the stem remembers of one camera.

    ``maps`` are rows of channels as in ``Level``: the normalised reference image in blocks of the
    first convolution's stride, then what each convolution but the last makes of it.
    """

    levels: tuple[Level, ...]
    maps: tuple[torch.Tensor, ...]

    @property
    def grid(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        return self.levels[0].grid

    @cached_property
    def quarter(self) -> torch.Tensor | None:
        """Features at 1/4 of the input, (pixels + 1, channels); None from a patch stem."""
        return self._at(4)

    @cached_property
    def eighth(self) -> torch.Tensor | None:
        """Features at 1/8 of the input, (pixels + 1, channels); None from a patch stem."""
        return self._at(2)

    @property
    def device(self) -> torch.device:
        """Where the buffers are."""
        return self.maps[0].device

    @property
    def feeds_heads(self) -> bool:
        """Whether heads read the features of the stem."""
        return self.quarter is not None

    @property
    def nbytes(self) -> int:
        """Bytes the buffers take."""
        return tensor_bytes(*self.maps)

    def _at(self, side: int) -> torch.Tensor | None:
        """Return the features with ``side`` pixels along a side of a patch, None without such."""
        features = dict(zip([level.side for level in self.levels[1:]], self.maps[1:]))
        return features.get(side)


class StemLayers:
    """
    The convolutions of a network's stem, prepared once; weights are in ``dtype``.

    ``layers`` are those of ``layers_of``, or others in their place.
    """

    def __init__(
        self, network: MultiTaskNetwork, layers: Sequence[nn.Conv2d | nn.Sequential],
        dtype: torch.dtype, layout: str,
    ) -> None:
        self.dtype = dtype
        self.patch_size = network.config.patch_size
        self._convolutions = [
            RowConvolution(layer, dtype=dtype, blocks=number == 0, layout=layout)
            for number, layer in enumerate(layers)
        ]
        modules = [convolution.module for convolution in self._convolutions]
        self._block = modules[0].stride[0]
        self._sides = _sides(modules, self.patch_size)
        self._receptive_field = receptive_field_of_stem(network)
        self.macs_per_patch = sum(
            convolution.macs_per_pixel * side * side
            for convolution, side in zip(self._convolutions, self._sides))

    def affected(self, mask: torch.Tensor) -> torch.Tensor:
        """Return the patches (rows, columns) bool whose tokens depend on those of a mask."""
        return self._receptive_field.spread(mask)

    def _levels(self, grid: tuple[int, int]) -> tuple[Level, ...]:
        sides = (self.patch_size // self._block, *self._sides[:-1])
        return tuple(Level(grid, side) for side in sides)

    def _maps(
        self, levels: Sequence[Level], device: torch.device
    ) -> tuple[torch.Tensor, ...]:
        return tuple(level.allocate(convolution.inputs, self.dtype, device)
                     for level, convolution in zip(levels, self._convolutions))

    def _blocks(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return images (n, h, w, 3) as blocks (n x blocks, values), raster order in each."""
        count, height, width, _ = pixels.shape
        block = self._block
        split = pixels.reshape(count, height // block, block, width // block, block * 3)
        return split.transpose(2, 3).reshape(-1, block * block * 3)

    def _compute_all(self, state: StemState) -> torch.Tensor:
        images = [level.image(rows) for level, rows in zip(state.levels, state.maps)]
        *others, last = self._convolutions
        for number, convolution in enumerate(others):
            convolution.image(images[number], images[number + 1])
        tokens = state.maps[0].new_empty(1, *state.grid, last.outputs)
        last.image(images[-1], tokens.permute(0, 3, 1, 2))
        return tokens.view(-1, last.outputs)


class StemRunner(StemLayers):
    """
    The network's stem, prepared once; batch norm is folded, weights are in ``dtype``.

    Its tokens are those of the stem alone, without a position embedding.
    """

    def __init__(
        self, network: MultiTaskNetwork, dtype: torch.dtype = torch.float32, layout: str = AUTO
    ) -> None:
        super().__init__(network, layers_of(network), dtype, layout)
        self._mean = network.normalize.mean.view(-1).repeat(self._block ** 2)
        self._std = network.normalize.std.view(-1).repeat(self._block ** 2)

    def allocate(self, grid: tuple[int, int], device: torch.device) -> StemState:
        """Return the state of one camera for a grid of (rows, columns) patches."""
        levels = self._levels(grid)
        return StemState(levels, self._maps(levels, device))

    def dense(self, state: StemState, image: torch.Tensor) -> torch.Tensor:
        """Store a whole (1, 3, H, W) uint8 image as the reference; return tokens (N, D)."""
        pixels = image[0].permute(1, 2, 0)[None]
        state.maps[0][:-1].copy_(self._normalised(pixels))
        return self._compute_all(state)

    def update(
        self, state: StemState, image: torch.Tensor, transmitted: torch.Tensor,
        patches: torch.Tensor,
    ) -> torch.Tensor:
        """
        Write the ``transmitted`` patches (p,) of a (1, 3, H, W) uint8 image to the reference.

        Computes the features of ``patches`` (n,), which include these, and returns their tokens
        (n, D). Features of other patches are kept.
        """
        level = state.levels[0]
        side = self.patch_size
        strips = image[0].permute(1, 2, 0).reshape(-1, side * 3)
        index = strips_of_patches(Level(state.grid, side), image.device)
        pixels = strips.index_select(0, index.index_select(0, transmitted).view(-1))
        blocks = self._normalised(pixels.view(-1, side, side, 3))
        level.write(state.maps[0], transmitted, blocks)
        if patches.shape[0] == level.grid[0] * level.grid[1]:
            return self._compute_all(state)
        return self._compute(state, patches)

    def _normalised(self, pixels: torch.Tensor) -> torch.Tensor:
        """Return the normalised blocks of images (n, h, w, 3)."""
        return (self._blocks(pixels) - self._mean).div_(self._std).to(self.dtype)

    def _compute(self, state: StemState, patches: torch.Tensor) -> torch.Tensor:
        for number, level in enumerate(state.levels[1:]):
            level.write(state.maps[number + 1], patches, self._rows(state, number, patches))
        return self._rows(state, len(state.levels) - 1, patches)

    def _rows(self, state: StemState, number: int, patches: torch.Tensor) -> torch.Tensor:
        source = state.levels[number]
        target = Level(state.grid, self._sides[number])
        convolution = self._convolutions[number]
        taps = convolution.taps_of_patches(source, target, patches.device)
        return convolution.rows(state.maps[number], taps.index_select(0, patches).view(-1))


def receptive_field_of_stem(network: MultiTaskNetwork) -> ReceptiveField:
    """Return the patches whose tokens differ when the pixels of one patch do."""
    layers = [module for module in network.stem.modules() if isinstance(module, nn.Conv2d)]
    return ReceptiveField.of_patch(network.config.patch_size).through(layers)


def layers_of(network: MultiTaskNetwork) -> list[nn.Conv2d | nn.Sequential]:
    """Return the convolutions of a stem, with the batch norm and ReLU that follow them."""
    stem = network.stem
    if isinstance(stem, ConvStem):
        return [stem.to_half, stem.to_quarter, stem.to_eighth, stem.proj]
    return [stem.proj]


def _sides(modules: list[nn.Conv2d], side: int) -> list[int]:
    """Return the output pixels of each convolution along a side of a patch of ``side`` pixels."""
    sides = []
    for module in modules:
        side //= module.stride[0]
        sides.append(side)
    return sides
