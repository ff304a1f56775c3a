"""``mtshare evaluate``."""

import json

import numpy as np
import pytest

pytest.importorskip('typer', reason='the command line needs the extra [cli]')
pytest.importorskip('numba', reason='the rooms need the extra [rooms]')
Image = pytest.importorskip('PIL.Image', reason='the sheet needs the extra [cli]')

from branching import write_branched  # noqa: E402
from typer.testing import CliRunner  # noqa: E402
import yaml  # noqa: E402

from mtshare_ros.cli.app import app  # noqa: E402
from mtshare_ros.cli.evaluate_outcome import METRICS  # noqa: E402

TASKS = ('depth', 'normals', 'edge')  # untrained, it finds no class: a mIoU of 0 has no change
SHORT = ('--clips', '--split', 'validation', '--count', 1, '--frames', 4, '--input-size', '48x64')


@pytest.fixture(scope='module')
def branched_model(tmp_path_factory, tiny_description):
    """Write a tiny model whose sub-tasks have a block with delta weights of their own."""
    path = write_branched(tmp_path_factory.mktemp('models'), tiny_description, TASKS)
    return path


def evaluate(*words):
    """Run the command in this process, which has all the libraries loaded."""
    return CliRunner().invoke(app, ['evaluate', *map(str, words)])


@pytest.fixture(scope='module')
def both_ways(tmp_path_factory, branched_model):
    """Evaluate a clip dense and with sharing, for all tests that look at the outcome."""
    folder = tmp_path_factory.mktemp('both_ways')
    result = evaluate(branched_model, *SHORT, '--json', folder / 'clip.json',
                      '--sheet', folder / 'clip.png')
    assert result.exit_code == 0, result.output
    return result.output, folder


def read(path):
    return json.loads(path.read_text())


def test_figures_go_to_the_table_the_json_file_and_the_sheet(command, tiny_model, tmp_path):
    result = command('evaluate', tiny_model, '--split', 'validation', '--views', 3,
                     '--json', 'figures.json', '--sheet', 'maps.png')
    assert result.returncode == 0, result.stderr
    report = read(tmp_path / 'figures.json')
    assert (report['model'], report['split'], report['views']) == ('tiny', 'validation', 3)
    assert {(task, key) for task, figures in report['metrics'].items() for key in figures} \
        == {(task, key) for task, key in METRICS if task in ('semseg', *TASKS)}
    assert f'{report["metrics"]["depth"]["rmse"]:.3f}' in result.stdout
    assert report['metrics_of'] == 'dense' and report['sharing'] is None
    with Image.open(tmp_path / 'maps.png') as sheet:
        assert sheet.width == 1800
        assert sheet.height > 3 * 100


def test_without_a_baseline_there_is_no_change_to_it(both_ways):
    report = read(both_ways[1] / 'clip.json')
    assert report['delta_m'] is report['per_task_delta'] is report['baseline'] is None


def test_one_run_on_clips_gives_both_ways_and_what_lies_between(both_ways):
    report = read(both_ways[1] / 'clip.json')
    sharing = report['sharing']
    assert report['metrics_of'] == 'dense' and report['images'] == 4
    assert report['clips'] == ['room 1000500, static'] and report['views'] is None
    assert set(sharing['metrics']) == set(report['metrics']) == set(TASKS)
    assert sharing['delta_m_to_dense'] == pytest.approx(
        np.mean(list(sharing['per_task_delta_to_dense'].values())))
    assert sharing['resets'] == {'first frame': 1}
    assert sharing['delta_blocks'] == {'normals': [1], 'edge': [1]}


def test_the_shares_of_sharing_are_in_the_report(both_ways):
    sharing = read(both_ways[1] / 'clip.json')['sharing']
    names = ('reused', 'gated', 'changed', 'active_fraction', 'macs_share')
    assert all(0 <= sharing[name] <= 1 for name in names), sharing
    assert sharing['gated_to_changed'] == pytest.approx(sharing['gated'] / sharing['changed'])


def test_the_settings_of_the_run_are_in_the_report(branched_model, tmp_path):
    result = evaluate(branched_model, *SHORT, '--temporal-threshold', 0.5,
                     '--task-threshold', 0, '--refresh-period', 120,
                      '--json', tmp_path / 'clip.json')
    assert result.exit_code == 0, result.output
    report = read(tmp_path / 'clip.json')
    settings = report['sharing']['settings']
    assert (settings['temporal_threshold'], settings['task_threshold']) == (0.5, 0)
    assert settings['refresh_period'] == settings['max_age'] == 120
    # what a frame costs on this machine must not decide about the figures
    assert settings['crossover'] == report['computed_with']['crossover'] == 1


