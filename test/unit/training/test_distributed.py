"""Two processes that share a batch train the network that one would train."""

from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
import torch
from toys import clip_plan, image_plan, make_trainer, toy_rooms, toy_run, train
from two_machines import end_machines, start_machines

from mtshare_ros.errors import ConfigError
from mtshare_ros.tasks import DEFAULT_TASKS, UNLABELLED
from mtshare_ros.training.delta_weights import HardConcrete
from mtshare_ros.training.processes import joined_processes, Processes
from mtshare_ros.training.stage_config import DeltaConfig

DELTAS = DeltaConfig(initial_log_alpha=0.0, penalty=1e-6)
RUNS = {
    'multi-task': toy_run('multi-task', image_plan(steps=4), tasks=DEFAULT_TASKS),
    'delta-weights': toy_run('delta-weights', image_plan(steps=4, delta=DELTAS)),
    'base-temporal': toy_run('base-temporal', clip_plan(steps=3)),
    'delta-activations': toy_run('delta-activations', clip_plan(steps=3)),
}
PROCESS = 'import test_distributed; test_distributed.train_in_a_process()\n'


def uneven_rooms():
    """Return rooms of which some have much less truth than others."""
    rooms = toy_rooms()
    rooms.labels[::3, :, :100] = UNLABELLED
    rooms.depth[::2, 20:] = 0
    return rooms


def train_all(folder, processes):
    """Train every run; return what its network holds, gates drawn, and losses, by name."""
    found = {}
    for name, run in RUNS.items():
        rooms = None if run.stage.clips else uneven_rooms()
        trainer = make_trainer(folder / name, run, rooms=rooms, processes=processes)
        torch.rand(1 + processes.rank)  # nothing may hang on what else a process drew
        for number, report in enumerate(train(trainer)):
            found |= {f'{name}/loss {number} {term}': torch.tensor(value)
                      for term, value in report.losses.items()}
        found |= {f'{name}/{key}': value.clone() for key, value in tensors_of(trainer)}
    return found


def tensors_of(trainer):
    network = trainer._network
    yield from network.named_parameters()
    yield from network.named_buffers()
    for key, module in network.named_modules():
        if isinstance(module, HardConcrete):
            yield f'drawn {key}', module._uniform


def train_in_a_process():
    """Train in the folder of a machine."""
    torch.set_num_threads(1)
    with joined_processes('cpu', pytest.fail) as processes:
        found = train_all(Path(), processes)
        save_file({name: value.contiguous() for name, value in found.items()},
                  'found.safetensors')


@pytest.fixture(scope='module')
def two(tmp_path_factory):
    """Return what each of two processes, on machines of their own, ended with."""
    folders = [tmp_path_factory.mktemp(name) for name in ('first', 'second')]
    for folder in folders:
        (folder / 'process.py').write_text(PROCESS)
    machines = start_machines(folders, 'process.py')
    try:
        assert [machine.wait() for machine in machines] == [0, 0], machines[0].said()
    finally:
        end_machines(machines)
    return [load_file(folder / 'found.safetensors') for folder in folders]


@pytest.fixture(scope='module')
def one(tmp_path_factory):
    """Return what one process alone ends with."""
    return train_all(tmp_path_factory.mktemp('one'), Processes())


@pytest.mark.slow
@pytest.mark.parametrize('name', RUNS)
def test_two_processes_hold_the_same_network_bit_for_bit(two, name):
    first, second = ({key: value for key, value in found.items() if key.startswith(f'{name}/')}
                     for found in two)

    assert first.keys() == second.keys()
    assert [key for key in first if not torch.equal(first[key], second[key])] == []


@pytest.mark.slow
@pytest.mark.parametrize('name', RUNS)
def test_two_processes_learn_what_one_learns_from_the_whole_batch(one, two, name):
    for key, expected in one.items():
        if key.startswith(f'{name}/'):
            torch.testing.assert_close(two[0][key], expected, rtol=1e-3, atol=1e-4, msg=key)


@pytest.mark.slow
def test_the_gates_of_a_step_are_those_of_one_process(one, two):
    drawn = [key for key in one if 'drawn' in key]

    assert drawn
    assert all(torch.equal(one[key], two[0][key]) for key in drawn)


def test_every_item_of_a_batch_has_one_process_and_keeps_its_place():
    shares = [Processes(rank, 2).share('abcd') for rank in range(2)]

    assert shares == [[(0, 'a'), (1, 'b')], [(2, 'c'), (3, 'd')]]


def test_a_batch_that_cannot_be_divided_is_refused():
    with pytest.raises(ConfigError, match='batch_size is 5; allowed is a multiple of the 2 proc'):
        Processes(0, 2).share('abcde')


def test_each_of_several_processes_has_a_gpu_of_its_own():
    assert Processes(1, 2, local_rank=1).device('cuda') == 'cuda:1'
    assert Processes(1, 2, local_rank=1).device('cpu') == 'cpu'
    assert Processes().device('cuda') == 'cuda'
