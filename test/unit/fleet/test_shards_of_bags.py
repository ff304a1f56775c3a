"""The shards of a bag hold the maps that ``mtshare bag`` writes for it."""

import io

import numpy as np
import pytest

pytest.importorskip('rosbags', reason='fleets need the extra [fleet]')
parquet = pytest.importorskip('pyarrow.parquet', reason='fleets need the extra [fleet]')
pytest.importorskip('webdataset', reason='fleets need the extra [fleet]')
Image = pytest.importorskip('PIL.Image', reason='images need the extra [cli]')

from bag_files import (  # noqa: E402
    camera_messages,
    header,
    IMAGE,
    INFO,
    make,
    read_bag,
    stamps_ns,
    write_bag,
)
from shard_files import make_context, MAPS  # noqa: E402

from mtshare_ros.fleet.shards.formats import open_shard  # noqa: E402
from mtshare_ros.inference.engine import Engine  # noqa: E402
from mtshare_ros.messages.image_messages import read_map  # noqa: E402
from mtshare_ros.recording.bag import Bag  # noqa: E402
from mtshare_ros.recording.bag_plan import BagPlan  # noqa: E402
from mtshare_ros.recording.bag_run import BagRun  # noqa: E402
from mtshare_ros.recording.map_encoding import depth_to_png, normals_to_png  # noqa: E402
from mtshare_ros.recording.recorded_poses import PoseChoice, RecordedPoses  # noqa: E402
from mtshare_ros.recording.segment_run import SegmentRun  # noqa: E402
from mtshare_ros.recording.segments import Segment  # noqa: E402

UNREADABLE = 2
NUMBERS = [0, 1, 3, 4, 5, 6]
AS_FILE = {'depth/image': depth_to_png, 'normals/image': normals_to_png}


class ShardOutput:
    """Takes the frames of a segment; its messages are those of a bag."""

    def __init__(self, shard):
        self.see, self.abandon = shard.see, shard.abandon
        self._close = shard.close

    def write(self, channel, time_ns, data):
        pass

    def finish(self, result):
        self._close()


def drive(path):
    """Write a bag of a camera that moves by its number in metres; one image is unreadable."""
    rows = []
    for number, (topic, time_ns, message) in enumerate(camera_messages(7)):
        if number == 3 * UNREADABLE:
            message.encoding = 'unknown'
        if topic == IMAGE:
            point = make('geometry_msgs/msg/Point', x=float(number // 3), y=0.0, z=0.0)
            turn = make('geometry_msgs/msg/Quaternion', x=0.0, y=0.0, z=0.0, w=1.0)
            stamp_ns, = stamps_ns([(time_ns, message)])
            rows.append(('/pose', time_ns, make(
                'geometry_msgs/msg/PoseStamped', header=header(stamp_ns, 'map'),
                pose=make('geometry_msgs/msg/Pose', position=point, orientation=turn))))
        rows.append((topic, time_ns, message))
    return write_bag(path, rows)


@pytest.fixture(scope='module')
def computed(tiny_model, tmp_path_factory):
    """Return the rows of all shards, and the new bag, of one bag."""
    folder = tmp_path_factory.mktemp('drive')
    engine = Engine.load(str(tiny_model), device='cpu')
    plan = BagPlan(drive(folder / 'in'), folder / 'out', 'mcap', IMAGE, INFO, segment=3,
                   outputs=(*MAPS, 'depth/camera_info'))
    with Bag(plan.source) as bag:
        BagRun(bag, plan, engine).run()
        poses = RecordedPoses(bag, PoseChoice(topic='/pose'))

        def open_output(number, channels):
            context = make_context(engine, segment=number, outputs=plan.outputs,
                                   poses=poses.begin())
            return ShardOutput(open_shard('parquet', folder / f'{number}.parquet', context))

        SegmentRun(bag, plan, engine).run(Segment(), None, open_output)
    files = sorted(folder.glob('*.parquet'))
    return [row for file in files for row in parquet.read_table(file).to_pylist()], read_bag(
        plan.target)


@pytest.mark.parametrize('topic', MAPS)
def test_every_pixel_is_that_of_the_bag(computed, topic):
    rows, bag = computed

    for row, (_, message) in zip(rows, bag[f'/{topic}'], strict=True):
        found = np.asarray(Image.open(io.BytesIO(row[topic.replace('/', '_')])))
        expected = AS_FILE.get(topic, np.asarray)(read_map(message))
        np.testing.assert_array_equal(found, expected)


def test_rows_have_the_stamps_the_times_and_the_cameras_of_the_messages(computed):
    rows, bag = computed
    infos = bag['/depth/camera_info']

    assert [row['stamp_ns'] for row in rows] == stamps_ns(infos)
    assert [row['time_ns'] for row in rows] == [time_ns for time_ns, _ in infos]
    assert [list(row['camera'].values()) for row in rows] == [
        [info.k[0], info.k[4], info.k[2], info.k[5]] for _, info in infos]


def test_images_that_cannot_be_read_are_counted_in_the_numbers(computed):
    rows, _ = computed

    assert [row['frame'] for row in rows] == NUMBERS
    assert [row['segment'] for row in rows] == [number // 3 for number in NUMBERS]


def test_every_row_has_the_pose_of_its_image(computed):
    rows, _ = computed

    assert [row['pose']['position'] for row in rows] == [[float(n), 0.0, 0.0] for n in NUMBERS]
    assert {(row['pose']['parent'], *row['pose']['quaternion']) for row in rows} == {
        ('map', 0.0, 0.0, 0.0, 1.0)}
