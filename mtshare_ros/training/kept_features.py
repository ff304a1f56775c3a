"""Features of a frozen backbone: computed once, stored on disk, read as batches."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mtshare_ros.config import to_values
from mtshare_ros.data.batches import Batch, TrainingSet
from mtshare_ros.data.rooms.array_folder import fill_folder, open_array, open_arrays, Progress
from mtshare_ros.data.sample import NORMAL_SCALE
from mtshare_ros.errors import TrainingError
from mtshare_ros.inference.device import autocast, cuda_device_count, resolve_device
from mtshare_ros.model.backbone import StemFeatures
from mtshare_ros.model.network import backbone_digest, is_backbone, MultiTaskNetwork
from mtshare_ros.tasks import load_labels
from mtshare_ros.training.batch_plan import Step
from mtshare_ros.training.initial_network import prepare_network
from mtshare_ros.training.optimizer import dtype_of
from mtshare_ros.training.recipe import StageRun
from mtshare_ros.training.stage_config import Phase

_OUTPUTS = 'outputs'
_STORED = {'semseg': 'u1', 'human_parts': 'u1', 'normals': 'i1'}
"""How truth is stored where float16 would be too large; ids are whole numbers below 256."""


@dataclass(frozen=True)
class FeatureBatch:
    """
    Outputs of a frozen backbone's blocks, and the truth of their images.

    ``outputs`` (B, T, D) by the number of the block, counted from 1; of ``features`` only the grid
    of patches is used; ``truth`` as in ``Batch``.
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
    The contents of ``meta.json`` in a folder of features.

    ``origin`` is everything that decides the features; ``grid`` (rows, columns) of patches;
    ``taps`` the numbers of the blocks; ``width`` the channels of a token, ``tokens`` their number;
    ``truth`` the shape of one image's truth by task.
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
        # without channels, because only its grid is used
        patches = outputs.new_empty((len(rows), 0, *self.meta.grid))
        truth = {task: _restored(task, self.arrays[task][rows]) for task in self.meta.truth}
        return FeatureBatch(dict(zip(self.meta.taps, outputs.unbind(1))), StemFeatures(patches),
                            truth)


def keep_features(
    folder: Path, network: MultiTaskNetwork, image: Callable[[int], Batch], count: int, *,
    origin: dict[str, Any], dtype: torch.dtype, progress: Progress,
) -> FeatureSet:
    """
    Compute the features of ``count`` images that heads read, and store them with their truth.

    ``image`` returns a batch of one by its number. Features that are already stored are not
    computed again, so an interrupted run loses one image at most. Raises DatasetError where the
    folder holds features of another ``origin``.
    """
    meta = _meta(network, image(0), count, origin)

    def keep(directory: Path, meta: FeatureMeta, index: int) -> int:
        arrays = {name: open_array(directory, meta, name, 'r+') for name in meta.layout()}
        batch = image(index)
        arrays[_OUTPUTS][index] = _outputs(network, batch.image, meta.taps, dtype)
        for task, values in batch.truth.items():
            arrays[task][index] = _stored(task, values)[0]
        return index

    # one worker is this process itself, which has the network on its device
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
        patches = network.stem(network.normalize(image.to(device))).tokens
        tokens = network.embed(patches)
        rotary = network.rotary((patches.shape[2], patches.shape[3]), device)
        kept = []
        for number, block in enumerate(network.blocks, 1):
            tokens = block(tokens, rotary)
            if number in taps:
                # NumPy has no bfloat16
                kept.append(tokens[0].float())
    return torch.stack(kept).cpu().numpy()


def _stored(task: str, values: torch.Tensor) -> np.ndarray:
    return (values * NORMAL_SCALE).round().numpy() if task == 'normals' else values.numpy()


def _restored(task: str, values: np.ndarray) -> torch.Tensor:
    restored = torch.from_numpy(values)
    if task in ('semseg', 'human_parts'):
        return restored.long()
    return restored.float() / NORMAL_SCALE if task == 'normals' else restored.float()


@dataclass(frozen=True)
class PhaseImages:
    """
    The images of a phase.

    Depths are multiplied by ``depth_factor``, so that all phases have the focal length that the
    model's description states.
    """

    images: TrainingSet
    depth_factor: float

    def one(self, phase: Phase, seed: int, number: int) -> Batch:
        """Return an image by its number; beyond the last one they repeat, augmented anew."""
        # of the image alone, so that an interrupted run goes on with the same images
        random = np.random.default_rng((seed, number))
        batch = self.images.batch([number % len(self.images)], phase.size, phase.downscale, random)
        if 'depth' not in batch.truth:
            return batch
        depth = batch.truth['depth'] * self.depth_factor
        return replace(batch, truth={**batch.truth, 'depth': depth})


@dataclass(frozen=True)
class FeatureSource:
    """Kept features as a BatchSource, by phase."""

    sets: dict[Phase, FeatureSet]
    name: str

    def __len__(self) -> int:
        return sum(phase.images for phase in self.sets)

    def batch(self, step: Step, share: Sequence[tuple[int, int]]) -> FeatureBatch:
        """See BatchSource."""
        return self.sets[step.phase].batch([index for _, index in share])


def open_features(
    run: StageRun, folder: Path, images_of: Callable[[Phase], PhaseImages], *, device: str,
    progress: Callable[[str, int, int], None],
) -> FeatureSource:
    """
    Return the features of the images of every phase; those missing in the folder are computed.

    Raises TrainingError where the initial weights do not fill the whole backbone,
    DatasetError where the folder holds features of other images or of another backbone.
    """
    network = _frozen_network(run)
    network.to(resolve_device(device, cuda_devices=cuda_device_count()).name)
    digest, sets = backbone_digest(network.state_dict()), {}
    for number, phase in enumerate(run.plan.phases):
        own = images_of(phase)
        sets[phase] = keep_features(
            folder / f'{number}_{phase.size[0]}x{phase.size[1]}', network,
            partial(own.one, phase, run.recipe.seed),
            phase.images, origin=_origin(run, phase, digest), progress=_told(progress, phase),
            dtype=dtype_of(run.recipe.precision, device))
    return FeatureSource(sets, f'the images of {folder}')


def _frozen_network(run: StageRun) -> MultiTaskNetwork:
    prepared = prepare_network(run, len(load_labels(run.recipe.labels)), None)
    missing = [name for name in (prepared.initial.random if prepared.initial else ())
               if is_backbone(name)]
    if missing:
        raise TrainingError(
            f'{run.recipe.initial} has nothing for {missing[0]} and {len(missing) - 1} more '
            f'tensors of the backbone, which the stage {run.stage.name} does not train; let '
            'architecture describe the backbone of that file')
    return prepared.network.eval()


def _origin(run: StageRun, phase: Phase, digest: str) -> dict[str, Any]:
    """Return everything that decides the features of a phase, as JSON values."""
    return {'backbone': digest, 'data': to_values(run.recipe.data), 'seed': run.recipe.seed,
            'input_size': list(phase.size), 'downscale': phase.downscale,
            'precision': run.recipe.precision}


def _told(progress: Callable[[str, int, int], None], phase: Phase) -> Progress:
    what = f'features at {phase.size[0]}x{phase.size[1]}'
    return lambda done, total: progress(what, done, total)
