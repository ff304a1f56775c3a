"""A pipeline remembers its own camera, and nothing across what breaks the stream."""

from dataclasses import replace

from builtin_interfaces.msg import Time
import numpy as np
import pytest
import rclpy
from rclpy.context import Context
from rclpy.lifecycle import LifecycleNode
from sensor_msgs.msg import CameraInfo, Image
from tiny import TINY
import torch

from mtshare_ros.image_frame import Pinhole
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.map_outputs import offered_outputs
from mtshare_ros.inference.prediction import InferenceSettings
from mtshare_ros.messages.camera_info import CameraInfoBuffer
from mtshare_ros.messages.image_messages import MAX_PIXELS
from mtshare_ros.model.architecture import HeadConfig
from mtshare_ros.model.checkpoint import Checkpoint, load_checkpoint
from mtshare_ros.model.network import build_model
from mtshare_ros.nodes.notices import Notices
from mtshare_ros.nodes.perception.camera_calibration import Calibrator
from mtshare_ros.nodes.perception.frame_reports import FrameReports
from mtshare_ros.nodes.perception.frame_statistics import FrameStatistics
from mtshare_ros.nodes.perception.input_topics import TRANSPORTS
from mtshare_ros.nodes.perception.output_publishers import FramePublisher, OutputPublishers
from mtshare_ros.nodes.perception.parameter_table import (
    PERCEPTION_PARAMETERS,
    runtime_settings,
)
from mtshare_ros.nodes.perception.pipeline import CameraParts, Job, Pipeline
from mtshare_ros.sharing.sharing_settings import SharingSettings
from mtshare_ros.sharing.stem import StemRunner
from mtshare_ros.tasks import DEFAULT_TASKS

SETTINGS = runtime_settings(PERCEPTION_PARAMETERS.defaults())
OUTPUTS = tuple(output for output in offered_outputs(DEFAULT_TASKS) if output.is_map)


@pytest.fixture(scope='module')
def node():
    """Lend an active node that nobody listens to."""
    context = Context()
    rclpy.init(context=context, domain_id=101)
    made = LifecycleNode('pipelines', context=context)
    yield made
    made.destroy_node()
    rclpy.shutdown(context=context)


@pytest.fixture(scope='module')
def engine(tiny_model):
    return Engine(load_checkpoint(tiny_model), device='cpu')


def pipeline_of(node, engine, infos, publishers, statistics, notices):
    """Return the pipeline of a camera."""
    return Pipeline(CameraParts(
        engine=engine, transport=TRANSPORTS['raw'], max_pixels=MAX_PIXELS,
        calibrator=Calibrator(engine, infos, notices),
        publisher=FramePublisher(publishers, notices),
        reports=FrameReports(node, 'image', statistics, notices)))


@pytest.fixture
def make_camera(node, engine):
    """Return a function that makes the pipeline of a camera and its statistics."""
    publishers = OutputPublishers(node, OUTPUTS)

    def make():
        statistics, notices = FrameStatistics(), Notices(node.get_logger())
        return statistics, pipeline_of(
            node, engine, CameraInfoBuffer(), publishers, statistics, notices)

    yield make
    publishers.destroy()


