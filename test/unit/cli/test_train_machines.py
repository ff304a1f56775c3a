"""``mtshare train`` on two machines that share no folder gives what one process gives."""

from dataclasses import replace
import json
import os
import signal
import subprocess
import sys
from tempfile import TemporaryDirectory

from doc_pages import examples
import pytest
from safetensors.torch import load_file
import torch
import yaml

pytest.importorskip('typer', reason='the command line needs the extra [cli]')
pytest.importorskip('numba', reason='rendering needs the extra [rooms]')
pytest.importorskip('tensorboard', reason='the log needs the extra [train]')

from tiny import TINY  # noqa: E402
from two_machines import (  # noqa: E402
    end_machines,
    free_port,
    PATHS,
    start_machines,
    wait_for,
)
from waiting import PATIENCE_S  # noqa: E402

from mtshare_ros.config import to_values  # noqa: E402
from mtshare_ros.model.architecture import HeadConfig  # noqa: E402
from mtshare_ros.model.checkpoint import save_checkpoint  # noqa: E402
from mtshare_ros.model.description import ModelDescription  # noqa: E402
from mtshare_ros.model.network import build_model  # noqa: E402
from mtshare_ros.tasks import load_labels  # noqa: E402

pytestmark = pytest.mark.slow

SIZE = [48, 64]
HEAD = HeadConfig(taps=(1, 2), channels=8, depth=1, hidden=16)
SHAPE = replace(TINY, stem='patch', patch_size=16, position='absolute', position_grid=(3, 4),
                class_token=True, input_size=tuple(SIZE), shared_blocks=1,
                heads=dict.fromkeys(('semseg', 'depth'), HEAD))
LONG = 'multi-task'
"""The stage that is long enough to be stopped in its middle."""
FOLDERS = ('semseg/base', 'semseg/base-temporal', 'depth/delta-weights', 'depth/delta-tune',
           'depth/delta-activations', 'depth/single-task', LONG, 'heads')
TRAIN = ('train', 'tiny.yaml', '--output', 'run', '--data', 'rooms', '--device', 'cpu',
         '--threads', 1)


