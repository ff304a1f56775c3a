"""What machines agree on before they train together, and that a lost one is noticed."""

from dataclasses import replace
from datetime import timedelta
import json
from pathlib import Path
import signal
from time import sleep

import pytest
from safetensors.torch import save_file
import torch
from toys import image_plan, toy_clips, toy_description, toy_recipe, toy_source
from two_machines import comes, end_machines, start_machines, wait_for

from mtshare_ros.errors import TrainingError
from mtshare_ros.training import heartbeat
from mtshare_ros.training.machines import check_data, check_folder_of_runs, check_recipes
from mtshare_ros.training.processes import joined_processes, Processes
from mtshare_ros.training.recipe import runs_of
from mtshare_ros.training.run_directory import Family

RECIPE = toy_recipe(base=image_plan())
RUNS = runs_of(RECIPE, 'all')


def refusal(check, *arguments):
    """Return the message of a check that refuses, '' where it does not."""
    try:
        check(*arguments)
    except TrainingError as error:
        return str(error)
    return ''


def talk(folder):
    """Do in each process what the tests below look at; write down what came of it."""
    with joined_processes('cpu', pytest.fail) as processes:
        rank = processes.rank
        own, from_file = replace(RECIPE, seed=rank), replace(RECIPE, initial='own.safetensors')
        save_file({'weight': torch.full((2, 2), float(rank))}, 'own.safetensors')
        rooms = toy_source(RUNS[0], rooms=toy_clips(6 - rank))
        description = toy_description(RUNS[0])
        family = Family(RECIPE, Path(folder) / str(rank))
        if rank == 1:
            family.directory(RUNS[0]).path.mkdir(parents=True)
            family.directory(RUNS[0]).save_state({'step': 3})
        found = {
            'same': refusal(check_recipes, processes, RECIPE, RUNS, 'cpu'),
            'recipes': refusal(check_recipes, processes, own, RUNS, 'cpu'),
            'initial': refusal(check_recipes, processes, from_file, RUNS, 'cpu'),
            'runs': refusal(check_recipes, processes, RECIPE, RUNS[:1 - rank], 'cpu'),
            'data': refusal(check_data, processes, RUNS[0], rooms, description),
            'folder': refusal(check_folder_of_runs, processes, family, RUNS),
            'decided': [processes.decided(lambda: rank == 0), processes.decided(lambda: rank > 0)],
            'gathered': processes.gather('ä' * rank),
        }
        (Path(folder) / f'{rank}.json').write_text(json.dumps(found))


def compute_for_ever(folder, silence_s):
    """Join, say so, and do something that takes longer than the test."""
    heartbeat.SILENCE = timedelta(seconds=float(silence_s))

    def end(reason):
        print(reason)  # noqa: T201
        (Path(folder) / f'lost {processes.rank}').touch()
        raise SystemExit

    with joined_processes('cpu', end) as processes:
        (Path(folder) / f'joined {processes.rank}').touch()
        while not (Path(folder) / f'lost {processes.rank}').exists():
            sleep(0.1)


def start(folder, call):
    """Start a function of this module on two machines."""
    (folder / 'process.py').write_text(f'import test_machines\ntest_machines.{call}\n')
    places = [folder / name for name in ('first', 'second')]
    for place in places:
        place.mkdir()
    return start_machines(places, folder / 'process.py')


@pytest.fixture(scope='module')
def talked(tmp_path_factory):
    folder = tmp_path_factory.mktemp('talk')
    machines = start(folder, f'talk({str(folder)!r})')
    try:
        assert [machine.wait() for machine in machines] == [0, 0], machines[0].said()
    finally:
        end_machines(machines)
    return [json.loads((folder / f'{rank}.json').read_text()) for rank in range(2)]


@pytest.mark.slow
def test_the_process_that_writes_decides_and_all_hear_all(talked):
    assert [found['decided'] for found in talked] == [[True, False]] * 2
    assert [found['gathered'] for found in talked] == [['', 'ä']] * 2


@pytest.mark.slow
def test_equal_recipes_are_accepted(talked):
    assert [found['same'] for found in talked] == ['', '']


@pytest.mark.slow
@pytest.mark.parametrize('what, words', [
    ('recipes', r'recipe.seed is 1 on .* \(process 1\), and 0 on .* \(process 0\); all machines'),
    ('initial', r'sha256 of initial is \w{64} on .* \(process 1\), and \w{64} on .* \(process 0'),
    ('runs', r'runs is  on .* \(process 1\), and semseg/base on .* \(process 0\)'),
    ('data', r'semseg/base: data.items is 5 on .* \(process 1\), and 6 on .* \(process 0\)'),
    ('folder', r'the run semseg/base was begun on .* \(process 1\), in .*, but the first process '
               r'is on .*, which does not have it; give .* the option --node-rank 0'),
])
def test_what_differs_is_named_on_every_machine(talked, what, words):
    for found in talked:
        with pytest.raises(TrainingError, match=words):
            raise TrainingError(found[what])


@pytest.mark.slow
def test_a_machine_that_falls_silent_is_noticed(tmp_path):
    # on a busy machine a process may be silent for some seconds before the two have joined
    assert any(silence_is_noticed(tmp_path / str(silence_s), silence_s)
               for silence_s in (2, 20, 120))


def silence_is_noticed(folder, silence_s):
    """Stop the second of two machines; return False where they have not joined at all."""
    folder.mkdir()
    machines = start(folder, f'compute_for_ever({str(folder)!r}, {silence_s})')
    try:
        if not all(comes(folder / f'joined {rank}', machine)
                   for rank, machine in enumerate(machines)):
            return False
        # a stopped process keeps its connections, as a machine without power does
        machines[1].send(signal.SIGSTOP)
        wait_for(folder / 'lost 0', machines[0])
    finally:
        end_machines(machines)
    return True


def test_a_process_alone_asks_itself():
    processes = Processes()

    assert processes.decided(lambda: True) and not processes.decided(lambda: False)
    assert processes.gather('alone') == ['alone']
    assert processes.state_of_first(lambda: {'step': 3}) == {'step': 3}
    check_recipes(processes, RECIPE, RUNS, 'cpu')
