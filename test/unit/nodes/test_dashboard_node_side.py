"""What the dashboard makes of diagnostics, descriptors, images and masks."""

import io
from pathlib import Path
import re

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='the dashboard is a node')
PillowImage = pytest.importorskip('PIL.Image', reason='the dashboard needs the extra [dashboard]')

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from sensor_msgs.msg import Image  # noqa: E402

from mtshare_ros.errors import ConfigError, FrameError  # noqa: E402
from mtshare_ros.nodes.codec import fill_image  # noqa: E402
from mtshare_ros.nodes.dashboard.parameter_table import DASHBOARD_PARAMETERS  # noqa: E402
from mtshare_ros.nodes.dashboard.perception_link import NodeWatch  # noqa: E402
from mtshare_ros.nodes.dashboard.picture_feed import (  # noqa: E402
    ClassNames,  # noqa: E402
    encode_picture,
    LARGEST_SIDE,
    list_classes,
)
from mtshare_ros.nodes.dashboard.remote_parameters import (  # noqa: E402
    describe_parameter,
    is_adjustable,
    make_parameter,
)
from mtshare_ros.nodes.parameters import describe  # noqa: E402
from mtshare_ros.nodes.perception.parameter_table import PERCEPTION_PARAMETERS  # noqa: E402
from mtshare_ros.tasks import load_labels  # noqa: E402

ADJUSTABLE = [spec for spec in PERCEPTION_PARAMETERS if not spec.read_only]


@pytest.fixture
def watch(clock):
    return NodeWatch('/robot/perception_node', clock)


def diagnostics(subject, **figures):
    status = DiagnosticStatus(
        name=f'perception_node: {subject}', level=DiagnosticStatus.WARN, message='STALE: dark',
        values=[KeyValue(key=key, value=value) for key, value in figures.items()])
    return DiagnosticArray(status=[DiagnosticStatus(name='battery'), status])


def image(values, encoding):
    message = Image()
    fill_image(message, values, encoding)
    return message


def descriptor(name):
    return describe(PERCEPTION_PARAMETERS[name])


def test_a_node_is_lost_when_it_falls_silent_and_back_when_it_speaks(watch, clock):
    assert not watch.is_alive
    watch.read(diagnostics('/robot/perception_node'))
    assert watch.is_alive

    clock.now += 5
    assert not watch.is_alive and watch.describe()['silent_s'] == 5.0
    watch.read(diagnostics('/robot/perception_node'))

    assert watch.is_alive


@pytest.mark.parametrize('subject', ['/perception_node', '/robot/perception_node2', '/robot'])
def test_what_another_node_says_is_not_heard(watch, subject):
    assert not watch.read(diagnostics(subject))
    assert not watch.describe()['cameras']


def test_every_camera_has_a_status_and_a_history_of_its_own(watch):
    watch.read(diagnostics('/robot/perception_node: left', age_ms_p50='12.5'))
    watch.read(diagnostics('/robot/perception_node: right', age_ms_p50='nan'))

    found = watch.describe()

    assert found['cameras']['left']['level'] == 'warn'
    assert found['cameras']['left']['message'] == 'STALE: dark'
    assert found['history']['left'][0]['age_ms_p50'] == 12.5
    assert found['history']['right'][0]['age_ms_p50'] is None


def test_the_history_is_that_of_one_minute(watch, clock):
    for _ in range(200):
        watch.read(diagnostics('/robot/perception_node'))
        clock.now += 1

    ages = [point['age_s'] for point in watch.describe()['history']['']]

    assert max(ages) == 60.0 and min(ages) == 1.0


class Warnings:
    def __init__(self):
        self.texts = []

    def warn(self, topic, text):
        self.texts.append(text)


def test_the_legend_names_the_classes_of_the_model_that_the_node_speaks_of(watch):
    names = ClassNames('', Warnings())
    assert names.labels is None

    for label_set in ('nyu40', 'pascal21'):
        watch.read(diagnostics('/robot/perception_node', labels=label_set))
        names.follow(watch.entry('labels'))
        assert names.labels == load_labels(label_set)


def test_a_label_set_that_is_not_here_is_warned_of_once_and_nothing_is_named(watch):
    warnings = Warnings()
    names = ClassNames('', warnings)
    names.follow('nyu40')

    for _ in range(3):
        names.follow('kitchen')

    assert names.labels is None and len(warnings.texts) == 1
    for word in ("'kitchen'", 'nyu40', 'parameter labels'):
        assert word in warnings.texts[0]


