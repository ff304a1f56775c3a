"""What the demo keeps account of."""

import math

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='the monitor is a ROS node')

from sensor_msgs.msg import Image  # noqa: E402

from mtshare_ros.nodes.codec import fill_image  # noqa: E402
from mtshare_ros.nodes.trials.demo_monitor import (  # noqa: E402
    FOUND_TOPICS,
    INPUT_TOPIC,
    NodeStatus,
    SetCollector,
    TopicTally,
    TRUTH_TOPICS,
)

MAPS = {'mask': ('mono8', np.uint8, ()), 'depth': ('32FC1', np.float32, ()),
        'normals': ('32FC3', np.float32, (3,)), 'edges': ('mono8', np.uint8, ())}


def message(encoding, dtype=np.uint8, channels=(), value=0):
    image = Image()
    fill_image(image, np.full((4, 6, *channels), value, dtype), encoding)
    return image


def add_set(collector, stamp, value=0, leave_out=None):
    """Add all messages of one stamp, except those on one topic."""
    messages = {INPUT_TOPIC: message('rgb8', channels=(3,), value=value)}
    for topics in (FOUND_TOPICS, TRUTH_TOPICS):
        for name, topic in topics.items():
            messages[topic] = message(*MAPS[name], value)
    for topic, image in messages.items():
        if topic != leave_out:
            collector.add(topic, stamp, image)


def arrive(tally, clock, times, gap_s):
    for _ in range(times):
        tally.add(20.0)
        clock.now += gap_s


def test_the_mean_rate_counts_the_gaps(clock):
    tally = TopicTally(clock)
    arrive(tally, clock, 11, 0.1)
    assert tally.mean_hz() == pytest.approx(10.0)


def test_the_recent_rate_forgets_what_was_before(clock):
    tally = TopicTally(clock)
    arrive(tally, clock, 20, 0.1)
    arrive(tally, clock, 10, 0.5)
    assert tally.recent_hz() == pytest.approx(2.0)
    assert tally.mean_hz() > 3.0


def test_a_topic_that_went_silent_has_no_recent_rate(clock):
    tally = TopicTally(clock)
    arrive(tally, clock, 20, 0.1)
    clock.now += 10.0
    assert tally.recent_hz() == 0.0


def test_a_topic_without_messages_has_no_rate_and_no_age(clock):
    tally = TopicTally(clock)
    assert (tally.mean_hz(), tally.recent_hz()) == (0.0, 0.0)
    assert math.isnan(tally.recent_age_ms())


def test_messages_of_one_stamp_make_a_set(clock):
    collector = SetCollector(clock)
    add_set(collector, stamp=7, value=3)
    [item] = collector.sets(6)
    assert item.image.shape == (4, 6, 3)
    assert set(item.truth) == set(item.found) == set(MAPS)
    assert item.found['depth'].dtype == np.float32
    assert (item.truth['mask'] == 3).all()


@pytest.mark.parametrize('topic', [INPUT_TOPIC, 'depth/image', 'ground_truth/edges/image'])
def test_a_set_with_a_message_missing_is_not_kept(clock, topic):
    collector = SetCollector(clock)
    add_set(collector, stamp=7, leave_out=topic)
    assert collector.sets(6) == []


def test_different_stamps_are_never_mixed(clock):
    collector = SetCollector(clock)
    add_set(collector, stamp=7, leave_out='depth/image')
    collector.add('depth/image', 8, message(*MAPS['depth'], 0))
    assert collector.sets(6) == []


def test_sets_are_spread_over_the_whole_time(clock):
    collector = SetCollector(clock)
    for number in range(200):
        clock.now += 1.0
        add_set(collector, stamp=number, value=number)
    shown = [int(item.image[0, 0, 0]) for item in collector.sets(5)]
    assert len(shown) == 5
    assert shown == sorted(shown)
    assert shown[0] < 20
    assert shown[-1] > 150


def test_a_figure_that_is_not_there_is_not_a_number():
    report = NodeStatus(values={'state': 'active', 'input_hz': '29.9', 'device': 'cpu'})
    assert report.is_active
    assert report.number('input_hz') == 29.9
    assert math.isnan(report.number('device'))
    assert math.isnan(report.number('dropped'))
