"""The figures a model is compared with."""

import json

import pytest

from mtshare_ros.errors import ConfigError
from mtshare_ros.evaluation.scorer import Change, read_baseline

FIGURES = {'depth': {'rmse': 0.5, 'delta1': 80.0}, 'edge': {'f': 80.0}}
DATA = {'dataset': 'rooms', 'split': 'test', 'images': 8, 'clips': None}


@pytest.fixture
def report(tmp_path):
    """Return a function that writes a report and returns its path."""

    def write(metrics, name='old', **others):
        path = tmp_path / f'{name}.json'
        path.write_text(json.dumps({'metrics': metrics, **others}))
        return path

    return write


def test_a_file_gives_all_the_tasks_it_holds(report):
    path = report(FIGURES, **DATA)

    baseline = read_baseline([str(path)], ('depth', 'edge'), DATA)

    assert baseline.metrics == FIGURES
    assert baseline.files == {'depth': str(path), 'edge': str(path)}


def test_with_a_task_a_file_gives_that_one_alone(report):
    first, second = report(FIGURES), report({'edge': {'f': 90.0}}, 'other')

    baseline = read_baseline([f'depth={first}', f'edge={second}'], ('depth', 'edge'), DATA)

    assert baseline.metrics['edge'] == {'f': 90.0}
    assert baseline.files == {'depth': str(first), 'edge': str(second)}


def test_tasks_that_the_model_is_not_scored_for_do_not_count(report):
    path = report({**FIGURES, 'semseg': {'miou': None}})

    assert list(read_baseline([str(path)], ('depth', 'edge'), DATA).files) == ['depth', 'edge']


def test_no_baseline_is_an_empty_one():
    assert read_baseline([], ('depth',), DATA).metrics == {}


@pytest.mark.parametrize('words, complaint', [
    (['{}'], "no --baseline holds metrics of 'semseg', .* add --baseline semseg=FILE"),
    (['normals={}'], "holds no metrics of 'normals'; it has those of depth, edge"),
    (['{}', 'depth={}'], "'depth' is in both"),
])
def test_a_task_must_be_in_exactly_one_file(report, words, complaint):
    path = report(FIGURES)

    with pytest.raises(ConfigError, match=complaint):
        read_baseline([word.format(path) for word in words], ('semseg', 'depth'), DATA)


@pytest.mark.parametrize('key, value', [
    ('dataset', 'nyud'), ('split', 'validation'), ('images', 7), ('clips', ['room 1'])])
def test_figures_of_other_data_do_not_compare(report, key, value):
    path = report(FIGURES, **{**DATA, key: value})

    with pytest.raises(ConfigError, match=f'was measured on {key} .*same data'):
        read_baseline([str(path)], ('depth',), DATA)


@pytest.mark.parametrize('text', ['', '[1]', '{"loss": 3}', '{"metrics": 3}',
                                  '{"metrics": {"depth": 3}}'])
def test_what_is_no_report_is_refused_by_its_name(tmp_path, text):
    path = tmp_path / 'old.json'
    path.write_text(text)

    with pytest.raises(ConfigError, match='old.json is no report with metrics'):
        read_baseline([str(path)], ('depth',), DATA)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match='absent.json cannot be read'):
        read_baseline([str(tmp_path / 'absent.json')], ('depth',), DATA)


def test_better_is_above_zero_for_every_task():
    change = Change.between({'depth': {'rmse': 0.45}, 'edge': {'f': 84.0}}, FIGURES)

    assert change.by_task == {'depth': pytest.approx(10.0), 'edge': pytest.approx(5.0)}
    assert change.delta_m == pytest.approx(7.5)