def test_a_label_file_that_was_asked_for_stands_against_what_the_node_says(tmp_path):
    path = tmp_path / 'kitchen.yaml'
    path.write_text('- {id: 0, name: stove, rgb: [1, 2, 3]}')

    names = ClassNames(str(path), Warnings())
    names.follow('nyu40')

    assert names.labels.names == ('stove',)
    with pytest.raises(ConfigError, match="no label set 'kitchens'"):
        ClassNames('kitchens', Warnings())


@pytest.mark.parametrize('spec', ADJUSTABLE, ids=lambda spec: spec.name)
def test_a_form_has_range_choices_and_unit_of_the_nodes_own_table(spec):
    message = describe(spec)
    value = Parameter(spec.name, Parameter.Type(message.type), spec.default).to_parameter_msg()

    form = describe_parameter(message, value.value)

    assert is_adjustable(message)
    assert form['limits'] == (list(spec.limits) if spec.limits else None)
    assert tuple(form['choices']) == spec.choices
    assert (form['kind'], form['value'], form['unit']) == (spec.kind, spec.default, spec.unit)


def test_what_is_fixed_at_the_start_is_in_no_form():
    fixed = [spec for spec in PERCEPTION_PARAMETERS if spec.read_only]

    assert fixed and not any(is_adjustable(describe(spec)) for spec in fixed)


@pytest.mark.parametrize('name, given, expected', [
    ('temporal.threshold', 1, 1.0), ('temporal.threshold', 0.25, 0.25),
    ('temporal.refresh_period', 30.0, 30), ('temporal.enabled', False, False),
    ('temporal.policy', 'keyframe', 'keyframe'), ('depth.color_range', [1, 5.5], [1.0, 5.5]),
])
def test_a_value_of_a_page_takes_the_type_of_the_parameter(name, given, expected):
    found = Parameter.from_parameter_msg(make_parameter(descriptor(name), given)).value

    assert (found if np.isscalar(found) else list(found)) == expected
    assert np.isscalar(found) is np.isscalar(expected) and type(found) is not int or found == given


@pytest.mark.parametrize('name, given', [
    ('temporal.threshold', 'x'), ('temporal.threshold', True), ('temporal.threshold', [1.0]),
    ('temporal.refresh_period', 1.5), ('temporal.refresh_period', float('inf')),
    ('temporal.refresh_period', float('nan')), ('temporal.enabled', 1),
    ('temporal.policy', 1), ('depth.color_range', 1.0), ('temporal.threshold', 10**400),
])
def test_a_value_without_meaning_is_refused_with_what_is_allowed(name, given):
    with pytest.raises(ConfigError, match=f'{name} cannot be .* Allowed: '):
        make_parameter(descriptor(name), given)


@pytest.mark.parametrize('shape, encoding', [((48, 64, 3), 'rgb8'), ((48, 64), 'mono8')])
def test_an_image_becomes_a_jpeg_of_its_size(shape, encoding):
    values = np.full(shape, 200, np.uint8)

    with PillowImage.open(io.BytesIO(encode_picture(image(values, encoding)))) as picture:
        assert picture.format == 'JPEG' and picture.size == (64, 48)
        assert np.abs(np.asarray(picture).astype(int) - 200).max() <= 2


def test_a_large_image_becomes_a_smaller_picture():
    message = image(np.zeros((1080, 1920, 3), np.uint8), 'rgb8')

    with PillowImage.open(io.BytesIO(encode_picture(message))) as picture:
        assert picture.size == (640, 360) and max(picture.size) <= LARGEST_SIDE


def test_an_image_that_claims_too_much_is_refused():
    message = image(np.zeros((4, 4, 3), np.uint8), 'rgb8')
    message.height = 400

    with pytest.raises(FrameError):
        encode_picture(message)


def test_the_legend_names_what_is_in_the_mask_in_the_order_of_the_ids():
    labels = load_labels('nyu40')
    mask = np.full((10, 40), 4, np.uint8)
    mask[:5] = 0
    mask[0, :4] = 255
    mask[9, 0] = 7

    found = list_classes(image(mask, 'mono8'), labels)

    assert [(item['name'], item['percent']) for item in found] == [('wall', 49), ('chair', 50)]
    assert found[0]['color'] == '#aec7e8'


def test_the_documentation_has_every_parameter_with_its_default():
    text = (Path(__file__).resolve().parents[3] / 'docs' / 'dashboard.md').read_text()
    rows = re.findall(r'^\| `(\w+)` \| `(.+?)` \|', text, re.MULTILINE)
    written = {name: "''" if default == '' else str(default)
               for name, default in DASHBOARD_PARAMETERS.defaults().items()}

    assert dict(rows) == written
