"""Cause faults of GPUs and check that each is handled."""

import threading

import torch

from gpu_check.changing_clip import ChangingClip, Frames
from gpu_check.check import Check
from gpu_check.models import small_subject, Subject
from mtshare_ros.errors import DeviceError

_SHARE = 0.06


def check_faults(check: Check) -> None:
    """Record for every fault whether it is handled as it should be."""
    subject = small_subject(check)
    clip = ChangingClip(subject.size, 16, _SHARE, 5).frames
    for what, play in (('a GPU that is not there', _play_absent_device),
                       ('a raw output with NaN', _play_nan),
                       ('a capture while another thread allocates', _play_allocation),
                       ('memory that runs out', _play_shortage)):
        with check.trying(what):
            check.judge(what, play(check, subject, clip))


def _play_absent_device(check: Check, subject: Subject, clip: Frames) -> bool:
    absent = f'cuda:{max(7, torch.cuda.device_count())}'
    try:
        subject.engine(absent)
    except DeviceError as error:
        return absent in str(error)
    return False


def _play_nan(check: Check, subject: Subject, clip: Frames) -> bool:
    """Fill cached tokens with NaN: one frame must report it, and later ones have none."""
    engine = subject.engine()
    session = engine.new_session()
    for image in clip[:2]:
        engine.infer(image, session)
    for rows in session.static.state.transformer.shared:  # type: ignore[union-attr]
        rows.fill_(torch.nan)
    found = [engine.infer(image, session).stats for image in clip[2:5]]
    return (bool(found[0].non_finite) and 'NaN' in found[1].reset_reason
            and not found[2].non_finite)


def _play_allocation(check: Check, subject: Subject, clip: Frames) -> bool:
    """Allocate and free memory in another thread while graphs are captured."""
    engine, stop = subject.engine(), threading.Event()

    def allocate() -> None:
        with check.thread():
            while not stop.wait(0.001):
                torch.empty(1 << 20, device=check.device).fill_(torch.nan)

    other = threading.Thread(target=allocate)
    other.start()
    try:
        session = engine.new_session()
        notices = engine.prepare(session)
        found = [engine.infer(image, session).stats for image in clip]
    finally:
        stop.set()
        other.join()
    return not notices and not any(stats.non_finite for stats in found)


def _play_shortage(check: Check, subject: Subject, clip: Frames) -> bool:
    """Limit the memory: a frame must raise DeviceError, and later ones work with more memory."""
    engine = subject.engine()
    session = engine.new_session()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(torch.cuda.memory_reserved(0) / total)
    try:
        engine.infer(clip[0], session)
        refused = False
    except DeviceError:
        refused = True
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    session.release('memory ran out')
    engine.free_memory()
    found = [engine.infer(image, session).stats for image in clip]
    return refused and not any(stats.non_finite for stats in found)
