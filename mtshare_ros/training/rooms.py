"""The procedural rooms as the trainer uses them."""

from pathlib import Path
from typing import Callable, Iterator

import numpy as np

from mtshare_ros.data.rooms.dataset import FrameSet, open_frames, render_frames
from mtshare_ros.data.rooms.frame import RoomFrame
from mtshare_ros.evaluation.rooms import fixed_views, render_fixed_views
from mtshare_ros.labels import load_labels
from mtshare_ros.model.description import ModelDescription
from mtshare_ros.training.config import RoomsConfig, TrainingConfig

SAMPLED_FRAMES = 500
"""Frames that the depth range of the training set is read off."""


def prepare_frames(
    config: RoomsConfig, directory: Path, progress: Callable[[int, int], None]
) -> FrameSet:
    """Render what is missing of the training frames and open them."""
    render_frames(directory, split='train', count=config.frames, height=config.height,
                  width=config.width, progress=progress)
    return open_frames(directory)


def describe(config: TrainingConfig, frames: FrameSet) -> ModelDescription:
    """Return what the checkpoint shall say of a model trained on these frames."""
    chosen = np.linspace(0, len(frames) - 1, min(SAMPLED_FRAMES, len(frames))).astype(int)
    depths = np.concatenate([frames.depth[index][::8, ::8].ravel() for index in chosen])
    nearest, farthest = (round(float(value), 2) for value in (depths.min(), depths.max()))
    return ModelDescription(
        architecture=config.architecture, tasks=config.tasks, labels=load_labels(config.labels),
        focal_length=frames.meta.fx, depth_range=(nearest, farthest),
        trained_on=f'{len(frames)} frames of procedural rooms',
    )


def validation_frames(config: TrainingConfig) -> Iterator[RoomFrame]:
    """Render views of the validation split at the size the model is made for."""
    height, width = config.architecture.input_size
    views = fixed_views('validation', config.validation_views)
    return render_fixed_views(views, size=(height, width))
