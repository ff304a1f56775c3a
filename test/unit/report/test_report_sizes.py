"""What a report says of the quality at an input size."""

from made_up_results import (
    comparison,
    every_figure,
    images,
    MACHINE,
    make_plan,
    write_figures,
)
import pytest

from mtshare_ros.errors import ConfigError
from mtshare_ros.report.page import write_report
from mtshare_ros.report.results import read_results


def test_no_speed_stands_without_the_quality_of_the_maps_at_its_size(tmp_path):
    figures = every_figure()
    figures['bench']['large'] = {**comparison(), 'machine': {**MACHINE, 'input_size': [480, 640]}}
    report, without = (
        write_report(read_results(write_figures(tmp_path / name, found)), make_plan())
        for name, found in (('all', figures), ('without', {**figures, 'sizes': {}})))

    at_home = 'maps at this size, dense, on 256 images: semseg mean IoU 61.1 %, depth RMSE 0.400 m'
    for text, large in ((without, 'at this size: not measured.'),
                        (report, 'dense, on 24 images: semseg mean IoU 54.9 %')):
        files = text.split('\n### ')[1:]
        assert len(files) == 4
        for file in files:
            name = file.splitlines()[0]
            expected = {'active': 'Its weights are random', 'large': large}.get(name, at_home)
            assert expected in file, name
    assert '| **the model of all tasks** | 480x640 | 54.9 |' in report


@pytest.mark.parametrize('name, values, complaint', [
    ('shared-480x640', images(sha256='ef'), "sha256 is 'ef'"),
    ('large', images(), 'large.json is of no network of')])
def test_figures_of_other_weights_or_of_no_network_are_refused(tmp_path, name, values, complaint):
    figures = {**every_figure(), 'sizes': {name: values}}
    with pytest.raises(ConfigError, match=complaint):
        write_report(read_results(write_figures(tmp_path, figures)), make_plan())
