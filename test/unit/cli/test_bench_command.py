"""``mtshare bench``."""

import json
import subprocess

import pytest

pytest.importorskip('typer', reason='the command line needs the extra [cli]')
pytest.importorskip('numba', reason='the rooms need the extra [rooms]')


@pytest.fixture(scope='module')
def report(command_in, tiny_model, tmp_path_factory) -> tuple[dict, subprocess.CompletedProcess]:
    folder = tmp_path_factory.mktemp('bench')
    result = command_in(folder, 'bench', '--model', tiny_model, '--frames', 2, '--rounds', 1,
                        '--json', 'bench.json')
    assert result.returncode == 0, result.stderr
    return json.loads((folder / 'bench.json').read_text()), result


def test_every_part_is_measured(report):
    figures, result = report
    subsets = [tuple(item['tasks']) for item in figures['engine']]
    assert subsets == [('semseg',), ('depth',), ('normals',), ('edge',),
                       ('semseg', 'depth', 'normals', 'edge')]
    for item in figures['engine']:
        assert item['total']['count'] == 2
        assert 0 < item['total']['p50'] <= item['total']['p95']
        assert set(item['stages']) == {'preprocess', 'network', 'decode'}
    assert figures['renderer']['frames_per_second'] > 0
    assert figures['machine']['model'] == 'tiny'
    assert 'semseg+depth+normals+edge' in result.stdout


def test_messages_are_timed_where_ros_is(report):
    pytest.importorskip('rclpy', reason='messages need ROS 2')
    figures, _ = report
    assert all(milliseconds > 0 for milliseconds in figures['messages'].values())
    assert 'fill semantic/mask' in figures['messages']


def test_without_ros_the_rest_is_still_measured(command, tiny_model):
    result = command('bench', '--model', tiny_model, '--frames', 1, '--rounds', 1,
                     without='rclpy')
    assert result.returncode == 0, result.stderr
    assert 'messages were not timed' in result.stdout
    assert 'semseg+depth' in result.stdout
