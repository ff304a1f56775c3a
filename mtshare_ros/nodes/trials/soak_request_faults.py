"""Faults by other nodes: parameter, lifecycle and service requests, and subscribers."""

import random
from typing import Any

from std_srvs.srv import SetBool, Trigger

from mtshare_ros.nodes.parameters import ParameterSpec
from mtshare_ros.nodes.perception.parameter_table import PERCEPTION_PARAMETERS
from mtshare_ros.nodes.trials.soak_stage import Fault, SoakStage, TRANSITIONS

_WHILE_S = 1.0
# Time for messages that were still on their way when the answer came.
_IN_FLIGHT_S = 0.5

_GOOD_SETS: tuple[dict[str, Any], ...] = (
    {'temporal.enabled': False},
    {'task.enabled': False},
    {'temporal.threshold': 0.0, 'task.threshold': 0.0},
    {'temporal.threshold': 10.0, 'semantic.temporal.threshold': 0.5},
    {'temporal.policy': 'keyframe', 'temporal.refresh_period': 5},
    {'temporal.scene_cut_fraction': 0.0},
    {'latency_target_ms': 20.0},
    {'max_rate': 5.0},
    {'lazy': False},
    {'outputs.depth.enabled': False, 'outputs.edges.enabled': False},
    {'depth.color_range': [1.0, 3.0], 'semantic.color_alpha': 1.0},
)


def good_parameters(stage: SoakStage, dice: random.Random) -> str:
    """Set allowed values, let frames be computed with them, and set the former ones."""
    values = dice.choice(_GOOD_SETS)
    before = {name: stage.requests.get(name) for name in values}
    stage.expect(all(stage.requests.set(values)), f'{values} was refused')
    stage.spin(_WHILE_S)
    stage.expect(all(stage.requests.set(before)), f'{before} was refused')
    return _spell(values)


def bad_parameter(stage: SoakStage, dice: random.Random) -> str:
    """Set a value that is not allowed, or a parameter that cannot be set at all."""
    spec, value = _choose_bad(dice)
    before = stage.requests.get(spec.name)
    stage.expect(stage.requests.set({spec.name: value}) == [False],
                 f'{spec.name} = {value!r} was not refused')
    _expect_value(stage, spec.name, before)
    return _spell({spec.name: value})


def half_bad_parameters(stage: SoakStage, dice: random.Random) -> str:
    """Set two parameters in one atomic request of which one must be refused."""
    spec, value = _choose_bad(dice)
    good = 'max_rate' if spec.name != 'max_rate' else 'semantic.color_alpha'
    before = stage.requests.get(good)
    values = {good: 0.5, spec.name: value}
    stage.expect(stage.requests.set_together(values) is False, f'{values} was not refused')
    _expect_value(stage, good, before)
    return _spell(values)


def _choose_bad(dice: random.Random) -> tuple[ParameterSpec, Any]:
    """Return a parameter and a value that must be refused for it."""
    spec = dice.choice(list(PERCEPTION_PARAMETERS))
    wrong_type = 7 if spec.kind == 'string' else 'text'
    bad: list[Any] = [wrong_type]
    if spec.read_only:  # then even an allowed value is refused
        bad.append(spec.default)
    if spec.limits is not None:
        kind = type(spec.default)
        bad += [kind(spec.limits[0] - 1), kind(spec.limits[1] + 1)]
    if spec.kind == 'double':
        bad += [float('nan'), float('inf')]
    return spec, dice.choice(bad)


def _expect_value(stage: SoakStage, name: str, before: Any) -> None:
    found = stage.requests.get(name)
    stage.expect(found == before, f'{name} became {found!r} by a request that was refused')


def _spell(values: dict[str, Any]) -> str:
    return ', '.join(f'{name} = {value!r}' for name, value in values.items())


def pause(stage: SoakStage, dice: random.Random) -> str:
    """Deactivate the node and activate it again; in between nothing may be published."""
    _transit(stage, 'deactivate')
    stage.spin(_IN_FLIGHT_S)
    before = stage.listener.arrivals()
    stage.spin(_WHILE_S)
    stage.expect(stage.listener.arrivals() == before, 'outputs came while the node was inactive')
    _transit(stage, 'activate')
    return 'deactivate, activate'


def restart(stage: SoakStage, dice: random.Random) -> str:
    """Take the node through its whole life, so that it loads the model again."""
    verbs = ('deactivate', 'cleanup', 'configure', 'activate')
    for verb in verbs:
        _transit(stage, verb)
    return ', '.join(verbs)


def _transit(stage: SoakStage, verb: str) -> None:
    stage.expect(stage.requests.change_state(verb), f'the node did not {verb}')


def wrong_transition(stage: SoakStage, dice: random.Random) -> str:
    """Ask for a transition that an active node cannot make."""
    verb = dice.choice([verb for verb in TRANSITIONS if verb != 'deactivate'])
    stage.expect(stage.requests.change_state(verb) is False, f'{verb} was not refused')
    return f'{verb} while active'


def no_subscriber(stage: SoakStage, dice: random.Random) -> str:
    """Leave every topic until the node is idle, then come back."""
    stage.listener.leave()
    stage.expect_status(
        lambda: 'idle' in stage.listener.status.message,
        'the diagnostics did not say idle without subscribers')
    return 'every topic left'


def other_subscribers(stage: SoakStage, dice: random.Random) -> str:
    """Leave some topics for a while."""
    every = sorted(stage.listener.topics)
    topics = dice.sample(every, dice.randrange(1, len(every)))
    stage.listener.leave(topics)
    stage.spin(_WHILE_S)
    return f'{len(topics)} of {len(every)} topics left'


def cache_reset(stage: SoakStage, dice: random.Random) -> str:
    """Ask the node to forget what it remembers of the camera."""
    answer = stage.requests.call('reset_cache', Trigger.Request())
    stage.expect(answer and answer.success, 'reset_cache did not succeed')
    return 'reset_cache'


def switch_off(stage: SoakStage, dice: random.Random) -> str:
    """Switch the node off and on by its service."""
    for wanted in (False, True):
        answer = stage.requests.call('enable', SetBool.Request(data=wanted))
        stage.expect(answer and answer.success, f'enable: {wanted} did not succeed')
        stage.spin(_WHILE_S)
    return 'enable: false, enable: true'


REQUEST_FAULTS = (
    Fault('good parameters', good_parameters),
    Fault('bad parameter', bad_parameter),
    Fault('atomic set, one bad', half_bad_parameters),
    Fault('pause', pause),
    Fault('whole life', restart),
    Fault('wrong transition', wrong_transition),
    Fault('no subscriber', no_subscriber),
    Fault('other subscribers', other_subscribers),
    Fault('cache reset', cache_reset),
    Fault('switched off', switch_off),
)
"""What other nodes can do to the perception node."""
