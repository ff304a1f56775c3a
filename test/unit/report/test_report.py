"""The report is what its files say, and says what they do not hold."""

import re

from made_up_results import (
    clips,
    every_figure,
    images,
    info,
    make_plan,
    scaled,
    write_figures,
)
import pytest

from mtshare_ros.errors import ConfigError
from mtshare_ros.report.page import STAGE_TEXTS, write_report
from mtshare_ros.report.results import read_results
from mtshare_ros.report.targets import Reading, Target
from mtshare_ros.training.stage_config import STAGES


@pytest.fixture
def report_of(tmp_path):
    """Return a function that writes figures to files and the report from them."""
    def report(figures, **plan):
        return write_report(read_results(write_figures(tmp_path, figures)), make_plan(**plan))
    return report


def row_of(report, name):
    """Return the cells of a table's row by what stands first in it."""
    line = re.search(rf'^\| {re.escape(name)} \|(.*)\|$', report, re.MULTILINE)
    assert line, f'there is no row {name}'
    return [cell.strip() for cell in line.group(1).split('|')]


def target_of(report, text):
    """Return the line of a target."""
    found = [line for line in report.splitlines() if line.startswith('* **') and text in line]
    assert len(found) == 1, found
    return found[0]


def test_where_every_figure_is_good_every_target_is_reached(report_of):
    report = report_of(every_figure())

    assert '15 of 15 reached' in report
    assert '**not reached**' not in report and 'as far as measured' not in report


def test_a_stage_shows_its_task_against_the_network_trained_alone(report_of):
    figures = every_figure()
    figures['images']['depth-delta-tune'] = images(0.95, ('semseg', 'depth'))

    assert row_of(report_of(figures), 'depth: delta-tune') == [
        '800', '9 600', '', '0.420 (-5.00)', '', '', '']


def test_the_images_of_all_tasks_stand_beside_those_of_the_baselines(report_of):
    report = report_of(every_figure())

    assert row_of(report, '**the model of all tasks**')[:2] == [
        '', '7 200 / 10 400 / 10 400 / 10 400']
    assert row_of(report, 'multi-task')[:2] == ['10 400', '10 400']


def test_the_base_task_is_measured_against_its_base(report_of):
    figures = every_figure()
    figures['images']['semseg-base-temporal'] = images(1.01, ('semseg',))
    report = report_of(figures)

    assert row_of(report, 'semseg: base')[2] == '61.0'
    assert row_of(report, 'semseg: base-temporal')[2] == '61.6 (+1.00)'


@pytest.mark.parametrize('kind, name, values, target, failing', [
    ('images', 'shared', images(0.98), 'sub-tasks together: Δm to the networks',
     '**dense -2.00 %**'),
    ('images', 'shared', images(0.96), 'every sub-task by itself: better than multi-task',
     '**edge dense -1.03 %**'),
    ('images', 'shared', images(0.7), 'semseg: mean IoU', '**dense 42.7 %**'),
    ('images', 'shared', images(0.5), 'depth: RMSE', '**dense 0.600 m**'),
    ('clips', 'shared-test-pan', clips('pan', to_dense=-1.01), 'sharing costs',
     '**test-pan -1.01 %**'),
    ('clips', 'shared-validation', clips(reused=0.49), 'are reused', '**49.0 %**'),
    ('clips', 'shared-validation', clips(gated=0.31), 'let through', '**1.55**'),
    ('clips', 'shared-validation', clips(factor=0.98),
     'every sub-task by itself: Δm to the networks', '**depth sharing on validation -2.00 %**'),
    ('info', 'shared', info(density=0.008), 'of the encoder', '**depth 0.80 %**'),
    ('info', 'shared', info(density=0.08), 'of every block', '**most of normals 12.00 %**'),
    ('info', 'shared', info(ratio=1.51), 'times the bytes', '**1.510**'),
])
def test_a_figure_beyond_its_limit_is_not_reached(
        report_of, kind, name, values, target, failing):
    figures = every_figure()
    figures[kind][name] = values
    line = target_of(report_of(figures), target)

    assert line.startswith('* **not reached**')
    assert failing in line


def test_a_baseline_that_saw_fewer_images_is_told(report_of):
    runs = tuple(run for run in make_plan().runs if run.name != 'depth-single-task')
    figures = every_figure()
    del figures['images']['depth-single-task'], figures['clips']['depth-single-task-validation']
    line = target_of(report_of(figures, runs=runs), 'every baseline saw as many images')

    assert line.startswith('* **reached as far as measured**')
    assert 'depth-single-task not measured, normals-single-task +0' in line


