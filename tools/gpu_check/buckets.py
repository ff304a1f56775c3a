"""Check the CUDA graphs for all lengths of lists: what they cost, and whether they are correct."""

import time

import numpy as np
import torch

from gpu_check.changing_clip import ChangingClip
from gpu_check.check import Check
from gpu_check.correctness import relative_error
from gpu_check.models import LARGE, PUBLIC, small_subject, Subject, subject_of, VIT_B, VIT_T
from mtshare_ros.inference.device import computing_on
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.session import Session

_SHARES = (0.01, 0.03, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4)
_STRETCH = 6
_MOST_ERROR = {50: 2e-3, 100: 5e-2}
"""
Allowed relative L2 differences, by percentile over the stretches of frames.

Where two patches changed almost equally, device and CPU may sort them differently, so that another
one is cut off the list.
"""


def check_graphs(check: Check) -> None:
    """Record the cost of the graphs of models, then replay them on frames of many kinds."""
    for name in (VIT_T, VIT_B, LARGE, PUBLIC)[:check.size(4, 1)]:
        with check.trying(f'capture, {name}'):
            _measure_captures(check, subject_of(check, name))
    with check.trying('replays'):
        _check_replays(check, small_subject(check))


def _measure_captures(check: Check, subject: Subject) -> None:
    """Record milliseconds and megabytes of each graph of one camera, and of all together."""
    before = _reserved()
    engine = subject.engine()
    weights = _reserved() - before
    session = engine.new_session()
    for image in ChangingClip(subject.size, 16, 0.02, 3).frames:
        engine.infer(image, session)
    camera = session.static
    if camera is None:
        raise RuntimeError('the engine did not use the static path')
    for sizes in camera.buckets(0.5)[:check.size(9, 2)]:
        with computing_on(engine.device), torch.inference_mode():
            camera.compute(sizes)
            held, start = _reserved(), time.perf_counter()
            camera.compute(sizes)
            torch.cuda.synchronize()
            check.add('capture', model=subject.name, patches=sizes.patches,
                      ms=(time.perf_counter() - start) * 1e3, mb=(_reserved() - held) / 1e6)
    start = time.perf_counter()
    other = engine.new_session()
    held = _reserved()
    notices = engine.prepare(other)
    check.judge('camera', not notices, model=subject.name, notices=notices,
                ms=(time.perf_counter() - start) * 1e3, mb=(_reserved() - held) / 1e6,
                buffers_mb=sum(other.nbytes().values()) / 1e6, weights_mb=weights / 1e6)


def _reserved() -> int:
    torch.cuda.synchronize()
    torch.cuda.empty_cache()
    return torch.cuda.memory_reserved(0)


def _check_replays(check: Check, subject: Subject) -> None:
    """
    Compute frames with random shares of change on the device and on the CPU, and compare them.

    Before each frame, freed memory of the device is filled with NaN, and before some whole frames
    also the outputs, all of which a whole frame has to overwrite.
    """
    on_device = subject.engine(precision='fp32')
    on_cpu = subject.engine('cpu', 'fp32', fixed_shapes=True)
    ours, theirs = on_device.new_session(), on_cpu.new_session()
    on_device.prepare(ours)
    random, errors, frames = np.random.default_rng(0), [], 0
    while frames < check.size(300, 12) and check.left() > 0:
        share = float(random.choice(_SHARES))
        clip = ChangingClip(subject.size, 16, share, _STRETCH, seed=frames)
        if frames % (5 * _STRETCH) == 0:
            _begin_anew(on_device, ours, theirs)
        for image in clip.frames:
            _poison(check)
            on_device.infer(image, ours)
            on_cpu.infer(image, theirs)
        frames += _STRETCH
        errors.append(max(relative_error(on_device.raw(ours, task).cpu(), on_cpu.raw(theirs, task))
                          for task in on_device.tasks))
    found = {percentile: float(np.percentile(errors, percentile)) for percentile in _MOST_ERROR}
    check.judge('replays', all(found[each] <= most for each, most in _MOST_ERROR.items()),
                frames=frames, error_by_percentile=found)


def _begin_anew(engine: Engine, ours: Session, theirs: Session) -> None:
    """Fill the outputs with NaN, and reset both sessions so that the next frame is whole."""
    if ours.static is not None and ours.static.frame:
        for task in engine.tasks:
            engine.raw(ours, task).fill_(torch.nan)
    for session in (ours, theirs):
        session.reset('the check starts again with a whole frame')


def _poison(check: Check) -> None:
    """Fill freed memory with NaN, to detect graphs that read memory that is not theirs."""
    torch.full((check.size(1 << 22, 1 << 10),), torch.nan, device=check.device)