def test_the_table_shows_both_ways_and_says_what_the_shares_mean(both_ways):
    report = read(both_ways[1] / 'clip.json')
    for metrics in (report['metrics'], report['sharing']['metrics']):
        assert f'{metrics["normals"]["mean"]:.3f}' in both_ways[0]
    assert 'reused %' in both_ways[0] and 'of those reused or computed' in both_ways[0]


def test_the_sheet_of_a_clip_has_two_rows_for_a_frame(both_ways, branched_model, tmp_path):
    result = evaluate(branched_model, *SHORT, '--sharing', 'off',
                     '--sheet', tmp_path / 'dense.png')
    assert result.exit_code == 0, result.output
    with Image.open(both_ways[1] / 'clip.png') as both, \
            Image.open(tmp_path / 'dense.png') as dense:
        assert both.height > 1.4 * dense.height


def test_sharing_alone_gives_its_figures(branched_model, both_ways, tmp_path):
    result = evaluate(branched_model, *SHORT, '--sharing', 'on', '--json', tmp_path / 'on.json')
    assert result.exit_code == 0, result.output
    report = read(tmp_path / 'on.json')
    assert report['metrics_of'] == 'sharing'
    assert report['metrics'] == read(both_ways[1] / 'clip.json')['sharing']['metrics']
    assert report['sharing']['delta_m_to_dense'] is None


def test_a_model_is_as_good_as_itself(branched_model, both_ways, tmp_path):
    result = evaluate(branched_model, *SHORT, '--sharing', 'off', '--json', tmp_path / 'same.json',
                     '--baseline', both_ways[1] / 'clip.json')
    assert result.exit_code == 0, result.output
    report = read(tmp_path / 'same.json')
    assert report['delta_m'] == 0 and report['per_task_delta'] == dict.fromkeys(TASKS, 0)


def test_single_task_networks_are_a_baseline_together(tiny_model, tmp_path):
    figures = {'semseg': {'miou': 10.0}, 'depth': {'rmse': 4.0}, 'normals': {'mean': 40.0},
               'edge': {'f': 5.0}}
    words = []
    for task, values in figures.items():
        (tmp_path / f'{task}.json').write_text(json.dumps({'metrics': {task: values}}))
        words += ['--baseline', f'{task}={tmp_path / task}.json']
    result = evaluate(tiny_model, '--count', 1, *words, '--json', tmp_path / 'new.json')
    assert result.exit_code == 0, result.output
    report = read(tmp_path / 'new.json')
    rmse, angle = report['metrics']['depth']['rmse'], report['metrics']['normals']['mean']
    assert report['per_task_delta']['depth'] == pytest.approx(100 * (4.0 - rmse) / 4.0)
    assert report['per_task_delta']['normals'] == pytest.approx(100 * (40.0 - angle) / 40.0)
    assert report['delta_m'] == pytest.approx(np.mean(list(report['per_task_delta'].values())))
    assert report['baseline'] == {task: f'{tmp_path / task}.json' for task in figures}


def write_folder(root, size=(40, 60), names=('wall', 'floor'), clip=False):
    """Write two labelled images, or a clip of three frames of which one is labelled."""
    random = np.random.default_rng(0)
    split = root / 'val' / 'clips' / 'hall' if clip else root / 'val'
    for folder in ('rgb', 'semseg', 'depth'):
        (split / folder).mkdir(parents=True)
    for number in range(3 if clip else 2):
        Image.fromarray(random.integers(0, 256, (*size, 3), np.uint8)).save(
            split / 'rgb' / f'{number}.png')
        if clip and number != 2:
            continue
        Image.fromarray(random.integers(0, len(names), size, np.uint8)).save(
            split / 'semseg' / f'{number}.png')
        np.save(split / 'depth' / f'{number}.npy', random.uniform(1, 5, size).astype(np.float32))
    (root / 'labels.yaml').write_text(yaml.safe_dump([
        {'id': number, 'name': name, 'rgb': [number, 0, 0]} for number, name in enumerate(names)]))


