"""The files launched with are whole: the rviz view, the transport profile, the arguments."""

from importlib.util import module_from_spec, spec_from_file_location
from math import cos, sin
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from mtshare_ros.inference.map_outputs import METRIC_OUTPUTS
from mtshare_ros.nodes.sim_camera.parameter_table import SIM_CAMERA_PARAMETERS

ROOT = Path(__file__).resolve().parents[2]
RVIZ = yaml.safe_load((ROOT / 'config' / 'perception.rviz').read_text())
DISPLAYS = RVIZ['Visualization Manager']['Displays']
POLICIES = {
    'Durability Policy': {'System Default', 'Volatile', 'Transient Local'},
    'History Policy': {'System Default', 'Keep Last', 'Keep All'},
    'Reliability Policy': {'System Default', 'Reliable', 'Best Effort'},
}
ENCODINGS_OF_RVIZ = {'rgb8', 'mono8', '32FC1'}
KINDS = {output.topic: output.message for output in METRIC_OUTPUTS}
LOOKED_AT = {
    'image', 'semantic/color', 'depth/color', 'normals/color', 'edges/image', 'sharing/activity',
    'depth/points',
}
TOPICS = {'cameras': '', 'image': '/lens/image', 'camera_info': 'info', 'compressed_image': ''}
CLOUD = {
    'Color Transformer': 'RGB8', 'Position Transformer': 'XYZ', 'Style': 'Points',
    'Use Fixed Frame': True, 'Decay Time': 0,
}


def every_display(test):
    return pytest.mark.parametrize('display', DISPLAYS, ids=lambda item: item['Name'])(test)


@every_display
def test_every_display_shows_a_topic_that_is_there_as_the_message_it_is(display):
    kinds = {'image': 'Image', **KINDS}

    assert display['Class'] == f"rviz_default_plugins/{kinds[display['Topic']['Value']]}"
    assert display['Enabled'] is display['Value'] is True


@every_display
def test_every_picture_has_an_encoding_rviz_knows(display):
    encodings = {'image': 'rgb8', **{output.topic: output.encoding for output in METRIC_OUTPUTS}}

    if display['Class'].endswith('/Image'):
        assert encodings[display['Topic']['Value']] in ENCODINGS_OF_RVIZ


@every_display
def test_every_display_has_policies_rviz_knows(display):
    assert all(display['Topic'][name] in allowed for name, allowed in POLICIES.items())


@every_display
def test_only_the_camera_may_lose_images_on_the_way_to_a_display(display):
    lossy = display['Topic']['Reliability Policy'] == 'Best Effort'

    assert lossy == (display['Topic']['Value'] == 'image')


def test_everything_made_for_people_has_one_display():
    shown = [display['Topic']['Value'] for display in DISPLAYS]

    assert sorted(shown) == sorted(LOOKED_AT)


def test_every_task_has_a_display():
    shown = {display['Topic']['Value'].split('/')[0] for display in DISPLAYS}

    assert {output.topic.split('/')[0] for output in METRIC_OUTPUTS} <= shown


def test_the_cloud_is_shown_in_its_own_colours_from_the_newest_frame_alone():
    cloud, = (display for display in DISPLAYS if display['Class'].endswith('/PointCloud2'))

    assert {name: cloud[name] for name in CLOUD} == CLOUD


def test_the_fixed_frame_is_that_of_the_simulated_camera():
    frame, = (item for item in SIM_CAMERA_PARAMETERS if item.name == 'frame_id')

    assert RVIZ['Visualization Manager']['Global Options']['Fixed Frame'] == frame.default


def test_the_view_begins_behind_the_camera_with_the_image_upright():
    view = RVIZ['Visualization Manager']['Views']['Current']
    yaw, pitch, focal = view['Yaw'], view['Pitch'], view['Focal Point']

    # as the orbiting view of rviz places its eye; its up is the z axis seen from there
    eye = [focal['X'] + view['Distance'] * cos(yaw) * cos(pitch),
           focal['Y'] + view['Distance'] * sin(yaw) * cos(pitch),
           focal['Z'] + view['Distance'] * sin(pitch)]

    assert eye[2] < 0 < focal['Z']
    assert eye[1] < 0 and abs(eye[0]) < 0.01


