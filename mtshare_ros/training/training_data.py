"""The training and validation data of a stage, and the description of the resulting model."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mtshare_ros.config import require
from mtshare_ros.data.disk_datasets import DATASETS, open_samples
from mtshare_ros.data.folder import FolderDataset
from mtshare_ros.data.rooms.renderer import Renderer
from mtshare_ros.data.rooms.room_batches import RoomsClipSet, RoomsTrainingSet
from mtshare_ros.data.rooms.training_clips import (
    LENGTH,
    open_training_clips,
    render_training_clips,
)
from mtshare_ros.data.rooms.training_frames import FrameSet, open_frames, render_frames
from mtshare_ros.data.sample import SampleClip, SampleSet
from mtshare_ros.data.transforms import fit_for_evaluation, SampleClipSet, SampleTrainingSet
from mtshare_ros.errors import ConfigError
from mtshare_ros.evaluation.room_data import fixed_views, render_fixed_views
from mtshare_ros.evaluation.truth_and_rules import Truth
from mtshare_ros.inference.map_camera import assumed_focal_length
from mtshare_ros.model.description import (
    HALF,
    ModelDescription,
    PIXELS,
    SINGLE,
    usual_depth_scaling,
)
from mtshare_ros.tasks import load_labels
from mtshare_ros.training.batch_plan import BatchSource, ClipSource, ImageSource
from mtshare_ros.training.kept_features import open_features, PhaseImages
from mtshare_ros.training.recipe import StageRun
from mtshare_ros.training.stage_config import DataConfig, Phase

ROOMS = 'rooms'
_SAMPLED = 500
"""Number of frames from which the depth range of a training set is measured."""

Progress = Callable[[str, int, int], None]
"""Called with the name of the work, how much of it is done and how much there is."""


@dataclass(frozen=True)
class Places:
    """
    Folders: ``rendered`` for rendered rooms, ``root`` of a data set, ``output`` of the runs.

    Features of a frozen backbone are stored in ``output``, below the folder of the run.
    """

    rendered: Path
    root: Path | None = None
    output: Path = Path()


def open_batch_source(
    run: StageRun, places: Places, progress: Progress, device: str = 'cpu'
) -> BatchSource:
    """
    Return the images, clips or features that a stage trains on; missing rooms are rendered.

    Missing features of a frozen backbone are computed on ``device``. Raises ConfigError for an
    unknown data set, DatasetError where the data set's folder does not hold it.
    """
    data = run.recipe.data
    require(data.name in (ROOMS, *DATASETS), 'data.name', data.name,
            f'one of {", ".join((ROOMS, *DATASETS))}')
    if run.stage.kept_features:
        return open_features(
            run, places.output / run.folder / 'features', device=device, progress=progress,
            images_of=lambda phase: _phase_images(run, phase, places, progress))
    if data.name == ROOMS:
        return _rendered_clips(data, places, progress) if run.stage.clips else ImageSource(
            RoomsTrainingSet(_frames(data, places, progress)), 'the rendered frames')
    root = _root(data, places)
    if run.stage.clips:
        return ClipSource(SampleClipSet(_clips(data, root), LENGTH), f'the clips of {root}')
    return ImageSource(
        SampleTrainingSet(open_samples(data.name, root, 'train'), run.trained), str(root))


def describe_stage(run: StageRun, places: Places) -> ModelDescription:
    """Return the description of a stage's model; its training data must exist."""
    data = run.recipe.data
    focal: float | None
    if data.name == ROOMS:
        depth, focal = _rooms_depth(run, places)
        labels = load_labels(run.recipe.labels)
    else:
        samples = open_samples(data.name, _root(data, places), 'train')
        depth, focal = _sample_depths(samples), samples.focal_length
        labels = samples.labels if len(samples.labels) else load_labels(run.recipe.labels)
    architecture = replace(run.recipe.architecture, shared_blocks=run.shared_blocks)
    start = f' from the weights of {run.recipe.initial}' if run.recipe.initial else ''
    text = f'{run.images_in_all} images of {data.name}{start}, stage {run.stage.name}'
    return ModelDescription(architecture=architecture, tasks=run.tasks, labels=labels,
                            focal_length=focal, depth_range=depth, trained_on=text,
                            storage=SINGLE if run.stage.kept_features else HALF,
                            depth_scaling=usual_depth_scaling(architecture) if
                            run.stage.kept_features else PIXELS)


