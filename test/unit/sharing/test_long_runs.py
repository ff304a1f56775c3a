"""Two thousand frames: errors do not add up, and memory does not."""

import gc
import itertools
from pathlib import Path
import resource

from branched import branched_network
from clips import Camera, engine_of, uniform_thresholds
import numpy as np
import pytest
import torch

from mtshare_ros.tasks import DEFAULT_TASKS

pytestmark = pytest.mark.slow


def drifting(frames, noise):
    """Yield frames of one picture that turns into another, by less than 0.1 levels a frame."""
    generator = np.random.default_rng(1)
    first, last = generator.uniform(20, 235, (2, 6, 8, 3)).repeat(8, axis=1).repeat(8, axis=2)
    for number in range(frames):
        grain = noise * generator.standard_normal(first.shape)
        picture = first + (last - first) * number / frames + grain
        yield picture.clip(0, 255).astype(np.uint8)


def drift_errors(*, noise, previous_frame=False):
    """Return the errors of a long drift, with the last transmission or the last frame as base."""
    network = branched_network(input_size=(48, 64))
    engine = engine_of(network).with_thresholds(
        uniform_thresholds(network.config.depth, temporal=0.02, task=0.02))
    seen = Camera(network, engine=engine, tasks=('depth', 'edge'), policy='none',
                  temporal_threshold=0.4)
    errors = []
    for number, frame in enumerate(drifting(2000, noise)):
        seen.see(frame)
        if previous_frame:
            forget_the_reference(seen.session.cache.state.change)
        if number % 40 == 39:
            errors.append(seen.error())
    return errors


def forget_the_reference(change):
    with torch.inference_mode():
        change.reference.copy_(change.current)


@pytest.mark.parametrize('noise', [0.0, 2.0])
def test_under_a_slow_drift_the_error_is_bounded_and_a_previous_frame_reference_is_not(noise):
    errors = drift_errors(noise=noise)
    assert max(errors[25:]) < 1.5 * max(errors[:25])
    assert max(drift_errors(noise=noise, previous_frame=True)) > 5 * max(errors)


def live_tensors():
    gc.collect()
    return sum(type(item) is torch.Tensor for item in gc.get_objects())


def resident_megabytes():
    pages = int(Path('/proc/self/statm').read_text().split()[1])
    return pages * resource.getpagesize() / 2 ** 20


@pytest.mark.skipif(not Path('/proc/self/statm').exists(), reason='needs the /proc of Linux')
def test_two_thousand_frames_take_no_more_memory():
    network = branched_network(input_size=(48, 64))
    seen = Camera(network, refresh_period=10)
    frames = list(itertools.islice(drifting(2000, 2.0), 0, 2000, 50))
    before = None
    for number in range(2000):
        seen.use(DEFAULT_TASKS if number % 7 else ('semseg', 'edge'), refresh_period=10)
        seen.see(frames[number % len(frames)])
        if number == 200:
            before = live_tensors(), seen.session.nbytes(), resident_megabytes()
    tensors, size, megabytes = before
    assert live_tensors() <= tensors
    assert seen.session.nbytes() == size
    assert resident_megabytes() < megabytes + 8
