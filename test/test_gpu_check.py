"""The check of a GPU runs where there is none, and loses nothing where a step of it dies."""

import os
from pathlib import Path
import signal
import subprocess
import sys
import time

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / 'tools'))

from gpu_check.boards import AGX_ORIN, Board, estimated_ms, ORIN_NANO, Work  # noqa: E402
from gpu_check.contenders import SHARING  # noqa: E402
from gpu_check.models import PUBLIC, VIT_B  # noqa: E402
from gpu_check.results import Results  # noqa: E402
from gpu_check.running import run_steps, Step  # noqa: E402
from gpu_check.steps import STEPS  # noqa: E402
from gpu_check.summary import all_passed, summarise  # noqa: E402


def check_gpu(folder, *arguments):
    """Run the script on a pretended GPU, and return its process and its figures."""
    done = subprocess.run(
        [ROOT / 'tools' / 'gpu_check.sh', '--pretend', '--output', folder, *arguments],
        env={**os.environ, 'PYTHON': sys.executable}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done, Results(folder / 'results.json').lines()


def test_faults_are_played_on_a_pretended_gpu_and_end_as_they_should(tmp_path):
    done, lines = check_gpu(tmp_path, '--steps', 'faults')

    assert [line['passed'] for line in lines if 'passed' in line] == [True] * 4
    assert 'Checks: 4 of 4 passed' in done.stdout


@pytest.mark.slow
def test_the_whole_check_runs_on_a_pretended_gpu(tmp_path):
    done, lines = check_gpu(tmp_path)

    ends = {line['step']: line['end'] for line in lines if line['what'] == 'end'}
    assert ends.keys() == {step.name for step in STEPS if not step.alike}
    assert set(ends.values()) == {'done'}
    contenders = {line['contender'] for line in lines if line['what'] == 'frame'}
    assert len(contenders) == 10
    assert done.stdout.strip().endswith((tmp_path / 'summary.txt').read_text().strip())


def test_all_steps_together_may_take_eight_minutes():
    assert sum(step.seconds for step in STEPS) <= 480


def test_a_step_that_dies_or_hangs_loses_neither_its_figures_nor_the_other_steps(tmp_path):
    def die(check):
        check.add('before', value=1)
        os.kill(os.getpid(), signal.SIGKILL)

    def hang(check):
        check.add('before', value=2)
        time.sleep(60)

    results = Results(tmp_path / 'results.json')
    steps = [Step('dies', 20, die), Step('hangs', 1, hang),
             Step('lives', 20, lambda check: check.judge('it', True))]
    run_steps(steps, results, pretend=True)

    lines = results.lines()
    assert [line['value'] for line in lines if line['what'] == 'before'] == [1, 2]
    assert [line['end'] for line in lines if line['what'] == 'end'] == [
        'died of SIGKILL', 'cut off after 1 s', 'done']
    assert not all_passed(lines)


def test_a_line_that_was_cut_off_while_it_was_written_is_left_out(tmp_path):
    results = Results(tmp_path / 'results.json')
    results.add('constants', 'launch', us=5.0)
    with results.path.open('a') as file:
        file.write('{"step": "constants", "wh')

    assert results.lines() == [{'step': 'constants', 'what': 'launch', 'us': 5.0}]


def frame(contender, p50, p99, model=VIT_B, dense=False, four=False):
    return {'step': f'latency:{model}', 'what': 'frame', 'model': model, 'share': 0.1,
            'contender': contender, 'p50': p50, 'p99': p99, 'dense': dense, 'four': four,
            'entered': 0.1}


def test_the_summary_holds_what_was_measured_against_what_is_asked_for():
    text = summarise([
        frame(SHARING, 0.5, 0.6), frame('graph', 1.2, 1.3, dense=True),
        frame('eager', 4.0, 4.1, dense=True), frame('four networks', 1.8, 1.9, four=True),
        frame(SHARING, 1.0, 1.5, PUBLIC), frame('graph', 0.9, 1.0, PUBLIC, dense=True),
    ], pretend=False)

    asked = text[text.index('What is asked for'):].splitlines()[1:7]
    assert [line.rpartition(', ')[2] for line in asked] == [
        '2.40: reached',
        '3.60: MISSED', 'not measured', '0.90: MISSED',
        '10%): MISSED', '10%): MISSED']


def test_of_a_step_that_ran_twice_the_last_run_counts():
    def run(passed):
        return [{'step': 'faults', 'what': 'it', 'passed': passed},
                {'step': 'faults', 'what': 'end', 'end': 'done', 'seconds': 1}]

    assert all_passed(run(False) + run(True))
    assert not all_passed(run(True) + run(False))


def test_an_estimate_is_the_sum_of_launches_waits_arithmetic_memory_and_transfers():
    board = Board('a board', node_us=2, wait_us=10, tflops=4, gb_s=100, link_gb_s=10)

    assert estimated_ms(Work(300, 0, 0, 0), board) == pytest.approx(0.620)
    assert estimated_ms(Work(0, 2e9, 0, 0, waits=0), board) == pytest.approx(1.0)
    assert estimated_ms(Work(0, 0, 1e8, 5e6, waits=0), board) == pytest.approx(1.5)


def test_the_smaller_board_is_estimated_to_be_the_slower_one():
    work = Work(319, 5e9, 50e6, 6.8e6)
    assert estimated_ms(work, ORIN_NANO) > 1.5 * estimated_ms(work, AGX_ORIN)
