"""What a frozen backbone makes of images: computed once, kept on disk, read as batches."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mtshare_ros.data.batches import Batch
from mtshare_ros.data.rooms.array_folder import fill_folder, open_array, open_arrays, Progress
from mtshare_ros.data.sample import NORMAL_SCALE
from mtshare_ros.inference.device import autocast
from mtshare_ros.model.backbone import StemFeatures
from mtshare_ros.model.network import MultiTaskNetwork

_OUTPUTS = 'outputs'
_STORED = {'semseg': 'u1', 'human_parts': 'u1', 'normals': 'i1'}
"""How truth is stored where float16 would be too large; ids are whole numbers below 256."""


@dataclass(frozen=True)
class FeatureBatch:
    """
    Outputs of blocks, and what is true of the images they come from.

    ``outputs`` (B, T, D) by the number of the block, counted from 1; ``features`` say the grid of
    cells only; ``truth`` as of ``Batch``.
    """

    outputs: Mapping[int, torch.Tensor]
    features: StemFeatures
    truth: Mapping[str, torch.Tensor]

    def to(self, device: torch.device) -> 'FeatureBatch':
        """Return the batch on a device."""
        return FeatureBatch(
            {tap: value.to(device) for tap, value in self.outputs.items()},
            StemFeatures(self.features.tokens.to(device)),
            {task: value.to(device) for task, value in self.truth.items()})


@dataclass(frozen=True)
class FeatureMeta:
    """
    What ``meta.json`` says of a folder of features.

    ``origin`` is all that decides them; ``grid`` rows and columns of cells; ``taps`` the blocks;
    ``width`` that of a token, ``tokens`` how many there are; ``truth`` the shape of one image's
    truth by task.
    """

    origin: dict[str, Any]
    count: int
    grid: list[int]
    taps: list[int]
    tokens: int
    width: int
    truth: dict[str, list[int]]
    done: int = 0

    def layout(self) -> dict[str, tuple[tuple[int, ...], str]]:
        """Return the shape and type of each array by its name."""
        outputs = (self.count, len(self.taps), self.tokens, self.width)
        return {_OUTPUTS: (outputs, 'f2'), **{
            task: ((self.count, *shape), _STORED.get(task, 'f2'))
            for task, shape in self.truth.items()}}


@dataclass(frozen=True)
class FeatureSet:
    """The features and truths of a folder, memory-mapped."""

    meta: FeatureMeta
    arrays: Mapping[str, np.ndarray]

    def batch(self, indices: Sequence[int]) -> FeatureBatch:
        """Return the features and truths of images."""
        rows = list(indices)
        outputs = torch.from_numpy(self.arrays[_OUTPUTS][rows]).float()
        cells = outputs.new_empty((len(rows), 0, *self.meta.grid))
        truth = {task: _restored(task, self.arrays[task][rows]) for task in self.meta.truth}
        return FeatureBatch(dict(zip(self.meta.taps, outputs.unbind(1))), StemFeatures(cells),
                            truth)


def keep_features(
    folder: Path, network: MultiTaskNetwork, image: Callable[[int], Batch], count: int, *,
    origin: dict[str, Any], dtype: torch.dtype, progress: Progress,
) -> FeatureSet:
    """
    Compute what heads read of ``count`` images, and keep it beside their truth.

    ``image`` returns a batch of one by its number. What is there already stays, so a kill loses
    one image. Raises DatasetError where the folder holds features of another ``origin``.
    """
    meta = _meta(network, image(0), count, origin)

    def keep(directory: Path, meta: FeatureMeta, index: int) -> int:
        arrays = {name: open_array(directory, meta, name, 'r+') for name in meta.layout()}
        batch = image(index)
        arrays[_OUTPUTS][index] = _outputs(network, batch.image, meta.taps, dtype)
        for task, values in batch.truth.items():
            arrays[task][index] = _stored(task, values)[0]
        return index

    fill_folder(folder, meta, 1, keep, workers=1, progress=progress)
    return FeatureSet(meta, open_arrays(folder, FeatureMeta(**{**vars(meta), 'done': count})))


def _meta(
    network: MultiTaskNetwork, batch: Batch, count: int, origin: dict[str, Any]
) -> FeatureMeta:
    config = network.config
    rows, columns = (side // config.patch_size for side in batch.image.shape[-2:])
    taps = {tap for task in network.tasks for tap in config.taps_of(config.head_of(task))}
    return FeatureMeta(
        origin, count, [rows, columns], sorted(taps), rows * columns + config.prefix_tokens,
        config.embed_dim, {task: list(value.shape[1:]) for task, value in batch.truth.items()})


@torch.inference_mode()
def _outputs(
    network: MultiTaskNetwork, image: torch.Tensor, taps: Sequence[int], dtype: torch.dtype
) -> np.ndarray:
    """Return the outputs (taps, T, D) of the tapped blocks for one image (1, 3, H, W)."""
    device = next(network.parameters()).device
    with autocast(device.type, dtype):
        cells = network.stem(network.normalize(image.to(device))).tokens
        tokens = network.embed(cells)
        rotary = network.rotary((cells.shape[2], cells.shape[3]), device)
        kept = []
        for number, block in enumerate(network.blocks, 1):
            tokens = block(tokens, rotary)
            if number in taps:
                kept.append(tokens[0].float())
    return torch.stack(kept).cpu().numpy()


def _stored(task: str, values: torch.Tensor) -> np.ndarray:
    return (values * NORMAL_SCALE).round().numpy() if task == 'normals' else values.numpy()


def _restored(task: str, values: np.ndarray) -> torch.Tensor:
    restored = torch.from_numpy(values)
    if task in ('semseg', 'human_parts'):
        return restored.long()
    return restored.float() / NORMAL_SCALE if task == 'normals' else restored.float()
