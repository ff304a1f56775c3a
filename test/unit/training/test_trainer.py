"""The trainer: it learns, resumes exactly, and stops with a reason."""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from tiny import TINY
import torch

from mtshare_ros.errors import TrainingError
from mtshare_ros.inference.engine import Engine
from mtshare_ros.model.checkpoint import load_checkpoint
from mtshare_ros.training.config import OptimizerConfig, Phase, TrainingConfig
from mtshare_ros.training.run_directory import RunDirectory
from mtshare_ros.training.trainer import learning_rate, Trainer

CONFIG = TrainingConfig(
    architecture=TINY,
    phases=(Phase((48, 64), 2, 4, 24), Phase((96, 128), 1, 2, 12)),
    optimizer=OptimizerConfig(warmup_steps=2), precision='fp32', save_every_steps=3)


@dataclass
class MadeUpFrames:
    """Two halves of different colour, class, depth, and normal: anything can learn them."""

    image: np.ndarray
    labels: np.ndarray
    depth: np.ndarray
    normals: np.ndarray
    edges: np.ndarray

    def __len__(self):
        return len(self.image)


@pytest.fixture
def frames():
    random = np.random.default_rng(0)
    right = np.zeros((10, 96, 128), bool)
    for index, row in enumerate(right):
        row[:, 40 + 5 * index:] = True
    image = np.where(right[..., None], 200, 50) + random.integers(-20, 20, (*right.shape, 3))
    normals = np.where(right[..., None], (127, 0, 0), (0, 0, -127)).astype(np.int8)
    edges = np.zeros(right.shape, np.uint8)
    edges[..., :-1] = right[..., 1:] != right[..., :-1]
    return MadeUpFrames(image.astype(np.uint8), right.astype(np.uint8),
                        np.where(right, 4.0, 1.0).astype(np.float16), normals, edges)


def make_trainer(tmp_path, description, frames, config=CONFIG, name='run'):
    return Trainer(config, description, frames, RunDirectory(tmp_path / name), device='cpu')


def weights(trainer):
    return trainer.checkpoint().network.state_dict()


def test_the_losses_fall_and_the_result_loads(tmp_path, tiny_description, frames):
    config = replace(CONFIG, phases=(Phase((96, 128), 1, 4, 160),),
                     optimizer=OptimizerConfig(learning_rate=5e-3, warmup_steps=5))
    trainer = make_trainer(tmp_path, tiny_description, frames, config)
    reports = []
    trainer.run(config.steps, reports.append)
    for task in tiny_description.tasks:
        assert reports[-1].losses[task] < 0.8 * reports[0].losses[task]
    model = load_checkpoint(tmp_path / 'run' / 'model.safetensors')
    depth = Engine(model, device='cpu').infer(frames.image[3]).depth
    assert depth[:, 100:].mean() > 1.5 * depth[:, :30].mean()


def test_a_run_that_was_killed_goes_on_as_if_it_had_not_been(tmp_path, tiny_description, frames):
    whole = make_trainer(tmp_path, tiny_description, frames, name='whole')
    whole.run(CONFIG.steps, lambda report: None)
    first = make_trainer(tmp_path, tiny_description, frames, name='killed')
    # step 7 is lost: the last save was at 6, in the first phase
    with pytest.raises(KeyboardInterrupt):
        first.run(CONFIG.steps, _interrupt_at(7))
    second = make_trainer(tmp_path, tiny_description, frames, name='killed')
    assert second.step == 6
    second.run(CONFIG.steps, lambda report: None)
    for name, value in weights(whole).items():
        assert torch.equal(value, weights(second)[name]), name


def _interrupt_at(step):
    def report(done):
        if done.step == step:
            raise KeyboardInterrupt
    return report


def test_another_configuration_is_kept_out_of_a_run(tmp_path, tiny_description, frames):
    make_trainer(tmp_path, tiny_description, frames)
    with pytest.raises(TrainingError, match='another configuration'):
        make_trainer(tmp_path, tiny_description, frames, replace(CONFIG, seed=1))


def test_a_damaged_state_is_refused_by_name(tmp_path, tiny_description, frames):
    trainer = make_trainer(tmp_path, tiny_description, frames)
    trainer.save()
    state = tmp_path / 'run' / 'state.pt'
    state.write_bytes(state.read_bytes()[:1000])
    with pytest.raises(TrainingError, match='state.pt'):
        make_trainer(tmp_path, tiny_description, frames)


def test_a_loss_that_is_not_finite_names_the_frames(tmp_path, tiny_description, frames):
    frames.depth[:] = np.inf
    trainer = make_trainer(tmp_path, tiny_description, frames)
    with pytest.raises(TrainingError, match=r'loss of depth is inf on the frames \[\d'):
        trainer.run(1, lambda report: None)


def test_the_learning_rate_warms_up_and_ends_near_zero():
    rates = [learning_rate(CONFIG, step) for step in range(CONFIG.steps)]
    assert rates[0] == pytest.approx(5e-4, rel=0.01)
    assert max(rates) <= CONFIG.optimizer.learning_rate
    assert 0 < rates[-1] < 0.05 * CONFIG.optimizer.learning_rate