def test_what_is_missing_is_said_and_never_made_up(report_of):
    report = report_of({'images': {'shared': images()}})

    assert target_of(report, 'sharing costs').startswith('* **not measured**')
    assert target_of(report, 'edge: F').startswith('* **reached as far as measured**')
    assert row_of(report, 'multi-task')[2:6] == ['not measured'] * 4
    assert row_of(report, 'validation')[0] == 'not measured'
    assert row_of(report, 'wall-clock') == ['never published', 'not measured']
    for text in ('Delta weights and their bytes: not measured', 'The benchmark: not measured'):
        assert text in report


def test_a_figure_that_is_no_number_is_not_measured(report_of):
    figures = every_figure()
    figures['images']['depth-single-task'] = images(tasks=()) | {
        'metrics': {'depth': {'rmse': None}}}
    report = report_of(figures)

    assert row_of(report, 'depth: single-task')[3] == 'not measured'
    assert row_of(report, '**the model of all tasks**')[3] == '0.400'
    assert row_of(report, '**the model of all tasks**')[-1] == 'not measured'


def test_clips_show_work_and_quality_by_motion(report_of):
    figures = every_figure()
    figures['clips']['shared-test-drive'] = clips('drive', factor=0.99, to_dense=-1.0)
    report = report_of(figures)

    assert row_of(report, 'test-drive') == [
        '128', '25.0', '60.0', '24.0', '20.0', '1.20', '27.0', '-1.00']
    assert '| test-drive | 61.0 → 60.4 | 0.400 → 0.404 | 13.0 → 13.1 | 93.0 → 92.1 |' in report


def test_clips_with_other_settings_than_the_rest_are_told(report_of):
    figures = every_figure()
    figures['clips']['shared-test-pan']['sharing']['settings']['temporal_threshold'] = 0.5
    report = report_of(figures)

    assert '* test-pan: sharing with thresholds over time times 0.5' in report


def test_delta_weights_are_shown_by_task_and_block_with_their_bytes(report_of):
    report = report_of(every_figure())

    assert row_of(report, 'encoder') == ['5.0'] * 3
    assert row_of(report, 'block 11') == ['7.5'] * 3
    assert row_of(report, 'edge: delta weights') == ['1.00', '0.100']
    assert row_of(report, 'all tasks, heads apart') == ['13.00', '1.300']
    assert row_of(report, 'depth: decode head') == ['0.40', '']


def test_the_benchmark_shows_every_file_with_its_conditions(report_of):
    report = report_of(every_figure())

    assert '### static\n\nModel shared_model, 240x320 pixels (height x width), 256 fr' in report
    assert row_of(report, 'combined') == [
        '30.0', '31.0', '32.0', '30.0', '4.00', '3.00', '13.0', '10.0', '14.0', '-0.25']
    assert row_of(report, 'hold, n = 3')[0] == '31.0'
    assert row_of(report, '30 of 300 tokens') == ['10.0', '11.0', '12.0', '5.00']
    assert row_of(report, 'target 30 ms')[-4:] == ['29.5', '0.0', '15.0', '44']
    assert 'abacus, 2 cores, 2 threads, float32, torch 2.9' in report


def test_a_benchmark_of_all_motions_has_a_table_for_each(report_of):
    figures = every_figure()
    one = figures['bench'].pop('static')
    contenders = {'contenders': one.pop('contenders'), 'cache_bytes': one.pop('cache_bytes')}
    figures['bench']['moving'] = {**one, 'motions': {'static': contenders, 'pan': contenders}}
    report = report_of(figures)

    assert report.count('| combined | 30.0') == 2 and '\n**pan**\n' in report


def test_the_claims_stand_beside_ours(report_of):
    report = report_of(every_figure())

    assert row_of(report, 'wall-clock') == [
        'never published',
        'static at 240x320: 30.0 ms, 4.00 times faster than one dense network per task; how good '
        'the maps are at these sizes is under "Speed"']
    assert row_of(report, '**accuracy**: the model of all tasks, dense')[1] == (
        'semseg 61.1 %, depth 0.400 m, normals 13.0°, edge 93.1 %')
    assert row_of(report, 'Δm of sharing on video to dense frames')[0] == 'unknown'


