"""``mtshare bench --node``: the real command and the real node over real DDS."""

import json
import math
import os
from pathlib import Path
import subprocess
import sys

import pytest
from waiting import PATIENCE_S

pytest.importorskip('typer', reason='the command line needs the extra [cli]')

from mtshare_ros.nodes.trials.node_bench import TOPIC_SETS  # noqa: E402

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope='module')
def result(tiny_model, tmp_path_factory):
    """Run the bench once and return (figures, standard output)."""
    folder = tmp_path_factory.mktemp('bench')
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'ROS_LOG_DIR': str(folder)}
    environment.pop('ROS_DOMAIN_ID', None)
    done = subprocess.run(
        [sys.executable, '-m', 'mtshare_ros.cli.main', 'bench', '--node', '--model',
         str(tiny_model), '--input-size', '96x128', '--json', 'node.json'],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / 'node.json').read_text()), done.stdout


def test_every_set_of_topics_has_its_overhead(result):
    sets = result[0]['node']['sets']

    assert list(sets) == list(TOPIC_SETS)
    for times in sets.values():
        assert 0 < times['overhead']['p50'] <= times['overhead']['p95']
        assert 0 < times['inference']['p50'] <= times['inference']['p95']


def test_every_topic_that_is_subscribed_to_arrives(result):
    for name, times in result[0]['node']['sets'].items():
        assert set(times['end_to_end']) == set(TOPIC_SETS[name])
        assert all(math.isfinite(found['p50']) for found in times['end_to_end'].values())


def test_an_output_takes_at_least_the_inference(result):
    for times in result[0]['node']['sets'].values():
        slowest = max(found['p95'] for found in times['end_to_end'].values())
        assert slowest > times['inference']['p50']


def test_the_table_names_sets_and_topics(result):
    assert all(name in result[1] for name in (*TOPIC_SETS, *TOPIC_SETS['all maps']))


def test_the_settings_are_those_that_were_asked_for(result):
    assert result[0]['machine']['input_size'] == [96, 128]
    assert result[0]['node']['image'] == {'height': 480, 'width': 640, 'rate_hz': 5.0}
