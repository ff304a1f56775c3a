"""The table of tasks."""

import pytest

from mtshare_ros.errors import ConfigError
from mtshare_ros.tasks import channels_of, DEFAULT_TASKS, get_task, ordered, TASKS


def test_the_default_tasks_come_first():
    assert tuple(TASKS)[:len(DEFAULT_TASKS)] == DEFAULT_TASKS


def test_only_the_label_set_decides_the_width_of_the_semantic_output():
    widths = {name: channels_of(task, 21) for name, task in TASKS.items()}
    assert widths == {'semseg': 21, 'depth': 1, 'normals': 3, 'edge': 1, 'human_parts': 7,
                      'saliency': 1}


def test_tasks_are_put_in_order_each_once():
    assert ordered(['saliency', 'edge', 'semseg', 'edge']) == ('semseg', 'edge', 'saliency')


def test_no_two_tasks_share_a_map_or_a_truth():
    assert len({task.map for task in TASKS.values()}) == len(TASKS)
    assert len({task.truth for task in TASKS.values()}) == len(TASKS)


def test_an_unknown_task_is_refused_with_those_that_are_known():
    with pytest.raises(ConfigError, match="unknown task 'flow'; known tasks are semseg, depth"):
        get_task('flow')
