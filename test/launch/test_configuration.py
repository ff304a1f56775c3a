"""The files launched with are whole: the rviz view, the transport profile, the arguments."""

from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from xml.etree import ElementTree

import pytest
import yaml

from mtshare_ros.nodes.outputs import OUTPUTS

ROOT = Path(__file__).resolve().parents[2]
RVIZ = yaml.safe_load((ROOT / 'config' / 'perception.rviz').read_text())
DISPLAYS = RVIZ['Visualization Manager']['Displays']
POLICIES = {
    'Durability Policy': {'System Default', 'Volatile', 'Transient Local'},
    'History Policy': {'System Default', 'Keep Last', 'Keep All'},
    'Reliability Policy': {'System Default', 'Reliable', 'Best Effort'},
}
SHOWN_BY_RVIZ = {'rgb8', 'mono8', '32FC1'}


@pytest.mark.parametrize('display', DISPLAYS, ids=lambda display: display['Name'])
def test_every_display_shows_a_topic_that_is_there_in_an_encoding_rviz_knows(display):
    encodings = {'image': 'rgb8', **{output.topic: output.encoding for output in OUTPUTS}}

    assert display['Class'] == 'rviz_default_plugins/Image'
    assert encodings[display['Topic']['Value']] in SHOWN_BY_RVIZ


@pytest.mark.parametrize('display', DISPLAYS, ids=lambda display: display['Name'])
def test_every_display_has_policies_rviz_knows(display):
    assert all(display['Topic'][name] in allowed for name, allowed in POLICIES.items())


def test_every_task_has_a_display():
    shown = {display['Topic']['Value'].split('/')[0] for display in DISPLAYS}

    assert {output.topic.split('/')[0] for output in OUTPUTS} <= shown


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
                         'autostart', 'use_sim_time', 'rviz', 'log_level', 'respawn'}
