"""Label sets."""

import numpy as np
import pytest

from mtshare_ros.errors import ConfigError
from mtshare_ros.labels import LabelSet, load_labels, read_labels


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
