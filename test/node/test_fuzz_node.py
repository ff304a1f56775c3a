"""A running node goes on whatever it is sent: images, calibrations, requests, broken bytes."""

from fuzz_messages import (
    any_images,
    calibrations,
    compressed_images,
    damaged_bytes,
    examples_of,
    nearly_right_images,
    parameter_messages,
    pictures,
)
from hypothesis import strategies
import pytest
from rcl_interfaces.srv import (
    DescribeParameters,
    GetParameters,
    SetParameters,
    SetParametersAtomically,
)
from rclpy.serialization import serialize_message
from ros_harness import Observer, open_stage
from ros_messages import camera_calibration, camera_image, profile
from sensor_msgs.msg import CameraInfo, CompressedImage, Image

from mtshare_ros.nodes.perception.parameter_table import PERCEPTION_PARAMETERS

RAW = pytest.mark.parametrize('fuzzed', ['raw'], indirect=True, scope='module')
"""For what does not depend on how images come."""
NAMES = [spec.name for spec in PERCEPTION_PARAMETERS] + ['use_sim_time', '']


@pytest.fixture(scope='module', params=['raw', 'compressed'])
def fuzzed(request, tmp_path_factory, tiny_model):
    """Lend a node that reads raw or compressed images, and computes every output."""
    if request.param == 'compressed':
        pytest.importorskip('PIL', reason='Pillow is needed for compressed images')
    with open_stage(tmp_path_factory.mktemp(request.param)) as stage:
        stage.transport = request.param
        stage.start_perception(
            tiny_model, image_transport=request.param, lazy=False, max_pixels=100_000)
        yield stage


def good_image(transport):
    """Return the topic of a transport and an image that any node reads."""
    if transport == 'raw':
        return 'image', camera_image()
    message = CompressedImage(format='png')
    message.data.frombytes(pictures()[0])
    return 'image/compressed', message


def send(observer, topic, message_type, messages):
    """Publish messages of a type, or their bytes, one by one."""
    publisher = observer.node.create_publisher(message_type, topic, profile(True))
    observer.spin_until(publisher.get_subscription_count, f'a subscriber on {topic}')
    for message in messages:
        publisher.publish(message)
        observer.spin_for(0.01)


def expect_good_health(stage):
    """Check that the node lives, is active, answers, and makes a map of the next good image."""
    assert stage.perception.is_running(), stage.perception.output[-3000:]
    topic, image = good_image(stage.transport)
    with Observer(stage.domain, 'doctor') as observer:
        assert observer.state() == 'active'
        observer.listen('semantic/mask')
        camera = observer.node.create_publisher(type(image), topic, profile(True))

        observer.send_until(
            camera, image, lambda: observer.received['semantic/mask'], 'a mask')

        assert observer.get('device') == 'cpu'
    assert stage.perception.count_lines('Traceback') == 0, stage.perception.output[-3000:]


@pytest.mark.fault(9)
def test_it_goes_on_after_images_of_any_kind(fuzzed):
    topic, image = good_image(fuzzed.transport)
    fields = strategies.one_of(any_images(), nearly_right_images()) if (
        fuzzed.transport == 'raw') else compressed_images(pictures())
    observer = fuzzed.observer

    send(observer, topic, type(image), examples_of(fields, 150))

    observer.diagnose('rejected', lambda count: int(count) > 20)
    expect_good_health(fuzzed)


@RAW
def test_it_goes_on_after_calibrations_of_any_numbers(fuzzed):
    send(fuzzed.observer, 'camera_info', CameraInfo, examples_of(calibrations(), 100))

    expect_good_health(fuzzed)


def test_it_goes_on_after_bytes_that_are_no_image(fuzzed):
    topic, message = good_image(fuzzed.transport)

    send(fuzzed.observer, topic, type(message),
         examples_of(damaged_bytes(serialize_message(message)), 100))

    expect_good_health(fuzzed)


@RAW
def test_it_goes_on_after_bytes_that_are_no_calibration(fuzzed):
    send(fuzzed.observer, 'camera_info', CameraInfo,
         examples_of(damaged_bytes(serialize_message(camera_calibration())), 100))

    expect_good_health(fuzzed)


@RAW
@pytest.mark.parametrize('kind', [SetParameters, SetParametersAtomically])
def test_it_answers_requests_for_parameters_of_any_type_and_value(fuzzed, kind):
    name = 'set_parameters' + '_atomically' * (kind is SetParametersAtomically)
    lists = strategies.lists(parameter_messages(NAMES), min_size=1, max_size=3)
    before = {item: fuzzed.observer.get(item) for item in ('lazy', 'max_rate', 'use_sim_time')}

    for parameters in examples_of(lists, 40):
        answer = fuzzed.observer.call(
            kind, f'perception_node/{name}', kind.Request(parameters=parameters))
        results = answer.results if kind is SetParameters else [answer.result]
        assert all(item.successful or item.reason for item in results)

    fuzzed.observer.set(**before)
    for spec in PERCEPTION_PARAMETERS:
        assert spec.problem(fuzzed.observer.get(spec.name)) == ''
        if not spec.read_only:
            assert fuzzed.observer.set(**{spec.name: spec.default}).successful
    fuzzed.observer.set(lazy=False)
    expect_good_health(fuzzed)


@RAW
@pytest.mark.parametrize(('kind', 'name'), [
    (GetParameters, 'get_parameters'), (DescribeParameters, 'describe_parameters')])
def test_it_answers_questions_about_parameters_that_are_not_there(fuzzed, kind, name):
    for words in examples_of(strategies.lists(strategies.text(max_size=60), max_size=3), 15):
        fuzzed.observer.call(kind, f'perception_node/{name}', kind.Request(
            names=[word.replace('\0', '') for word in words]))

    expect_good_health(fuzzed)


def test_what_it_said_of_all_this_is_not_a_flood(fuzzed):
    assert len(fuzzed.perception.output.splitlines()) < 400
    assert max(map(len, fuzzed.perception.output.splitlines())) < 2000


def test_a_message_of_another_type_on_the_topic_is_not_taken(fuzzed):
    topic = good_image(fuzzed.transport)[0]
    other = CompressedImage if fuzzed.transport == 'raw' else Image

    with Observer(fuzzed.domain, 'stranger') as stranger:
        publisher = stranger.node.create_publisher(other, topic, profile(True))
        for _ in range(10):
            publisher.publish(other())
            stranger.spin_for(0.05)

    expect_good_health(fuzzed)