@pytest.mark.parametrize('command', [
    'mtshare train config/train/rooms.yaml --output runs/rooms',
    'mtshare calibrate runs/rooms/model.safetensors --register shared_model',
    'mtshare write images/depth-delta-tune.json', 'mtshare write sizes/shared-480x640.json',
    'mtshare write clips/shared-validation.json', 'mtshare write info/shared.json',
    'mtshare write bench/latency.json',
    'mtshare report docs/results --recipe config/train/rooms.yaml --output docs/results.md',
])
def test_a_command_is_listed_as_it_was_typed(report_of, command):
    assert f'\n{command}\n' in report_of(every_figure())


def test_the_summary_on_top_says_what_was_reached_and_how_fast(report_of):
    report = report_of(every_figure())
    summary = report[report.index('## Summary'):report.index('## Targets')]

    assert '15 of 15 reached' in summary and 'depth 0.400 m' in summary
    assert 'Δm to dense frames\n  -0.40 to -0.40 %' in summary
    assert 'static at 240x320: 30.0 ms, 4.00 times faster' in summary


def test_a_picture_is_shown_with_the_command_that_draws_it(report_of):
    report = report_of(every_figure(), pictures={'results_views.png': 'images/results_views.png'})

    assert re.search(r'^!\[Ten rooms .+\]\(images/results_views\.png\)$', report, re.MULTILINE)
    assert '--count 10 --sheet docs/images/results_views.png\n' in report
    assert 'results_clip' not in report


@pytest.mark.parametrize('kind, name, values, complaint', [
    ('images', 'depth-finetune', images(), 'depth-finetune.json is of no network of'),
    ('clips', 'shared', clips(), 'shared.json is of no network of'),
    ('images', 'multi-task', images(split='validation'), "split is 'validation'"),
    ('images', 'multi-task', images(images=32), 'images is 32'),
    ('clips', 'multi-task-validation', clips('pan', split='validation'), 'clips is'),
    ('clips', 'shared-test-pan', clips('pan', sha256='ef'), "sha256 is 'ef'"),
    ('info', 'shared', info(sha256='ef'), "sha256 is 'ef'"),
])
def test_figures_that_do_not_belong_together_are_refused(
        report_of, kind, name, values, complaint):
    figures = every_figure()
    figures[kind][name] = values

    with pytest.raises(ConfigError, match=re.escape(complaint)):
        report_of(figures)


@pytest.mark.parametrize('text, complaint', [
    ('{', 'is not JSON'), ('[]', 'holds list, not keys and values')])
def test_a_damaged_file_is_named_with_the_command_that_writes_it(tmp_path, text, complaint):
    (tmp_path / 'bench').mkdir()
    (tmp_path / 'bench/static.json').write_text(text)

    with pytest.raises(ConfigError, match=f'static.json: {complaint}.*mtshare bench --json'):
        read_results(tmp_path)


def test_a_folder_without_figures_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r'holds no results; .* images/ \(mtshare evaluate'):
        read_results(tmp_path / 'absent')


@pytest.mark.parametrize('values, verdict', [
    ((1.0, 2.0), 'reached'), ((1.0, -1.0), 'not reached'), ((None, -1.0), 'not reached'),
    ((1.0, None), 'reached as far as measured'), ((None, None), 'not measured')])
def test_one_reading_that_fails_decides(values, verdict):
    readings = tuple(Reading('it', value, '.1f') for value in values)

    assert Target('above 0', lambda value: value > 0, readings).verdict == verdict


def test_the_limit_itself_still_holds(report_of):
    figures = every_figure()
    figures['clips']['shared-test-pan'] = clips('pan', to_dense=-1.0)
    figures['info']['shared'] = info(ratio=1.5)
    report = report_of(figures)

    assert target_of(report, 'sharing costs').startswith('* **reached**')
    assert target_of(report, 'times the bytes').startswith('* **reached**')


def test_equal_to_multi_task_is_not_better(report_of):
    figures = every_figure()
    figures['images']['multi-task'] = images() | {'metrics': scaled(1.001)}
    line = target_of(report_of(figures), 'sub-tasks together: better than multi-task')

    assert line.startswith('* **not reached**') and '**dense +0.00 %**' in line


def test_every_stage_of_training_is_explained():
    assert set(STAGE_TEXTS) == set(STAGES)


def test_notes_stand_in_the_report_where_there_are_some(report_of, tmp_path):
    assert 'Notes on these trainings' not in report_of(every_figure())
    (tmp_path / 'notes.md').write_text('* Cut short.\n')
    assert '## Notes on these trainings\n\n* Cut short.\n' in report_of(every_figure())
