"""Every kernel of Triton against its plain version, with inputs as in a frame."""

from dataclasses import fields
from functools import partial
from typing import Any, Callable
from unittest import mock

import torch

from gpu_check.changing_clip import ChangingClip
from gpu_check.check import captured, Check, milliseconds
from gpu_check.models import Subject, subject_of, VIT_B, VIT_T
from mtshare_ros.inference.map_decoder import decode_patches
from mtshare_ros.inference.static import map_operator
from mtshare_ros.inference.static.map_operator import ChosenDecoder, decode_patches_fused
from mtshare_ros.sharing.static import kernel_choice as choosing
from mtshare_ros.sharing.static.kernel_choice import choose, Chosen
from mtshare_ros.sharing.static.operators import FUSED, Operators, PLAIN

_SHARE = 0.08

Calls = dict[str, tuple[Any, ...]]


def measure_kernels(check: Check) -> None:
    """Record which kernels run and agree, then the time of one call of each in microseconds."""
    chosen = choose(check.device, torch.float16)
    check.judge('kernels that run and agree', not chosen.notices, notices=chosen.notices)
    for name in (VIT_T, VIT_B)[:check.size(2, 1)]:
        calls: Calls = {}
        with check.trying(f'calls, {name}'):
            calls = _record_calls(subject_of(check, name))
        for operator, given in calls.items():
            with check.trying(f'{operator}, {name}'):
                _measure(check, name, operator, given)


def _record_calls(subject: Subject) -> Calls:
    """Return by operator the arguments of its last call in frames of which some patches change."""
    calls: Calls = {}

    def recording(name: str, function: Callable[..., Any], *given: Any) -> Any:
        calls[name] = given
        return function(*given)

    recorded = Operators(**{field.name: partial(recording, field.name, getattr(PLAIN, field.name))
                            for field in fields(Operators)})
    decoder = ChosenDecoder(partial(recording, 'decode_patches', decode_patches))
    with mock.patch.object(choosing, 'choose', lambda *_, **__: Chosen(recorded)), \
            mock.patch.object(map_operator, 'choose_decoder', lambda *_: decoder):
        engine = subject.engine(cuda_graphs=False)
        session = engine.new_session()
        for image in ChangingClip(subject.size, 16, _SHARE, 5).frames:
            engine.infer(image, session)
    return calls


def _measure(check: Check, model: str, operator: str, given: tuple[Any, ...]) -> None:
    """Time calls of an operator in a graph, so that launches do not hide its own time."""
    repeats = check.size(20, 2)
    kernel, twin = ((decode_patches_fused, decode_patches) if operator == 'decode_patches' else
                    (getattr(FUSED, operator), getattr(PLAIN, operator)))
    took = {}
    with torch.inference_mode():
        for name, function in (('kernel', kernel), ('twin', twin)):
            with check.trying(f'{name} of {operator}, {model}'):
                replay = captured(partial(function, *given), repeats)
                took[name] = milliseconds(replay, check.size(20, 1)) * 1e3 / repeats
    check.add('operator', model=model, operator=operator, **took)
