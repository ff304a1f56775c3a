"""Maps that are carried and maps that are computed are published in the order of the images."""

import threading

import numpy as np
import pytest
import rclpy
from rclpy.context import Context
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import Image
import torch

from mtshare_ros.image_frame import frame_to_cover
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.map_outputs import MapColors, offered_outputs
from mtshare_ros.inference.prediction import FrameStats, Prediction
from mtshare_ros.messages.camera_info import CameraInfoBuffer, CameraInfoMatch
from mtshare_ros.messages.image_messages import MAX_PIXELS
from mtshare_ros.model.checkpoint import load_checkpoint
from mtshare_ros.nodes.notices import Notices
from mtshare_ros.nodes.perception.camera_calibration import Calibrator
from mtshare_ros.nodes.perception.follower_pipeline import FollowerPipeline
from mtshare_ros.nodes.perception.frame_reports import FrameReports
from mtshare_ros.nodes.perception.frame_statistics import FrameStatistics
from mtshare_ros.nodes.perception.input_topics import TRANSPORTS
from mtshare_ros.nodes.perception.output_publishers import Frame, FramePublisher, OutputPublishers
from mtshare_ros.nodes.perception.parameter_table import (
    PERCEPTION_PARAMETERS,
    runtime_settings,
)
from mtshare_ros.nodes.perception.pipeline import CameraParts, Job, start_one_core_thread

SIZE = (96, 128)
SETTINGS = runtime_settings(PERCEPTION_PARAMETERS.defaults())
OUTPUTS = tuple(output for output in offered_outputs(('depth', 'edge')) if output.is_map)


class Kept(OutputPublishers):
    """Publishers that keep which topics they publish, and when the image came."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.published = []

    def publish(self, output, message):
        self.published.append((output.topic, message.header.stamp.sec))
        super().publish(output, message)


@pytest.fixture(scope='module')
def node():
    """Lend an active node that nobody listens to."""
    context = Context()
    rclpy.init(context=context, domain_id=101)
    made = LifecycleNode('carrying', context=context)
    yield made
    made.destroy_node()
    rclpy.shutdown(context=context)


@pytest.fixture
def camera(node, tiny_model):
    """Lend the parts of a camera, with what it published and its statistics."""
    engine = Engine(load_checkpoint(tiny_model), device='cpu')
    publishers = Kept(node, OUTPUTS)
    statistics, notices = FrameStatistics(), Notices(node.get_logger())
    parts = CameraParts(
        engine=engine, transport=TRANSPORTS['raw'], max_pixels=MAX_PIXELS,
        calibrator=Calibrator(engine, CameraInfoBuffer(), notices),
        publisher=FramePublisher(publishers, notices),
        reports=FrameReports(node, 'image', statistics, notices))
    yield FollowerPipeline(parts), parts, publishers, statistics
    publishers.destroy()


def wall(shift=0):
    """Return the view of a wall of blots, moved by some pixels."""
    blots = np.random.default_rng(3).integers(0, 256, (24, 32, 3), np.uint8)
    return blots.repeat(8, axis=0).repeat(8, axis=1)[40:136, 60 + shift:188 + shift].copy()


def job_of(number, pixels):
    """Return the job of an image that came so many seconds after another."""
    message = Image(height=96, width=128, encoding='rgb8', step=384)
    message.header.stamp.sec = number
    message.data.frombytes(pixels.tobytes())
    return Job(message, OUTPUTS, SETTINGS, arrived_s=float(number))


def frame_of(job, pixels, **maps):
    """Return what the network makes of a job: depth, unless other maps are given."""
    found = maps or {'depth': np.full(SIZE, 2.0, np.float32)}
    prediction = Prediction.from_maps(
        frame_to_cover(SIZE, SIZE), FrameStats(0.0), found, image=pixels)
    return Frame(job.message.header, prediction, CameraInfoMatch(None, 'none came'),
                 MapColors(np.zeros((256, 3), np.uint8)))


def publish(parts, job):
    """Publish what the network makes of a job; return whether it was the newest frame."""
    return parts.publisher.publish(frame_of(job, wall()), job.outputs, job.arrived_s)


def test_a_frame_older_than_what_is_out_is_not_published(camera):
    _, parts, publishers, _ = camera
    jobs = [job_of(number, wall()) for number in (1, 2, 3)]

    told = [publish(parts, jobs[number]) for number in (1, 0, 2, 2)]

    assert told == [True, False, True, False]
    assert [stamp for _, stamp in publishers.published] == sorted(
        stamp for _, stamp in publishers.published)


def test_only_the_outputs_whose_maps_a_frame_has_are_published(camera):
    _, parts, publishers, _ = camera

    publish(parts, job_of(1, wall()))

    assert {topic for topic, _ in publishers.published} == {
        'depth/image', 'depth/color'}


def test_maps_of_the_network_are_carried_to_the_images_after_it(camera):
    carrying, _, publishers, statistics = camera
    carrying.process(job_of(1, wall()))
    carrying.keep(job_of(1, wall()), frame_of(job_of(1, wall()), wall()))

    carrying.process(job_of(2, wall(3)))

    summary = statistics.summary()
    assert ('depth/image', 2) in publishers.published
    assert (summary['carried'], summary['not_carried']) == ('1', '1')
    assert summary['not_carried_reason'] == 'no maps have been computed yet'


def test_maps_from_before_a_break_are_not_carried_over_it(camera):
    carrying, _, publishers, statistics = camera
    carrying.process(job_of(1, wall()))
    carrying.start_anew('asked for')
    carrying.process(job_of(2, wall()))

    carrying.keep(job_of(1, wall()), frame_of(job_of(1, wall()), wall()))
    carrying.process(job_of(3, wall()))

    assert not publishers.published and statistics.summary()['not_carried'] == '3'


def test_an_error_costs_one_image_and_is_counted(camera):
    carrying, _, publishers, statistics = camera
    carrying.process(job_of(1, wall()))
    carrying.keep(job_of(1, wall()), frame_of(
        job_of(1, wall()), wall(), depth=np.ones((5, 5), np.float32)))  # of another size

    carrying.handle(job_of(2, wall()))
    carrying.keep(job_of(1, wall()), frame_of(job_of(1, wall()), wall()))
    carrying.handle(job_of(3, wall()))

    assert statistics.last_error and statistics.summary()['not_carried'] == '2'
    assert ('depth/image', 3) in publishers.published


def test_an_image_that_cannot_be_read_is_left_to_the_pipeline_that_computes(camera):
    carrying, _, _, statistics = camera
    job = job_of(1, wall())
    job.message.encoding = 'nonsense'

    carrying.handle(job)

    assert not statistics.last_error


def test_the_carrying_thread_computes_alone_and_all_others_as_before():
    before, seen = torch.get_num_threads(), {}
    torch.set_num_threads(2)
    threads = [start_one_core_thread('following')]

    class Looks:
        def __init__(self, name):
            self.name, self.done = name, threading.Event()

        def handle(self, _):
            torch.ones(4).sum()
            seen[self.name] = torch.get_num_threads()
            self.done.set()

    other, carrying = Looks('other'), Looks('carrying')
    thread = threading.Thread(target=other.handle, args=[None])
    thread.start()
    threads[0].put(carrying, None)
    assert carrying.done.wait(15) and other.done.wait(15)
    threads[0].stop(15)
    torch.set_num_threads(before)

    assert seen == {'other': 2, 'carrying': 1}
