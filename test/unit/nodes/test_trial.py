"""The surroundings of a node on trial listen to what its model offers."""

from mtshare_ros.inference.map_outputs import offered_outputs
from mtshare_ros.nodes.trials.node_bench import TOPIC_SETS, topic_sets
from mtshare_ros.nodes.trials.trial import Trial
from mtshare_ros.tasks import DEFAULT_TASKS


def test_a_model_without_depth_is_measured_by_the_topics_it_has():
    with Trial(namespace='/without_depth', tasks=('semseg', 'normals', 'saliency')) as trial:
        sets = topic_sets(trial)
    assert set(trial.topics) == set(trial.listener.topics) == {
        'semantic/mask', 'semantic/confidence', 'semantic/color', 'normals/image',
        'normals/color', 'sharing/activity'}
    assert list(sets) == ['all maps', 'and pictures in colour', 'and activity']
    assert all(set(topics) <= set(trial.topics) for topics in sets.values())


def test_a_model_of_the_default_tasks_is_measured_by_every_topic():
    with Trial(namespace='/whole') as trial:
        assert topic_sets(trial) == TOPIC_SETS
    assert set(trial.topics) == {
        output.topic for output in offered_outputs(DEFAULT_TASKS) if not output.latched}
