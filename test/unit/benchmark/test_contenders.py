"""A dense network every n-th frame, its maps moved along: what is possible without sharing."""

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip('numba', reason='rendering needs the extra [rooms]')

from mtshare_ros.benchmark.bench_plan import StreamPlan  # noqa: E402
from mtshare_ros.benchmark.contenders import CarriedContender, DenseNetwork, View  # noqa: E402
from mtshare_ros.data.rooms.video import RoomVideo  # noqa: E402
from mtshare_ros.image_frame import frame_to_cover  # noqa: E402
from mtshare_ros.inference.prediction import FrameStats, Prediction  # noqa: E402

SIZE = (120, 160)
PLAN = StreamPlan('pan-4', size=SIZE)
COUNT = 9


class TrueMaps:
    """Stands for a network: it knows the truth of the frames of a film, and errs by ``noise``."""

    def __init__(self, frames, noise=0.0):
        self._frames = {frame.image.tobytes(): frame for frame in frames}
        self._random, self._noise = np.random.default_rng(0), noise
        self.computed = 0

    def __call__(self, image):
        self.computed += 1
        frame = self._frames[image.tobytes()]
        error = self._random.normal(1.0, self._noise, SIZE).astype(np.float32)
        return Prediction(
            frame_to_cover(SIZE, SIZE), FrameStats(0.0), mask=frame.labels.copy(),
            confidence=np.full(SIZE, 200, np.uint8), depth=frame.depth * error,
            normals=frame.normals.copy(), edges=(255 * frame.edges).astype(np.uint8))


class RelativeMaps(TrueMaps):
    """Knows no depth in metres, and one task more."""

    def __call__(self, image):
        found = super().__call__(image)
        return replace(found, depth=None, disparity=1 / found.depth,
                       other={'human_parts': found.mask % 7})


@pytest.fixture(scope='module')
def film():
    video = RoomVideo(seed=1_101_003, motion='pan-4', height=SIZE[0], width=SIZE[1])
    return [video.frame(index) for index in range(10, 10 + COUNT)]


def make_contender(network, nth=3, fused=False):
    dense = DenseNetwork(network, 'the truth', macs=60, counted_as=100)
    view = View(SIZE, PLAN.pinhole, patch=10, device='cpu')
    return CarriedContender('dense_nth', dense, view, nth=nth, fused=fused)


def run(contender, frames):
    contender.start()
    return [contender.run(frame.image) for frame in frames]


def test_the_network_computes_every_nth_frame_and_no_other(film):
    network = TrueMaps(film)

    found = run(make_contender(network), film)

    assert network.computed == 3
    assert [prediction.stats.macs for prediction in found] == [60, 0, 0] * 3
    assert {prediction.stats.dense_macs for prediction in found} == {100}


def test_carried_maps_are_those_of_the_present_view(film):
    carried, held = run(make_contender(TrueMaps(film)), film)[2], film[0]
    truth = film[2]

    def wrong(mask):
        return (mask != truth.labels).mean()

    assert wrong(carried.mask) < 0.5 * wrong(held.labels)
    apart = np.abs(carried.depth / truth.depth - 1)
    assert np.median(apart) < 0.02 < np.abs(held.depth / truth.depth - 1).mean()
    assert (carried.normals * truth.normals).sum(axis=-1).mean() > 0.9


def test_maps_have_the_types_of_those_of_a_network(film):
    fresh, carried = run(make_contender(TrueMaps(film)), film[:2])

    for name in ('mask', 'confidence', 'depth', 'normals', 'edges'):
        first, second = getattr(fresh, name), getattr(carried, name)
        assert (first.dtype, first.shape) == (second.dtype, second.shape)


@pytest.mark.parametrize('fused', [False, True])
def test_every_map_that_a_network_gives_is_carried(film, fused):
    fresh, carried = run(make_contender(RelativeMaps(film), fused=fused), film[:2])

    assert carried.depth is None and carried.disparity.dtype == np.float32
    assert carried.other['human_parts'].dtype == fresh.other['human_parts'].dtype == np.uint8


def test_fused_maps_err_less_than_those_of_the_newest_frame(film):
    plain, fused = (run(make_contender(TrueMaps(film, noise=0.1), nth=1, fused=fused), film)[-1]
                    for fused in (False, True))

    errors = [np.abs(found.depth / film[-1].depth - 1).mean() for found in (plain, fused)]

    assert errors[1] < 0.8 * errors[0]


def test_a_frame_of_another_place_is_computed_out_of_turn(film):
    elsewhere = RoomVideo(seed=1_101_039, motion='pan-4', height=SIZE[0], width=SIZE[1]).frame(0)
    frames = [film[0], elsewhere]
    network = TrueMaps(frames)

    found = run(make_contender(network), frames)[1]

    assert network.computed == 2
    assert np.array_equal(found.mask, elsewhere.labels)


def test_another_room_begins_with_a_computed_frame(film):
    network = TrueMaps(film)
    contender = make_contender(network)

    run(contender, film[:2])
    run(contender, film[:2])

    assert network.computed == 2


def test_a_raw_output_is_refused(film):
    with pytest.raises(RuntimeError, match='dense_nth has no raw output of depth'):
        make_contender(TrueMaps(film)).raw('depth')
