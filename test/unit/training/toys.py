"""Made-up rooms, and recipes so small that a stage of one takes a second."""

from dataclasses import dataclass, replace

import numpy as np
from tiny import TINY

from mtshare_ros.data.rooms.room_batches import RoomsClipSet, RoomsTrainingSet
from mtshare_ros.data.sample import Sample
from mtshare_ros.model.description import ModelDescription
from mtshare_ros.tasks import load_labels
from mtshare_ros.training.batch_plan import ClipSource, ImageSource
from mtshare_ros.training.recipe import Recipe, StageRun
from mtshare_ros.training.run_directory import RunDirectory
from mtshare_ros.training.stage_config import DataConfig, OptimizerConfig, Phase, StagePlan, STAGES
from mtshare_ros.training.trainer import Trainer

SIZE = (48, 64)
FULL_SIZE = (96, 128)
SHAPE = replace(TINY, input_size=SIZE, shared_blocks=1)
TASKS = ('semseg', 'depth')
LABELS = load_labels('nyu40')


@dataclass
class ToyRooms:
    """Two halves of different colour, class, depth and normal: anything can learn them."""

    image: np.ndarray
    labels: np.ndarray
    depth: np.ndarray
    normals: np.ndarray
    edges: np.ndarray

    def __len__(self):
        return len(self.image)


@dataclass
class ToyClips(ToyRooms):
    """The same rooms, seen by a noisy camera while the border moves to the right."""

    clip: np.ndarray


def toy_rooms(count=10):
    return ToyRooms(*_views(np.arange(40, 40 + 5 * count, 5), np.random.default_rng(0)))


def toy_frame():
    """Return a room at the networks' size, as what a model is evaluated on."""
    rooms = toy_rooms(1)
    return Sample(rooms.image[0, ::2, ::2], labels=rooms.labels[0, ::2, ::2],
                  depth=rooms.depth[0, ::2, ::2].astype(np.float32))


def toy_clips(count=6, length=5):
    random = np.random.default_rng(1)
    borders = np.arange(40, 40 + 8 * count, 8)
    views = [_views(borders + 3 * number, random) for number in range(length)]
    return ToyClips(*views[-1], clip=np.stack([view[0] for view in views], axis=1))


def _views(borders, random):
    right = np.broadcast_to(np.arange(FULL_SIZE[1]) >= borders[:, None, None],
                            (len(borders), *FULL_SIZE))
    image = np.where(right[..., None], 200, 50) + random.integers(-5, 6, (*right.shape, 3))
    normals = np.where(right[..., None], (127, 0, 0), (0, 0, -127)).astype(np.int8)
    edges = np.zeros(right.shape, np.uint8)
    edges[..., :-1] = right[..., 1:] != right[..., :-1]
    return (image.astype(np.uint8), right.astype(np.uint8),
            np.where(right, 4.0, 1.0).astype(np.float16), normals, edges)


def image_plan(*, steps=8, batch_size=4, learning_rate=1e-3, **values):
    phase = Phase(SIZE, batch_size, steps * batch_size, 2)
    return StagePlan((phase,), OptimizerConfig(learning_rate, warmup_steps=2), **values)


def clip_plan(*, steps=4, batch_size=2, **values):
    phase = Phase(SIZE, batch_size, steps * batch_size)
    return StagePlan((phase,), OptimizerConfig(warmup_steps=2), **values)


def toy_recipe(*, tasks=TASKS, save_every_steps=6, **stages):
    """Return a recipe with stages by name, hyphens written as underscores."""
    plans = {name.replace('_', '-'): plan for name, plan in stages.items()}
    return Recipe(stages=plans, architecture=SHAPE, tasks=tasks, precision='fp32',
                  data=DataConfig(frames=10, clips=6, height=FULL_SIZE[0], width=FULL_SIZE[1]),
                  save_every_steps=save_every_steps)


def toy_run(stage, plan, task='', **values):
    """Return a run of the only stage of a recipe."""
    recipe = toy_recipe(**{stage.replace('-', '_'): plan}, **values)
    return StageRun(recipe, STAGES[stage], task or STAGES[stage].trained_for(recipe.tasks)[0])


def toy_source(run, *, rooms=None):
    if run.stage.clips:
        return ClipSource(RoomsClipSet(rooms or toy_clips()), 'the toy clips')
    return ImageSource(RoomsTrainingSet(rooms or toy_rooms()), 'the toy rooms')


def toy_description(run):
    architecture = replace(SHAPE, shared_blocks=run.shared_blocks)
    return ModelDescription(architecture=architecture, tasks=run.tasks, labels=LABELS,
                            focal_length=110.0, depth_range=(0.3, 8.0), trained_on='toys')


def make_trainer(folder, run, *, rooms=None, start=None, processes=None):
    return Trainer(run, toy_description(run), toy_source(run, rooms=rooms), RunDirectory(folder),
                   start=start, device='cpu', processes=processes)


def train(trainer):
    """Train to the end; return what each step reported."""
    reports = []
    trainer.train(trainer.run.plan.steps, reports.append)
    return reports


def weights(trainer):
    return trainer.checkpoint().network.state_dict()
