"""The table of tasks, and label sets."""

import numpy as np
import pytest

from mtshare_ros.errors import ConfigError
from mtshare_ros.tasks import (
    channels_of,
    DEFAULT_TASKS,
    get_task,
    LabelSet,
    load_labels,
    ordered,
    read_labels,
    TASKS,
)


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


def test_the_shipped_label_set_has_forty_names_and_distinct_colors():
    labels = load_labels('nyu40')
    assert len(labels) == 40
    assert len(set(labels.names)) == 40
    assert len(set(labels.colors)) == 40


def test_the_palette_is_black_beyond_the_last_class():
    palette = load_labels('nyu40').palette()
    assert palette.shape == (256, 3) and palette.dtype == np.uint8
    assert not palette[40:].any()


def test_a_model_without_classes_has_a_black_palette():
    assert not LabelSet('none', (), ()).palette().any()


def test_an_unknown_label_set_lists_the_known_ones():
    with pytest.raises(ConfigError, match='nyu40'):
        load_labels('coco')


@pytest.mark.parametrize('text', [
    '- {id: 1, name: a, rgb: [1, 2, 3]}',
    '- {id: 0, name: a}',
    '- {id: 0, name: a, rgb: [1, 2]}',
])
def test_a_malformed_label_file_is_refused_by_name(tmp_path, text):
    path = tmp_path / 'mine.yaml'
    path.write_text(text)
    with pytest.raises(ConfigError, match='mine.yaml'):
        read_labels(path)