def validation_frames(run: StageRun, places: Places) -> Callable[[], Iterable[Truth]]:
    """Return a function that yields labelled frames which are not trained on."""
    recipe = run.recipe
    height, width = recipe.architecture.input_size
    if recipe.data.name == ROOMS:
        views = fixed_views('validation', recipe.validation_views)
        return lambda: render_fixed_views(views, size=(height, width))
    samples = open_samples(recipe.data.name, _root(recipe.data, places), 'val')
    count = min(recipe.validation_views, len(samples))
    return lambda: (fit_for_evaluation(samples[place * len(samples) // count], (height, width))
                    for place in range(count))


def _frames(data: DataConfig, places: Places, progress: Progress) -> FrameSet:
    folder = places.rendered / 'frames'
    render_frames(folder, split='train', count=data.frames, height=data.height, width=data.width,
                  varied=data.varied,
                  progress=lambda done, total: progress('rendering frames', done, total))
    return open_frames(folder)


def _phase_images(
    run: StageRun, phase: Phase, places: Places, progress: Progress
) -> PhaseImages:
    """Return the images of a phase of a frozen backbone; rooms are rendered at its size."""
    data = run.recipe.data
    if data.name == ROOMS:
        height, width = phase.size
        sized = replace(data, frames=phase.images, height=height, width=width)
        frames = _frames(sized, _sized_places(places, phase), progress)
        factor = _depth_factor(run, phase, _rooms_focal(run) / frames.meta.fx)
        return PhaseImages(RoomsTrainingSet(frames), factor)
    samples = open_samples(data.name, _root(data, places), 'train')
    # to a network that judges distance by pixels, the same view with half of them is twice as far
    factor = _depth_factor(run, phase, float(phase.downscale))
    return PhaseImages(SampleTrainingSet(samples, run.trained), factor)


def _depth_factor(run: StageRun, phase: Phase, by_pixels: float) -> float:
    """
    Return the factor on true depths; ``by_pixels`` is that of a network of PIXELS depth scaling.

    A network of VIEW depth scaling sees every view as if it had the network's input size.
    """
    architecture = run.recipe.architecture
    if usual_depth_scaling(architecture) == PIXELS:
        return by_pixels
    return assumed_focal_length(
        by_pixels, trained_size=architecture.input_size, size=phase.size)


def _sized_places(places: Places, phase: Phase) -> Places:
    return replace(places, rendered=places.rendered / f'{phase.size[0]}x{phase.size[1]}')


def _rooms_focal(run: StageRun) -> float:
    """Return the focal length in pixels of the rooms' camera at the network's input size."""
    height, width = run.recipe.architecture.input_size
    return Renderer(height=height, width=width).focal


def _rooms_depth(run: StageRun, places: Places) -> tuple[tuple[float, float] | None, float]:
    """Return the depth range of a stage on rooms, and the focal length it belongs to."""
    if not run.stage.kept_features:
        frames = open_frames(places.rendered / 'frames')
        return _depth_range(frames.depth, len(frames)), frames.meta.fx
    frames = open_frames(_sized_places(places, run.plan.phases[0]).rendered / 'frames')
    return _depth_range(frames.depth, len(frames)), _rooms_focal(run)


def _rendered_clips(data: DataConfig, places: Places, progress: Progress) -> BatchSource:
    # describe_stage measures depths on the frames, also for a stage on clips
    _frames(data, places, progress)
    folder = places.rendered / 'clips'
    render_training_clips(
        folder, split='train', count=data.clips, height=data.height, width=data.width,
        progress=lambda done, total: progress('rendering clips', done, total))
    return ClipSource(RoomsClipSet(open_training_clips(folder)), 'the rendered clips')


def _root(data: DataConfig, places: Places) -> Path:
    if places.root is None:
        raise ConfigError(f'the data set {data.name} is read from a folder; name it: --root DIR')
    return places.root


def _clips(data: DataConfig, root: Path) -> Sequence[SampleClip]:
    require(data.name == 'folder', 'data.name', data.name,
            'folder or rooms for a stage on clips: the other data sets hold no videos')
    return FolderDataset(root, 'train').clips


def _depth_range(depths: np.ndarray, count: int) -> tuple[float, float] | None:
    chosen = np.linspace(0, count - 1, min(_SAMPLED, count)).astype(int)
    return _range_of(np.concatenate([depths[index][::8, ::8].ravel() for index in chosen]))


def _sample_depths(samples: SampleSet) -> tuple[float, float] | None:
    """Return the range of valid depths in some samples, None where none has depths."""
    if 'depth' not in samples.tasks:
        return None
    # fewer than of rendered frames, because samples are decoded from files
    chosen = np.linspace(0, len(samples) - 1, min(_SAMPLED // 10, len(samples))).astype(int)
    values = [depth[depth > 0] for index in chosen
              if (depth := samples[int(index)].depth) is not None]
    return _range_of(np.concatenate(values)) if values else None


def _range_of(depths: np.ndarray) -> tuple[float, float] | None:
    """Return nearest and farthest, rounded to centimetres; None where no depth is valid."""
    if depths.size == 0 or (farthest := round(float(depths.max()), 2)) == 0:
        return None
    return round(float(depths.min()), 2), farthest
