"""Calibrating with workers finds the thresholds that one process finds."""

from dataclasses import dataclass
from functools import partial
import os
from pathlib import Path
import signal
import sys
import tempfile

import numpy as np
import pytest

ray = pytest.importorskip('ray', reason='ray is not installed: pip install -e ".[fleet]"')
pytest.importorskip('numba', reason='the rooms need the extra [rooms]')
pytest.importorskip('rosbags', reason='bags need the extra [bags]')

from bag_files import (  # noqa: E402
    camera_messages,
    image_message,
    picture,
    START_NS,
    write_bag,
    write_camera_bag,
)
from branching import write_branched  # noqa: E402

from mtshare_ros.evaluation.calibration import (  # noqa: E402
    calibrate,
    CalibrationSettings,
    count_frames,
)
from mtshare_ros.evaluation.measurements import MeasuredHere, Measurement  # noqa: E402
from mtshare_ros.evaluation.output_error import ClipMeter  # noqa: E402
from mtshare_ros.evaluation.recorded_calibration import (  # noqa: E402
    calibrate_recorded,
    RecordingMeter,
)
from mtshare_ros.evaluation.room_data import plan_clips, render_clips  # noqa: E402
from mtshare_ros.fleet.calibration_worker import (  # noqa: E402
    FetchedRecording,
    MeasuringWorker,
    PoolSpread,
    RecordingWorkers,
    RoomWorkers,
)
from mtshare_ros.fleet.pool import Pool, PoolOptions  # noqa: E402
from mtshare_ros.fleet.sources.sources import find_sources  # noqa: E402
from mtshare_ros.fleet.worker_model import WorkerModel  # noqa: E402
from mtshare_ros.inference.engine import Engine  # noqa: E402
from mtshare_ros.recording.calibration_frames import RecordingChoice  # noqa: E402

# the workers' processes do not have the path of this file
ray.cloudpickle.register_pickle_by_value(sys.modules[__name__])

TASKS = ('depth', 'edge')
SIZE = (48, 64)
PLAN = plan_clips(3, 6)
SETTINGS = CalibrationSettings(0.05)
TWO = PoolOptions(workers=2, temp_folder=Path(tempfile.gettempdir()))


@pytest.fixture(scope='module')
def model(tmp_path_factory, tiny_description):
    """Write a tiny model whose sub-task has a block of its own, and choose it for workers."""
    path = write_branched(tmp_path_factory.mktemp('models'), tiny_description, TASKS)
    return WorkerModel.choose(str(path), device='cpu', gpus=0.0, precision='auto',
                              input_size=SIZE)


@pytest.fixture(scope='module')
def engine(model):
    return Engine.load(model.name, device='cpu', input_size=SIZE)


@dataclass(frozen=True)
class MortalWorkers(RoomWorkers):
    """Workers of which one is killed while a search measures on its clips."""

    marker: Path = Path()

    def __call__(self, report):
        frames = []

        def report_or_die(key, amount):
            frames.append(key)
            if len(frames) == 40 and not self.marker.exists():
                self.marker.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            report(key, amount)

        return super().__call__(report_or_die)


@pytest.mark.slow
def test_a_worker_that_is_killed_during_the_search_changes_no_threshold(tmp_path, model, engine):
    work = MortalWorkers(model, PLAN, SETTINGS.sharing, tmp_path / 'marker')
    said, done = [], []

    with Pool(TWO, work, said.append) as pool:
        found = calibrate(engine, PLAN, SETTINGS, PoolSpread(pool, work.names), done.append)

    clips = render_clips(PLAN.specs, frames=PLAN.frames, size=SIZE)
    alone = calibrate(engine, PLAN, SETTINGS, MeasuredHere(
        lambda tick: [ClipMeter(engine, clip, SETTINGS.sharing, tick) for clip in clips]))
    assert found == alone
    assert len(said) == 1 and 'died while it computed room ' in said[0]
    assert done == sorted(done)
    assert done[-1] == count_frames(engine.description.architecture, engine.network_tasks, PLAN)


class Meter:
    """Counts what is measured with it; each clip has one frame."""

    def __init__(self, tick):
        self.tick, self.count = tick, 0

    def measure(self):
        self.tick()
        self.count += 1
        return self.count


def test_a_worker_keeps_some_clips_and_counts_the_frames_of_all():
    made, reported = [], []

    def make(number, tick, say):
        made.append(number)
        say(f'{number} is made')
        return Meter(tick)

    worker = MeasuringWorker(make, lambda *report: reported.append(report), kept=2)
    found = [worker.measure(f'clip {clip}', Measurement(clip, Meter.measure))
             for clip in (0, 1, 2, 0, 1, 2)]

    assert made == [0, 1, 2, 2]
    assert [each.value for each in found] == [1, 1, 1, 2, 2, 1]
    assert reported[-1] == ('clip 2', 1) and {each.frames for each in found} == {1}
    assert (found[-1].lines, found[-2].lines) == (('2 is made',), ())


def write_bags(folder):
    """Write bags: one with an image that cannot be read, one without, one that is too short."""
    rows = list(camera_messages(26))
    bad = image_message(picture(0), START_NS, 'rgb8')
    bad.encoding = '32FC1'
    rows.insert(4, (rows[0][0], rows[4][1], bad))
    return [RecordingChoice(path, True) for path in (
        write_bag(folder / 'monday', rows), write_camera_bag(folder / 'tuesday', 24),
        write_camera_bag(folder / 'short', 3))]


@pytest.mark.slow
def test_recordings_that_workers_read_give_the_same_period_and_thresholds(
        tmp_path, model, engine):
    recordings, said, noted = write_bags(tmp_path), [], []
    work = RecordingWorkers(model, recordings)

    with Pool(TWO, work) as pool:
        spread = PoolSpread(pool, work.names, said.append)
        found = calibrate_recorded(engine, work.names, 0.3, spread, say=said.append)

    films = [recording.frames(SIZE, noted.append) for recording in recordings[:2]]
    alone = calibrate_recorded(engine, work.names[:2], 0.3, MeasuredHere(
        lambda tick: [RecordingMeter(engine, partial(list, images), tick) for images in films]))
    assert found == alone
    assert 'over 50 frames of monday, tuesday' in found.sentence
    assert said[:-1] == [f'monday: {line}' for line in noted] and len(noted) == 1
    assert said[-1].startswith('left out short: 3 frames are too few')


def test_a_recording_in_object_storage_is_fetched_and_read(tmp_path, s3, s3_server):
    write_camera_bag(tmp_path / 'monday', 3)
    s3_server.S3FileSystem().put(str(tmp_path / 'monday'), f'{s3}/monday', recursive=True)
    source, = find_sources([s3], {})

    there = FetchedRecording(source).frames(SIZE, pytest.fail)
    here = RecordingChoice(tmp_path / 'monday', True).frames(SIZE, pytest.fail)

    assert len(there) == 3 and np.array_equal(there, here)
