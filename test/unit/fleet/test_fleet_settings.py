"""What the options of a fleet mean for recordings that differ."""

from pathlib import Path

from bag_files import image_message, picture, START_NS, write_bag
from PIL import Image
import pytest

from mtshare_ros.errors import ConfigError, RecordingError
from mtshare_ros.fleet.settings import FleetSettings
from mtshare_ros.fleet.worker_model import WorkerModel
from mtshare_ros.recording.recorded_poses import PoseChoice
from mtshare_ros.recording.recording import open_recording

MODEL = WorkerModel('tiny', 'sha256', 'cpu')


@pytest.fixture
def planned_topic(tmp_path):
    """Return a function: the image topic that is computed of a recording with some topics."""
    def plan(*topics, **options):
        messages = [(topic, START_NS, image_message(picture(0), START_NS)) for topic in topics]
        with open_recording(write_bag(tmp_path / 'bag', messages)) as bag:
            return FleetSettings(MODEL, **options).plan(bag, Path('bag')).image_topic
    return plan


@pytest.mark.parametrize('topics, used', [
    (('/left/image', '/right/image'), '/left/image'), (('/rear/image', '/front'), '/front')])
def test_of_several_wanted_topics_each_bag_gives_the_first_that_it_has(
        planned_topic, topics, used):
    assert planned_topic(*topics, image_topic='/left/image, /front') == used


def test_a_bag_without_the_wanted_topic_says_what_it_has(planned_topic):
    with pytest.raises(RecordingError, match="no image topic '/left'; choose one .*: /front "):
        planned_topic('/front', image_topic='/left,/right')


def test_topics_of_bags_are_not_looked_for_among_images(tmp_path):
    Image.fromarray(picture(0)).save(tmp_path / 'a.png')
    settings = FleetSettings(MODEL, image_topic='/left/image', camera_info_topic='/left/info')

    with open_recording(tmp_path) as images:
        plan = settings.plan(images, Path('photos'))

    assert (plan.image_topic, plan.calibration_topic) == ('/image', '')


@pytest.mark.parametrize('output_format, options, text', [
    ('bag', {'pose': PoseChoice('/odom', '')}, '--pose-topic and --pose-frame fill .* is bag;'),
    ('summary', {'pose': PoseChoice('', 'map')}, 'is summary; give --format parquet or webdat'),
    ('parquet', {'copy_input': True, 'namespace': 'a'}, '--copy-input and --namespace: only bags'),
    ('summary', {'storage': 'mcap'}, '--storage: only bags have that, but --format is summary')])
def test_options_that_the_format_has_no_use_for_are_refused(output_format, options, text):
    with pytest.raises(ConfigError, match=text):
        FleetSettings(MODEL, output_format, **options)
