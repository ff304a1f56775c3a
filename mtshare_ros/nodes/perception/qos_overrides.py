"""The ``qos_overrides`` parameters of the inputs: which there are, and what is wrong with them."""

from typing import Any, Mapping, Sequence

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSPolicyKind, ReliabilityPolicy

from mtshare_ros.errors import ConfigError

OVERRIDABLE = (
    QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY,
    QoSPolicyKind.DURABILITY,
)
"""The policies of a subscription that parameters can change."""

_PREFIX = 'qos_overrides.'
_VALUES = {
    'history': HistoryPolicy, 'reliability': ReliabilityPolicy, 'durability': DurabilityPolicy,
}
_USUAL = {
    'history': 'keep_last, keep_all', 'reliability': 'best_effort, reliable',
    'durability': 'volatile, transient_local', 'depth': 'an integer of at least 1',
}


def check_overrides(node: Node, inputs: Sequence[str]) -> list[str]:
    """
    Return which parameters change nothing; raise ConfigError for a value that is not allowed.

    ``inputs`` are the topics that the node subscribes to, before remapping.
    """
    given = {name: parameter.value for name, parameter in node._parameter_overrides.items()
             if name.startswith(_PREFIX)}
    topics = [node.resolve_topic_name(name) for name in inputs]
    known = {_name(topic, policy) for topic in topics for policy in _USUAL}
    problems = [problem for topic in topics for problem in _find_problems(topic, given)]
    if problems:
        raise ConfigError('; '.join(problems))
    return [
        f'{name} changes nothing: this node knows {_PREFIX}<topic>.subscription.<policy> for the '
        f'topics {", ".join(topics)} and the policies {", ".join(_USUAL)}'
        for name in given if name not in known and not node.has_parameter(name)
    ]


def _find_problems(topic: str, given: Mapping[str, Any]) -> list[str]:
    found = {policy: given[_name(topic, policy)] for policy in _USUAL
             if _name(topic, policy) in given}
    problems = [
        f'{_name(topic, policy)} is {value!r}; allowed is {_USUAL[policy]}'
        for policy, value in found.items() if not _is_allowed(policy, value)
    ]
    latched = found.get('durability') == 'transient_local'
    if latched and found.get('reliability', 'best_effort') == 'best_effort':
        problems.append(
            f'{_name(topic, "durability")} is transient_local, which delivers nothing while '
            f'reliability is best_effort: set {_name(topic, "reliability")} to reliable as well')
    return problems


def _is_allowed(policy: str, value: Any) -> bool:
    if policy == 'depth':
        return type(value) is int and value >= 1
    return isinstance(value, str) and value.upper() in _VALUES[policy].__members__


def _name(topic: str, policy: str) -> str:
    return f'{_PREFIX}{topic}.subscription.{policy}'
