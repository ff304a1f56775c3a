"""Evaluating with workers gives the metrics of one process, whatever happens to a worker."""

from dataclasses import dataclass, replace
import json
import os
from pathlib import Path
import signal
import sys
import tempfile

import pytest

ray = pytest.importorskip('ray', reason='ray is not installed: pip install -e ".[fleet]"')
pytest.importorskip('numba', reason='the rooms need the extra [rooms]')
trees = pytest.importorskip('dataset_trees', reason='data sets need the extra [train]')

from branching import write_branched  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from mtshare_ros.cli.app import app  # noqa: E402
from mtshare_ros.errors import ConfigError, ModelError  # noqa: E402
from mtshare_ros.evaluation.activity import delta_blocks  # noqa: E402
from mtshare_ros.evaluation.clip_evaluation import (  # noqa: E402
    ClipPlan,
    evaluate_clips,
    ScoredFrames,
)
from mtshare_ros.evaluation.room_data import room_clips  # noqa: E402
from mtshare_ros.fleet.evaluation_worker import evaluate_with, EvaluationWorkers  # noqa: E402
from mtshare_ros.fleet.pool import Pool, PoolOptions  # noqa: E402
from mtshare_ros.fleet.worker_model import WorkerModel  # noqa: E402
from mtshare_ros.inference.engine import Engine  # noqa: E402
from mtshare_ros.model.checkpoint import load_checkpoint  # noqa: E402
from mtshare_ros.sharing.sharing_settings import SharingSettings  # noqa: E402

# the workers' processes do not have the path of this file
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])

TASKS = ('depth', 'normals', 'edge')
FRAMES = 5
TWO = PoolOptions(workers=2, temp_folder=Path(tempfile.gettempdir()))


@pytest.fixture(scope='module')
def model(tmp_path_factory, tiny_description):
    """Write a tiny model whose sub-tasks have a block with delta weights of their own."""
    path = write_branched(tmp_path_factory.mktemp('models'), tiny_description, TASKS)
    return path


def run(*words):
    """Run the command in this process, which has all the libraries loaded."""
    result = CliRunner().invoke(app, list(map(str, words)))
    assert result.exit_code == 0, result.output
    return result


def measured(report):
    """Return what a report says apart from times and from the command."""
    sharing = report['sharing'] and {**report['sharing'], 'ms_p50': None}
    return {**report, 'sharing': sharing, 'ms_p50': None, 'command': None}


@pytest.mark.slow
@pytest.mark.parametrize('words', [
    ('--clips', '--split', 'validation', '--count', 3, '--frames', 4, '--input-size', '48x64'),
    ('--dataset', 'folder', '--root', 'mine', '--tasks', 'depth'),
    ('--dataset', 'nyud', '--root', 'nyud', '--edge-thresholds', 3, '--input-size', '48x64')])
def test_the_report_and_the_sheet_are_those_of_one_process(tmp_path, monkeypatch, model, words):
    monkeypatch.chdir(tmp_path)
    trees.write_frames(tmp_path / 'mine/val', 11, tasks=['depth'])
    trees.write_nyud(tmp_path / 'nyud')
    words = ('evaluate', model, *words)

    run(*words, '--json', 'one.json', '--sheet', 'one.png')
    run(*words, '--json', 'two.json', '--sheet', 'two.png', '--fleet', '--workers', 2)

    one, two = (json.loads(Path(name).read_text()) for name in ('one.json', 'two.json'))
    assert measured(two) == measured(one)
    assert two['ms_p50'] > 0
    assert Path('two.png').read_bytes() == Path('one.png').read_bytes()


@dataclass(frozen=True)
class MortalWorkers(EvaluationWorkers):
    """Workers of which one is killed in the middle of its first clip."""

    marker: Path = Path()

    def __call__(self, report):
        def report_or_die(key, amount):
            if amount == 3 and not self.marker.exists():
                self.marker.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            report(key, amount)

        return super().__call__(report_or_die)


@pytest.mark.slow
def test_a_worker_that_is_killed_changes_nothing(tmp_path, model):
    engine = Engine.load(str(model), device='cpu')
    plan = ClipPlan(engine.tasks, sharing=SharingSettings(crossover=1.0),
                    delta_blocks=delta_blocks(load_checkpoint(model).network))
    clips = room_clips('validation', None, 3, FRAMES)
    shown, seen, said = frozenset({0, 7, 14}), [], []
    work = MortalWorkers(chosen(model), clips, plan, shown, tmp_path / 'marker')

    with Pool(TWO, work, said.append) as pool:
        found = evaluate_with(pool, work, ScoredFrames.none(engine, plan),
                              observe=lambda number, truth, modes: seen.append(number))

    alone = evaluate_clips(engine, clips, plan)
    assert {name: mode.metrics for name, mode in found.report.modes.items()} \
        == {name: mode.metrics for name, mode in alone.modes.items()}
    assert (found.report.frames, found.report.activity) == (alone.frames, alone.activity)
    assert seen == sorted(shown)
    assert len(said) == 1 and 'died while it computed room ' in said[0]


@pytest.mark.slow
def test_a_clip_that_cannot_be_read_is_named_with_the_reason(tmp_path, model):
    for name in ('hall', 'lab'):
        trees.write_frames(tmp_path / f'val/clips/{name}', 3, tasks=['depth'])
    (tmp_path / 'val/clips/lab/rgb/2.png').write_bytes(b'no picture')

    result = CliRunner().invoke(app, [
        'evaluate', str(model), '--dataset', 'folder', '--root', str(tmp_path), '--clips',
        '--tasks', 'depth', '--fleet', '--workers', '1'])

    assert result.exit_code == 1
    assert 'clips/lab, frames 3 to 5: ' in result.output and 'rgb/2.png' in result.output


def chosen(model, **changes):
    return WorkerModel.choose(str(model), **{
        'device': 'auto', 'gpus': 0.0, 'precision': 'auto', **changes})


def test_a_worker_loads_the_model_of_the_command_wherever_it_runs(monkeypatch, tmp_path, model):
    monkeypatch.chdir(model.parent)
    here = chosen(model.name, input_size=(48, 64))

    monkeypatch.chdir(tmp_path)
    engine = here.load()

    assert engine.file.path == model and engine.input_size == (48, 64)


def test_a_worker_that_finds_another_file_says_so(model):
    with pytest.raises(ModelError, match='has the sha256 .*, that of the command is 0000; copy'):
        replace(chosen(model), sha256='0000').load()


@pytest.mark.parametrize('device, gpus', [('cuda', 0.0), ('cpu', 0.5)])
def test_a_device_that_workers_do_not_have_is_refused(model, device, gpus):
    with pytest.raises(ConfigError, match=f'{device} and --gpus-per-worker is {gpus:g}; allowed'):
        chosen(model, device=device, gpus=gpus)


def test_workers_with_gpus_compute_on_them(model):
    assert chosen(model, gpus=0.5).device == 'cuda'