def test_the_transport_profile_is_the_default_and_wide_enough_for_4k_depth():
    root = ElementTree.parse(ROOT / 'config' / 'fastdds_large_images.xml').getroot()
    space = '{http://www.eprosima.com}'

    sizes = [int(item.text) for item in root.iter(f'{space}segment_size')]
    used = {item.text for item in root.iter(f'{space}userTransports') for item in item}

    assert sizes and min(sizes) >= 32 << 20
    assert used == {item.text for item in root.iter(f'{space}transport_id')} & used
    assert next(root.iter(f'{space}participant')).get('is_default_profile') == 'true'


def load(name):
    spec = spec_from_file_location(name.replace('.', '_'), ROOT / 'launch' / name)
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize('name', ['perception.launch.py', 'demo.launch.py'])
def test_every_launch_argument_is_described(name):
    pytest.importorskip('launch_ros', reason='launch_ros is not installed; it comes with ROS 2')
    from launch.actions import DeclareLaunchArgument

    entities = load(name).generate_launch_description().entities

    declared = [item for item in entities if isinstance(item, DeclareLaunchArgument)]
    assert len(declared) > 5
    assert all(len(item.description) > 10 for item in declared)


def test_the_perception_launch_file_has_the_arguments_of_the_interface():
    pytest.importorskip('launch_ros', reason='launch_ros is not installed; it comes with ROS 2')

    arguments = {item.name for item in load('perception.launch.py').arguments()}

    assert arguments == {'namespace', 'image', 'camera_info', 'params_file', 'model', 'device',
                         'cameras', 'image_transport', 'compressed_image', 'autostart',
                         'use_sim_time', 'rviz', 'dashboard', 'log_level', 'respawn', 'video',
                         'video_rate', 'camera_info_url', 'field_of_view'}


@pytest.mark.parametrize(('values', 'expected'), [
    ({}, [('image', '/lens/image'), ('camera_info', 'info'),
          ('image/compressed', '/lens/image/compressed')]),
    ({'cameras': 'front, rear', 'image': 'image_raw'},
     [('front/image', 'front/image_raw'), ('front/camera_info', 'front/info'),
      ('front/image/compressed', 'front/image_raw/compressed'),
      ('rear/image', 'rear/image_raw'), ('rear/camera_info', 'rear/info'),
      ('rear/image/compressed', 'rear/image_raw/compressed')]),
])
def test_the_inputs_are_remapped_for_every_camera(values, expected):
    pytest.importorskip('launch_ros', reason='launch_ros is not installed; it comes with ROS 2')
    given = {**TOPICS, **values}

    assert load('perception.launch.py').remappings(given) == expected


@pytest.mark.parametrize(('values', 'topic'), [
    ({'compressed_image': '/lens/jpeg'}, '/lens/jpeg'),
    ({'image': '/lens/image/compressed'}, '/lens/image/compressed'),
])
def test_compressed_images_come_from_a_topic_of_any_name(values, topic):
    pytest.importorskip('launch_ros', reason='launch_ros is not installed; it comes with ROS 2')

    found = load('perception.launch.py').remappings({**TOPICS, **values})

    assert ('image/compressed', topic) in found


def test_a_topic_of_compressed_images_chooses_how_they_come():
    pytest.importorskip('launch_ros', reason='launch_ros is not installed; it comes with ROS 2')
    launch_file = load('perception.launch.py')
    given = {**TOPICS, 'compressed_image': '/lens/jpeg', 'image_transport': ''}

    assert launch_file.image_transport(given) == 'compressed'
    with pytest.raises(ValueError, match='image_transport is raw'):
        launch_file.image_transport({**given, 'image_transport': 'raw'})


def test_an_absolute_image_topic_for_several_cameras_is_refused_with_what_to_give():
    pytest.importorskip('launch_ros', reason='launch_ros is not installed; it comes with ROS 2')
    given = {**TOPICS, 'cameras': 'front,rear'}

    with pytest.raises(ValueError, match='image:=/lens/image begins with a slash'):
        load('perception.launch.py').remappings(given)


@pytest.mark.parametrize(('values', 'words'), [
    ({'cameras': 'front,rear'}, 'the arguments for cameras out'),
    ({'image_transport': 'compressed'}, 'the arguments for compressed images out'),
])
def test_a_video_is_one_camera_of_raw_images(values, words):
    pytest.importorskip('launch_ros', reason='launch_ros is not installed; it comes with ROS 2')
    given = {**TOPICS, 'image': 'image', 'image_transport': '', 'video': 'walk.mp4', **values}

    with pytest.raises(ValueError, match=words):
        load('perception.launch.py').video_camera(given)