def plain(value):
    """Return a configuration as YAML has it."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return list(map(plain, value)) if isinstance(value, (list, tuple)) else value


def stages():
    """Return every stage by its name, most of them with two steps."""
    images = {'input_size': SIZE, 'batch_size': 4, 'images': 8}
    clips = {'input_size': SIZE, 'batch_size': 2, 'images': 4}
    phases = {name.split('/')[-1]: images for name in FOLDERS}
    phases |= {'base-temporal': clips, 'delta-activations': clips, LONG: {**images, 'images': 160}}
    return {name: {'phases': [phase], 'optimizer': {'warmup_steps': 2}}
            for name, phase in phases.items()}


def prepare(folder):
    """Put into a folder what a machine needs: the recipe and the initial weights."""
    folder.mkdir()
    (folder / 'tiny.yaml').write_text(yaml.safe_dump(plain({
        'architecture': to_values(SHAPE), 'tasks': ['semseg', 'depth'], 'stages': stages(),
        'initial': 'tiny.safetensors', 'precision': 'fp32', 'validation_views': 1,
        'save_every_steps': 2, 'data': {'frames': 8, 'clips': 2, 'height': 48, 'width': 64}})))
    torch.manual_seed(0)
    labels, shape = load_labels('nyu40'), replace(SHAPE, heads={})
    save_checkpoint(
        folder / 'tiny.safetensors', build_model(shape, ('saliency',), len(labels)).eval(),
        ModelDescription(shape, ('saliency',), labels, None, None, storage='float32'))
    return folder


@pytest.fixture(scope='module')
def one(command_in, tmp_path_factory):
    """Return the runs of one process."""
    folder = prepare(tmp_path_factory.mktemp('one') / 'machine')
    result = command_in(folder, *TRAIN)
    assert result.returncode == 0, result.stderr
    return folder / 'run'


def start(folder, *more):
    """Start two machines, or start them again."""
    folders = [folder / 'first', folder / 'second']
    return start_machines([path if path.exists() else prepare(path) for path in folders],
                          '-m', 'mtshare_ros.cli.main', *TRAIN, *more)


@pytest.fixture(scope='module')
def two(tmp_path_factory):
    """Return the two machines after their training."""
    machines = start(tmp_path_factory.mktemp('two'))
    try:
        assert [machine.wait() for machine in machines] == [0, 0], machines[0].said()
    finally:
        end_machines(machines)
    return machines


def distance(path, other):
    """Return by how much the weights of two files differ, relative to their size."""
    first, second = load_file(path), load_file(other)
    assert first.keys() == second.keys()
    difference = sum((first[name].double() - second[name].double()).square().sum()
                     for name in first)
    return float((difference / sum(value.double().square().sum() for value in first.values()))
                 .sqrt())


@pytest.mark.parametrize('name', [*FOLDERS, '.'])
def test_two_machines_train_the_network_that_one_process_trains(one, two, name):
    path = two[0].folder / 'run' / name / 'model.safetensors'

    # The sums over a batch are added up in another order, and files hold matrices in float16. In
    # forty steps the difference grows, on one processor to 2e-3; half of each batch makes it 8e-2.
    most = 1e-2 if name == LONG else 1e-3
    assert distance(one / name / 'model.safetensors', path) < most


@pytest.mark.parametrize('name', FOLDERS)
def test_two_machines_validate_at_the_same_steps_with_the_same_metrics(one, two, name):
    expected, found = (json.loads((path / name / 'metrics.json').read_text())
                       for path in (one, two[0].folder / 'run'))

    assert found['step'] == expected['step']
    for task, metrics in expected['metrics'].items():
        assert found['metrics'][task] == pytest.approx(metrics, rel=1e-2)


def test_only_the_first_machine_writes_runs_and_reports_them(two):
    first, second = two

    assert first.said().count('curves: tensorboard') == len(FOLDERS)
    assert 'curves' not in second.said() and 'miou' not in second.said()
    written = {path.name for path in (second.folder / 'run').rglob('*') if path.is_file()}
    assert not written & {'model.safetensors', 'config.yaml', 'metrics.json', 'finished'}


def test_each_machine_prepares_rooms_clips_and_features_of_its_own(two):
    for machine in two:
        assert (machine.folder / 'rooms/frames/depth.npy').is_file()
        assert (machine.folder / 'rooms/clips/depth.npy').is_file()
        assert (machine.folder / 'run/heads/features/0_48x64/outputs.npy').is_file()


def test_a_training_whose_machine_was_killed_goes_on_as_if_it_had_not_been(two, tmp_path):
    machines = start(tmp_path, '--stage', LONG)
    try:
        wait_for(tmp_path / 'first/run' / LONG / 'state.pt', machines[0])
        machines[1].send(signal.SIGKILL)
        assert machines[0].wait() != 0
    finally:
        end_machines(machines)
    assert 'another process of this training ended or cannot be reached' in machines[0].said()
    assert not (tmp_path / 'first/run' / LONG / 'finished').exists()

    again = start(tmp_path, '--stage', LONG)
    try:
        assert [machine.wait() for machine in again] == [0, 0], again[0].said()
    finally:
        end_machines(again)

    assert f'{LONG}: step 0 of' not in again[0].said()
    whole, resumed = (load_file(folder / 'run' / LONG / 'model.safetensors')
                      for folder in (two[0].folder, tmp_path / 'first'))
    assert [name for name in whole if not torch.equal(whole[name], resumed[name])] == []


@pytest.fixture
def cluster(monkeypatch):
    """Start a Ray cluster of two nodes."""
    cluster_utils = pytest.importorskip('ray.cluster_utils', reason='Ray: the extra [fleet]')
    # a folder of its own, with a short path, because Ray's sockets are in it
    with TemporaryDirectory() as folder:
        monkeypatch.setenv('RAY_TMPDIR', folder)
        cluster = cluster_utils.Cluster(
            initialize_head=True, head_node_args={'num_cpus': 1, 'include_dashboard': False})
        cluster.add_node(num_cpus=1)
        try:
            yield cluster
        finally:
            cluster.shutdown()


def test_the_script_for_ray_clusters_trains(cluster, two, tmp_path):
    script, = (example.text for example in examples('python') if 'train_on_ray' in example.text)
    (tmp_path / 'train_on_ray.py').write_text(script.replace('29500', str(free_port())))
    folder = two[0].folder
    words = [*TRAIN[1:], '--stage', 'single-task']
    words[words.index('tiny.yaml')] = folder / 'tiny.yaml'
    words[words.index('rooms')] = folder / 'rooms'
    words[words.index('run')] = tmp_path / 'run'

    result = subprocess.run(
        [sys.executable, 'train_on_ray.py', *map(str, words), '--set',
         f'initial={folder / "tiny.safetensors"}'],
        cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S,
        env={**os.environ, 'RAY_ADDRESS': cluster.address, 'OMP_NUM_THREADS': '1',
             'PYTHONPATH': os.pathsep.join(map(str, PATHS))})

    assert result.returncode == 0, result.stderr
    assert distance(*(path / 'depth/single-task/model.safetensors'
                      for path in (folder / 'run', tmp_path / 'run'))) == 0
