"""Count the kernels, products and bytes of a frame, for estimates of other boards."""

from collections import Counter
from contextlib import contextmanager
from typing import Iterator
from unittest import mock

import numpy as np
import torch

from gpu_check.changing_clip import clip_that_enters
from gpu_check.check import Check
from gpu_check.models import Subject, subject_of, VIT_B, VIT_S, VIT_T
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.map_decoder import decode_patches
from mtshare_ros.inference.session import Session
from mtshare_ros.inference.static import map_operator
from mtshare_ros.inference.static.map_operator import ChosenDecoder
from mtshare_ros.sharing.static import kernel_choice as choosing
from mtshare_ros.sharing.static.kernel_choice import Chosen
from mtshare_ros.sharing.static.operators import PLAIN

_SHARE = 0.1
_LISTED = 25
_WEIGHTS_PER_BLOCK = 12
"""In units of the width squared: four in attention, eight in an MLP of four times the width."""

_BYTES_PER_PIXEL = 22
"""Three for the image, nineteen for the maps of four tasks."""


def profile_frames(check: Check) -> None:
    """Record kernels, products and bytes of a whole frame and of a tenth of its patches."""
    for name in (VIT_T, VIT_S, VIT_B)[:check.size(3, 1)]:
        subject = subject_of(check, name)
        with check.trying(f'kernels, {name}'):
            _profile(check, name, subject, triton=True)
        with check.trying(f'kernels without Triton, {name}'), _without_triton():
            _profile(check, name, subject, triton=False)


def _profile(check: Check, name: str, subject: Subject, *, triton: bool) -> None:
    engine = subject.engine(cuda_graphs=False)
    session = engine.new_session()
    first, *between, last = clip_that_enters(engine, _SHARE, 6).frames
    engine.infer(first, session)
    session.reset('a whole frame is to be profiled, without what is made once')
    _note(check, name, engine, session, first, triton=triton)
    for image in between:
        engine.infer(image, session)
    _note(check, name, engine, session, last, triton=triton)


def _note(
    check: Check, name: str, engine: Engine, session: Session, image: np.ndarray, *, triton: bool
) -> None:
    counts, entered = _kernels_of(check, engine, session, image)
    check.add('kernels', model=name, whole=entered == 1, entered=entered, triton=triton,
              count=sum(counts.values()), names=dict(counts.most_common(_LISTED)),
              **_work(session, entered))


def _kernels_of(
    check: Check, engine: Engine, session: Session, image: np.ndarray
) -> tuple[Counter[str], float]:
    """
    Return how often each kernel or copy ran in a frame, by name.

    The second value is the share of the patches that entered the network.
    """
    if check.pretended is not None:
        check.pretended.clear()
        entered = engine.infer(image, session).stats.input_fraction
        return Counter(check.pretended.launches_by_operator), entered
    activities = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=activities) as profile:
        entered = engine.infer(image, session).stats.input_fraction
        torch.cuda.synchronize()
    names = (event.name[:80] for event in profile.events()
             if event.device_type == torch.autograd.DeviceType.CUDA)
    return Counter(names), entered


def _work(session: Session, entered: float) -> dict[str, float]:
    """
    Return the multiply-accumulates and the bytes of a frame.

    The weights of the blocks and the cached tokens are counted as read once; the image is sent to
    the device, the maps of four tasks to the host.
    """
    camera = session.static
    if camera is None:
        raise RuntimeError('the engine did not use the static path')
    fitting = [each for each in camera.buckets(0.5)
               if each.patches >= entered * camera.patch_count]
    sizes = fitting[0] if fitting and entered < 1 else None
    encoder = camera.state.transformer
    blocks = len(encoder.shared) + encoder.own.shape[0] * encoder.own.shape[1]
    weights = blocks * _WEIGHTS_PER_BLOCK * encoder.reference.shape[1] ** 2 * 2
    rows = sum(item.nbytes for item in (*encoder.shared, encoder.own))
    pixels = camera.state.image.nbytes // 3
    return {'macs': camera.network.macs(camera.state, sizes), 'bytes': weights + rows,
            'transferred': pixels * _BYTES_PER_PIXEL}


@contextmanager
def _without_triton() -> Iterator[None]:
    plain = ChosenDecoder(decode_patches)
    with mock.patch.object(choosing, 'choose', lambda *_, **__: Chosen(PLAIN)), \
            mock.patch.object(map_operator, 'choose_decoder', lambda *_: plain):
        yield
