"""Compare the device's raw outputs with the CPU's, and count waits of the host for the device."""

from dataclasses import dataclass
import importlib.util
import os
from pathlib import Path
import subprocess
import sys
from typing import Sequence
import warnings

import numpy as np
import torch

from gpu_check.changing_clip import ChangingClip
from gpu_check.check import Check, DEVICE
from gpu_check.models import small_subject, Subject
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.machine_costs import MachineCosts
from mtshare_ros.inference.prediction import InferenceSettings
from mtshare_ros.inference.session import Session
from mtshare_ros.sharing.plan import FrameCost
from mtshare_ros.sharing.sharing_settings import SharingSettings

MOST_ERROR = {'fp32': (1e-4, 2e-3), 'fp16': (2e-3, 2e-2), 'bf16': (2e-2, 1e-1)}
"""
Allowed relative L2 differences of raw outputs: of the first, whole frame, and of later ones.

In later frames a gate may decide differently about a patch whose change is near its threshold.
"""

_TARGET_ERROR = 0.5
_SHARE = 0.06
_TESTS = ('inference/test_map_kernels.py', 'sharing/static/test_operators.py',
          'sharing/static/test_gate_kernels.py', 'sharing/test_local_runner.py',
          'inference/test_engine.py')


@dataclass(frozen=True)
class Case:
    """Settings of an engine; no ``tasks`` means all."""

    sharing: SharingSettings = SharingSettings()
    tasks: tuple[str, ...] = ()
    graphs: bool = True


CASES = {
    'nothing shared': Case(SharingSettings(temporal=False, task=False)),
    'shared': Case(),
    'shared, without graphs': Case(graphs=False),
    'shared in time alone': Case(SharingSettings(task=False)),
    'no thresholds': Case(SharingSettings(temporal_threshold=0.0)),
    'accurate': Case(SharingSettings(block='accurate')),
    'halo': Case(SharingSettings(halo=1)),
    'keyframes': Case(SharingSettings(policy='keyframe', refresh_period=3)),
    'a latency target': Case(SharingSettings(latency_target_ms=5.0)),
    'one task': Case(tasks=('depth',)),
    'two tasks': Case(tasks=('depth', 'edge')),
}


def check_correctness(check: Check) -> None:
    """Compare every case in every precision with the CPU, count waits, and run tests."""
    subject = small_subject(check)
    clip = ChangingClip(subject.size, 16, _SHARE, check.size(6, 4)).frames
    cases = dict(list(CASES.items())[:check.size(len(CASES), 3)])
    torch.set_num_threads(check.size(min(8, os.cpu_count() or 1), 1))
    expected = {name: _raws(subject, 'cpu', 'fp32', case, clip) for name, case in cases.items()}
    for precision in tuple(MOST_ERROR)[:check.size(3, 2)]:
        for name, case in cases.items():
            with check.trying(f'{name}, {precision}'):
                found = _raws(subject, DEVICE, precision, case, clip)
                bounds = MOST_ERROR[precision]
                if case.sharing.latency_target_ms:  # how much is computed depends on the clock
                    bounds = (bounds[0], _TARGET_ERROR)
                _compare(check, f'{name}, {precision}', bounds, found, expected[name])
    with check.trying('waits'):
        _count_waits(check, subject, clip)
    _run_tests(check)


Raws = list[dict[str, torch.Tensor]]


def _raws(
    subject: Subject, device: str, precision: str, case: Case, clip: Sequence[np.ndarray]
) -> Raws:
    """Return the raw outputs of every frame by task; the CPU computes by the static path too."""
    fixed = True if device == 'cpu' else None
    engine = subject.engine(device, precision, fixed_shapes=fixed, cuda_graphs=case.graphs)
    # fixed costs instead of measured ones, so that device and CPU decide alike how to compute
    engine._costs = MachineCosts(10.0, FrameCost(1.0, 0.1), 1.0)
    session = engine.new_session()
    settings = InferenceSettings(case.tasks or engine.tasks, case.sharing)
    found = []
    for image in clip:
        engine.infer(image, session, settings)
        found.append({task: engine.raw(session, task).detach().float().cpu().clone()
                      for task in settings.tasks})
    return found


def _compare(
    check: Check, what: str, bounds: tuple[float, float], found: Raws, expected: Raws
) -> None:
    errors = [max(relative_error(ours[task], theirs[task]) for task in theirs)
              for ours, theirs in zip(found, expected)]
    first, later = bounds
    check.judge(what, errors[0] <= first and max(errors) <= later, first=errors[0],
                later=max(errors))


def relative_error(found: torch.Tensor, expected: torch.Tensor) -> float:
    """Return the relative L2 difference of two tensors; infinite where one contains NaN."""
    error = (found - expected).double().norm() / expected.double().norm()
    return float(error.nan_to_num(nan=torch.inf))


def _count_waits(check: Check, subject: Subject, clip: Sequence[np.ndarray]) -> None:
    """Count waits that PyTorch warns of; the two deliberate ones of a frame give no warning."""
    engine = subject.engine()
    session = engine.new_session()
    engine.prepare(session)
    for image in clip[:2]:
        engine.infer(image, session)
    found = _warned(engine, session, clip[2:])
    check.judge('waits', not found, frames=len(clip) - 2, lines=found)


def _warned(engine: Engine, session: Session, clip: Sequence[np.ndarray]) -> list[str]:
    torch.cuda.set_sync_debug_mode('warn')
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter('always')
            for image in clip:
                engine.infer(image, session)
    finally:
        torch.cuda.set_sync_debug_mode('default')
    return [f'{warning.filename}:{warning.lineno}' for warning in caught
            if 'synchroniz' in str(warning.message)]


def _run_tests(check: Check) -> None:
    """Run the tests that use a GPU; with a pretended device they are only collected."""
    if importlib.util.find_spec('pytest') is None:
        check.add('tests', end='left out: pytest is not installed')
        return
    root = Path(__file__).resolve().parent.parent.parent
    paths = [str(root / 'test' / 'unit' / path) for path in _TESTS[:check.size(len(_TESTS), 1)]]
    command = [sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider', *paths]
    command += [] if check.pretended is None else ['--collect-only']
    try:
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False,
                              timeout=max(1.0, check.left()))
    except subprocess.TimeoutExpired:
        check.judge('tests', False, end='cut off')
        return
    check.judge('tests', done.returncode == 0, end=done.stdout.strip().splitlines()[-1:],
                output=done.stdout[-2000:] if done.returncode else '')
