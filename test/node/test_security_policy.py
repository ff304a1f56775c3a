"""The SROS 2 policy allows what the running node does, and nothing else."""

from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import pytest
from ros_messages import camera_image

ROOT = Path(__file__).resolve().parents[2]
POLICY = ROOT / 'config/security/perception.policy.xml'
NODE = 'perception_node'
RULES = ('publish', 'subscribe', 'reply', 'request')
LABEL_INFO, TYPES = '/semantic/label_info', f'/{NODE}/get_type_description'


def profile():
    """Return the one profile of the policy."""
    return ElementTree.parse(POLICY).getroot().find('enclaves/enclave/profiles/profile')


def resolve(name):
    """Return the full name of an entry, as SROS 2 reads it."""
    if name.startswith('/'):
        return name
    return f'/{NODE}{name[1:]}' if name.startswith('~') else f'/{name}'


def allowed(rule):
    """Return the full names that a rule of the policy allows."""
    return {resolve(entry.text) for group in profile() for entry in group
            if group.get(rule) == 'ALLOW'}


def graph(observer):
    """Return what the running node publishes, subscribes to and serves, as its graph shows it."""
    node = observer.node
    questions = {
        'publish': node.get_publisher_names_and_types_by_node,
        'subscribe': node.get_subscriber_names_and_types_by_node,
        'reply': node.get_service_names_and_types_by_node,
    }
    return {rule: {name for name, _ in ask(NODE, '/')} for rule, ask in questions.items()}


TRANSFORMS = {'/tf', '/tf_static'}
MOTION = {'/imu', *TRANSFORMS}
"""What is listened to where other sensors tell the motion of the camera."""

RELATIVE_DEPTH = '/depth/relative'
"""What models publish in place of depth/image whose depth has no metres."""


def expect_graph(observer, absent):
    """Wait until the node has every name of the policy except those that need something else."""
    absent = {*absent, RELATIVE_DEPTH}
    absent |= set() if find_spec('vision_msgs') else {LABEL_INFO}
    absent |= set() if find_spec('type_description_interfaces') else {TYPES}
    observer.spin_until(lambda: NODE in observer.node.get_node_names(), 'the node')
    expected = {rule: allowed(rule) - absent for rule in ('publish', 'subscribe', 'reply')}
    try:
        observer.spin_until(lambda: graph(observer) == expected, 'the names of the policy')
    except AssertionError:
        assert graph(observer) == expected


def test_the_node_has_exactly_the_names_of_the_policy(running, guest):
    expect_graph(guest, absent={'/clock', '/image/compressed', *MOTION})


def test_simulated_time_and_compressed_images_are_in_the_policy(stage, tiny_model):
    pytest.importorskip('PIL', reason='Pillow is not installed: pip install -e ".[compressed]"')
    stage.start_perception(tiny_model, use_sim_time=True, image_transport='compressed')

    expect_graph(stage.observer, absent={'/image', *MOTION})


def test_what_tells_the_motion_of_the_camera_is_in_the_policy(stage, tiny_model):
    stage.start_perception(tiny_model, motion__source='gyroscope')
    camera = stage.observer.camera()
    absent = {'/clock', '/image/compressed', *(() if find_spec('tf2_msgs') else TRANSFORMS)}

    stage.observer.send_until(
        camera, camera_image(),
        lambda: graph(stage.observer)['subscribe'] == allowed('subscribe') - absent,
        'what tells the motion')


def test_every_name_stands_in_the_policy_once():
    names = [(rule, resolve(entry.text)) for group in profile() for rule in group.attrib
             for entry in group]

    assert len(names) == len(set(names))
    assert {rule for rule, _ in names} <= set(RULES)


def test_nothing_is_allowed_by_a_wildcard():
    names = [entry.text for group in profile() for entry in group]

    assert names and not [name for name in names if set(name) & set('*?[')]


def test_the_node_may_call_no_service():
    assert not allowed('request')


def test_the_policy_has_the_form_that_sros2_reads():
    root = ElementTree.parse(POLICY).getroot()

    assert (root.tag, root.attrib) == ('policy', {'version': '0.2.0'})
    assert [child.tag for child in root] == ['enclaves']
    assert root.find('enclaves/enclave').get('path') == '/perception'
    assert profile().attrib == {'ns': '/', 'node': NODE}
    for group in profile():
        assert group.tag in ('topics', 'services')
        assert set(group.attrib.values()) == {'ALLOW'}
        assert {entry.tag for entry in group} == {group.tag[:-1]}


def test_sros2_itself_accepts_the_policy():
    """Where SROS 2 is installed, its own schema decides."""
    policy = pytest.importorskip('sros2.policy', reason='sros2 is not installed')
    from lxml.etree import XMLSchemaParseError

    try:
        loaded = policy.load_policy(POLICY)
    except XMLSchemaParseError as error:
        pytest.skip(f'the schema of sros2 needs a part from the network: {error}')

    assert loaded.getroot().tag == 'policy'