def job(seed, number, **changes):
    """Return a job with the noise of a seed as image, and the stamp of a 10 Hz camera."""
    message = Image(height=96, width=128, encoding='rgb8', step=384)
    message.header.stamp = Time(sec=number // 10, nanosec=number % 10 * 100_000_000)
    message.data.frombytes(pixels(seed).tobytes())
    for name, value in changes.items():
        setattr(message, name, value)
    return Job(message, OUTPUTS, SETTINGS)


def pixels(seed):
    return np.random.default_rng(seed).integers(0, 256, (96, 128, 3), np.uint8)


@pytest.mark.fault(23)
def test_two_cameras_at_one_engine_do_not_disturb_each_other(make_camera):
    cameras = [make_camera(), make_camera()]

    for number in range(6):
        for seed, (_, pipeline) in enumerate(cameras):
            pipeline.process(job(seed, number))

    for statistics, _ in cameras:
        summary = statistics.summary()
        assert (summary['resets'], summary['last_reset']) == ('1', 'activated')
        assert float(summary['active_fraction']) < 0.9


def scene(seed):
    """Return some frames of noise in which a part changes from one to the next."""
    frames = [pixels(seed) for _ in range(4)]
    for number, frame in enumerate(frames):
        frame[16 * number:16 * number + 32, 32:80] //= 2
    return frames


def run(engine, session, frames):
    """Return the depth of some frames, computed by rows wherever that is possible."""
    sharing = SharingSettings(crossover=1.0, scene_cut_fraction=1.0)
    return [engine.infer(frame, session, InferenceSettings(('depth',), sharing)).depth
            for frame in frames]


@pytest.mark.fault(23)
def test_frames_in_turn_with_two_caches_equal_those_of_two_runs(engine):
    apart = [run(engine, engine.new_session(), scene(seed)) for seed in (0, 1)]

    sessions = [engine.new_session(), engine.new_session()]
    in_turn = [[run(engine, session, [frame])[0] for frame, session in zip(frames, sessions)]
               for frames in zip(scene(0), scene(1))]

    assert np.array_equal(np.stack(apart), np.stack(in_turn).swapaxes(0, 1))


def test_a_frame_that_fails_in_the_engine_leaves_nothing_to_build_on(make_camera):
    statistics, pipeline = make_camera()
    pipeline.process(job(0, 0))
    broken = Job(job(0, 1).message, OUTPUTS, replace(SETTINGS, sharing=None))

    with pytest.raises(AttributeError):
        pipeline.process(broken)
    pipeline.process(job(0, 2))

    summary = statistics.summary()
    assert (summary['resets'], summary['last_reset']) == ('2', 'the frame before failed')


def test_a_frame_that_fails_is_reported_and_the_next_is_computed(make_camera):
    statistics, pipeline = make_camera()

    pipeline.handle(Job(job(0, 0).message, OUTPUTS, replace(SETTINGS, sharing=None)))
    pipeline.handle(job(0, 1, encoding='nonsense'))
    pipeline.handle(job(0, 2))

    summary = statistics.summary()
    assert [summary[name] for name in ('failed', 'rejected', 'processed')] == ['1', '1', '1']
    assert 'nonsense' in statistics.last_error


def test_a_frame_that_runs_out_of_memory_once_is_computed_anew_and_reported(
    make_camera, monkeypatch
):
    # Simulated: a GPU that is really full cannot be had in a test.
    statistics, pipeline = make_camera()
    pipeline.process(job(0, 0))
    fail_times(monkeypatch, 1)

    pipeline.process(job(0, 1))

    summary = statistics.summary()
    assert (summary['processed'], summary['last_reset']) == ('2', 'out of memory')
    assert 'ran out of memory' in statistics.recent_error


@pytest.mark.fault(17)
def test_what_the_driver_of_a_jetson_says_of_a_full_memory_is_one(make_camera, monkeypatch):
    # Simulated, deep in the network: there NVML cannot be asked how much memory is left.
    statistics, pipeline = make_camera()
    pipeline.process(job(0, 0))
    dense, left = StemRunner.dense, [1]

    def full(*arguments):
        if left[0]:
            left[0] -= 1
            raise RuntimeError('NVML_SUCCESS == r INTERNAL ASSERT FAILED at '
                               '"CUDACachingAllocator.cpp":838, please report a bug to PyTorch.')
        return dense(*arguments)

    monkeypatch.setattr(StemRunner, 'dense', full)

    pipeline.start_anew('so that every row is computed')
    pipeline.process(job(0, 1))

    summary = statistics.summary()
    assert (summary['processed'], summary['last_reset']) == ('2', 'out of memory')
    assert 'NVML_SUCCESS' in statistics.recent_error


def test_a_frame_that_runs_out_of_memory_twice_is_lost(make_camera, monkeypatch):
    statistics, pipeline = make_camera()
    fail_times(monkeypatch, 2)

    with pytest.raises(torch.cuda.OutOfMemoryError):
        pipeline.process(job(0, 0))

    assert statistics.summary()['processed'] == '0'


def fail_times(monkeypatch, count):
    """Have the engine run out of memory so many times."""
    infer, left = Engine.infer, [count]

    def exhausted(self, *arguments):
        if left[0]:
            left[0] -= 1
            raise torch.cuda.OutOfMemoryError('CUDA out of memory')
        return infer(self, *arguments)

    monkeypatch.setattr(Engine, 'infer', exhausted)


@pytest.mark.fault(16)
def test_a_network_that_returns_no_numbers_is_an_error_and_the_outputs_come(
    make_camera, monkeypatch
):
    # Simulated: where a real network overflows depends on its weights and the device.
    dense = StemRunner.dense
    monkeypatch.setattr(StemRunner, 'dense', lambda *arguments: dense(*arguments) * torch.nan)
    statistics, pipeline = make_camera()

    pipeline.process(job(0, 0))

    assert 'NaN or infinity for semseg, depth, normals, edge' in statistics.severe_error
    assert statistics.summary()['processed'] == '1'


def test_another_encoding_begins_anew(make_camera):
    statistics, pipeline = make_camera()
    pipeline.process(job(0, 0))

    pipeline.process(job(0, 1, encoding='bgr8'))

    assert statistics.summary()['last_reset'].startswith('image encoding changed from')


class Kept(OutputPublishers):
    """Publishers that keep the normals they publish."""

    def publish(self, output, message):
        if output.topic == 'normals/image':
            self.normals = np.frombuffer(bytes(message.data), np.float32).copy()
        super().publish(output, message)


def test_normals_from_depth_are_those_of_the_calibrated_camera(node, tiny_description):
    shape = replace(TINY, heads={'normals': HeadConfig(kind='geometry')})
    torch.manual_seed(0)
    network = build_model(shape, DEFAULT_TASKS, 40).eval()
    description = replace(tiny_description, architecture=shape)
    engine = Engine(Checkpoint(network, description), device='cpu')
    infos, publishers, said = CameraInfoBuffer(), Kept(node, OUTPUTS), []
    notices = Notices(node.get_logger())
    notices.state = lambda key, text, **how: said.append((key, text))
    pipeline = pipeline_of(node, engine, infos, publishers, FrameStatistics(), notices)
    pipeline.process(job(0, 0))
    without = publishers.normals
    assert any(key == 'normals camera' and 'field of view of the training' in text
               for key, text in said)

    said.clear()
    infos.add(CameraInfo(height=96, width=128, k=[400.0, 0, 63.5, 0, 400.0, 47.5, 0, 0, 1]))
    pipeline.process(job(0, 1))
    expected = engine.infer(pixels(0), camera=Pinhole(400, 400, 63.5, 47.5)).normals
    assert np.allclose(publishers.normals, expected.reshape(-1), atol=2e-3)
    assert not np.allclose(publishers.normals, without, atol=0.05)
    assert ('normals camera', '') in said
    publishers.destroy()