def test_a_folder_of_ones_own_is_scored_for_what_it_labels(
        tiny_model, tiny_description, tmp_path):
    write_folder(tmp_path / 'mine', names=tiny_description.labels.names)
    result = evaluate(tiny_model, '--dataset', 'folder', '--root', tmp_path / 'mine',
                     '--json', tmp_path / 'figures.json')
    assert result.exit_code == 0, result.output
    report = read(tmp_path / 'figures.json')
    assert set(report['metrics']) == {'semseg', 'depth'}
    assert (report['dataset'], report['split'], report['images']) == ('folder', 'validation', 2)


def test_the_clips_of_a_folder_are_run_whole_and_scored_where_they_are_labelled(
        branched_model, tiny_description, tmp_path):
    write_folder(tmp_path / 'mine', names=tiny_description.labels.names, clip=True)
    result = evaluate(branched_model, '--dataset', 'folder', '--root', tmp_path / 'mine',
                     '--clips', '--json', tmp_path / 'figures.json')
    assert result.exit_code == 0, result.output
    report = read(tmp_path / 'figures.json')
    assert report['images'] == 3 and report['clips'] == ['clips/hall']
    assert report['metrics']['depth']['rmse'] > 0
    assert report['sharing']['changed'] is report['sharing']['gated_to_changed'] is None


def test_a_model_of_other_classes_is_refused(tiny_model, tmp_path):
    write_folder(tmp_path / 'mine')
    result = evaluate(tiny_model, '--dataset', 'folder', '--root', tmp_path / 'mine')
    assert result.exit_code == 1
    assert 'the model has the 40 classes of nyu40' in result.output
    assert 'folder the 2 of mine' in result.output
    assert 'or leave semseg out: --tasks depth' in result.output


def test_a_model_of_other_classes_is_scored_for_tasks_that_need_none(tiny_model, tmp_path):
    write_folder(tmp_path / 'mine')
    result = evaluate(tiny_model, '--dataset', 'folder', '--root', tmp_path / 'mine',
                      '--tasks', 'depth', '--json', tmp_path / 'figures.json')
    assert result.exit_code == 0, result.output
    assert set(read(tmp_path / 'figures.json')['metrics']) == {'depth'}


@pytest.mark.parametrize('words, complaint', [
    (['--views', '100000'], 'views is 100000; the split test has 1 to'),
    (['--sheet', 'maps.jpg'], "--sheet is 'maps.jpg'"),
    (['--json', 'absent/figures.json'], 'there is no folder'),
    (['--device', 'abacus'], "device is 'abacus'; allowed are"),
    (['--dataset', 'nyud'], 'the data set nyud is read from a folder; name it: --root DIR'),
    (['--dataset', 'nyud', '--root', 'absent'], 'absent is not a folder'),
    (['--dataset', 'pascal', '--root', '.', '--clips'], 'the data set pascal has no clips'),
    (['--root', '.'], '--root is ., but rooms are rendered'),
    (['--sharing', 'on'], 'are for clips; add --clips'),
    (['--motion', 'drive'], 'are for clips; add --clips'),
    (['--clips', '--count', '7'], 'count is 7; allowed is 1 to 6'),
    (['--input-size', '50x60'], 'input_size is [50, 60]'),
    (['--input-size', 'large'], "--input-size is 'large'; allowed is HEIGHTxWIDTH"),
    (['--tasks', 'depth,saliency'], 'saliency is not in both; leave it out of --tasks'),
    (['--tasks', 'colour'], "--tasks is 'colour'; allowed is a list, with commas, of semseg"),
    (['--clips', '--sharing', 'on', '--store'], '--store keeps the metrics of dense frames'),
    (['--workers', '2'], '--workers is 2, but it is for the workers of a fleet; add --fleet'),
    (['--fleet', '--device', 'cuda'], '--device is cuda and --gpus-per-worker is 0; allowed'),
])
def test_what_cannot_be_done_is_refused_before_the_work(tiny_model, words, complaint):
    result = evaluate(tiny_model, *words)
    assert result.exit_code == 1
    assert complaint in result.output
    assert 'Traceback' not in result.output


@pytest.mark.parametrize('words', [['--motion', 'fly'], ['--sharing', 'maybe'],
                                   ['--clips', '--frames', '1']])
def test_words_without_a_meaning_are_wrong_usage(tiny_model, words):
    assert evaluate(tiny_model, *words).exit_code == 2


def test_without_the_renderer_the_extra_is_named(command, tiny_model):
    result = command('evaluate', tiny_model, '--views', '1', without='numba')
    assert result.returncode == 1
    assert "pip install 'mtshare_ros[rooms]'" in result.stderr
