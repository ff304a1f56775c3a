"""The stage on kept features: which images it is about, and the source of its batches."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mtshare_ros.config import to_values
from mtshare_ros.data.batches import Batch, TrainingSet
from mtshare_ros.data.rooms.array_folder import Progress
from mtshare_ros.errors import TrainingError
from mtshare_ros.inference.device import cuda_device_count, resolve_device
from mtshare_ros.model.network import backbone_digest, is_backbone, MultiTaskNetwork
from mtshare_ros.tasks import load_labels
from mtshare_ros.training.config import Phase
from mtshare_ros.training.features import FeatureBatch, FeatureSet, keep_features
from mtshare_ros.training.precision import dtype_of
from mtshare_ros.training.preparing import prepare_network
from mtshare_ros.training.recipe import StageRun
from mtshare_ros.training.sampling import Step


@dataclass(frozen=True)
class PhaseImages:
    """
    The images of a phase.

    Their depths times ``depth_factor`` are as if all phases had the focal length that the model
    tells.
    """

    images: TrainingSet
    depth_factor: float

    def one(self, phase: Phase, seed: int, number: int) -> Batch:
        """Return an image by its number: beyond the last, the first comes augmented anew."""
        random = np.random.default_rng((seed, number))
        batch = self.images.batch([number % len(self.images)], phase.size, phase.downscale, random)
        if 'depth' not in batch.truth:
            return batch
        depth = batch.truth['depth'] * self.depth_factor
        return replace(batch, truth={**batch.truth, 'depth': depth})


@dataclass(frozen=True)
class FeatureSource:
    """Kept features as a Source, by phase."""

    sets: dict[Phase, FeatureSet]
    name: str

    def __len__(self) -> int:
        return sum(phase.images for phase in self.sets)

    def batch(self, step: Step, share: Sequence[tuple[int, int]]) -> FeatureBatch:
        """See Source."""
        return self.sets[step.phase].batch([index for _, index in share])


def open_features(
    run: StageRun, folder: Path, images_of: Callable[[Phase], PhaseImages], *, device: str,
    progress: Callable[[str, int, int], None],
) -> FeatureSource:
    """
    Return the features of the images of every phase; what is missing in the folder is computed.

    Raises TrainingError where the initial weights leave something of the backbone to chance,
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
    missing = [name for name in (prepared.initial.by_chance if prepared.initial else ())
               if is_backbone(name)]
    if missing:
        raise TrainingError(
            f'{run.recipe.initial} has nothing for {missing[0]} and {len(missing) - 1} more '
            f'tensors of the backbone, which the stage {run.stage.name} keeps as it is; let '
            'architecture describe the backbone of that file')
    return prepared.network.eval()


def _origin(run: StageRun, phase: Phase, digest: str) -> dict[str, Any]:
    """Return what decides the features of a phase, as JSON has it."""
    return {'backbone': digest, 'data': to_values(run.recipe.data), 'seed': run.recipe.seed,
            'input_size': list(phase.size), 'downscale': phase.downscale,
            'precision': run.recipe.precision}


def _told(progress: Callable[[str, int, int], None], phase: Phase) -> Progress:
    what = f'features at {phase.size[0]}x{phase.size[1]}'
    return lambda done, total: progress(what, done, total)
