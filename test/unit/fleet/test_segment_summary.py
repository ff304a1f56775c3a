"""The counts of a segment: what they hold, that they merge exactly, and the picture."""

from dataclasses import replace
import io
import json

import numpy as np
from PIL import Image
import pytest

from mtshare_ros.fleet.summary.counting import (
    Bins,
    DEPTH,
    DIFFERENCE_BINS,
    merge,
    MILLISECONDS,
    sampled,
)
from mtshare_ros.fleet.summary.segment_summary import SegmentSummary
from mtshare_ros.image_frame import frame_to_cover
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.prediction import FrameStats, Prediction
from mtshare_ros.recording.frames import RecordedFrame
from mtshare_ros.tasks import load_labels

SIZE = (64, 96)
LABELS = load_labels('nyu40')
NOTHING = FrameStats(20.0, active={'depth': (0.25,)}, macs=30, dense_macs=100)


def prediction_of(stats=NOTHING, shade=0, **maps):
    image = np.full((*SIZE, 3), shade, np.uint8)
    return Prediction(frame_to_cover(SIZE, SIZE), stats, image, **maps)


def seen(*predictions, step_ns=100_000_000):
    """Return a summary that has seen frames ten times a second."""
    summary = SegmentSummary(LABELS)
    for number, prediction in enumerate(predictions):
        summary.see(RecordedFrame(prediction.image, number * step_ns, str(number)), prediction)
    return summary


def test_pixels_of_a_class_are_counted_and_unlabelled_ones_apart():
    mask = np.full(SIZE, 7, np.uint8)
    mask[:, 48:] = 255

    values = seen(prediction_of(mask=mask), prediction_of(mask=mask)).values()

    assert values['class_pixels'] == {'7': SIZE[0] * SIZE[1]}
    assert values['unlabelled_pixels'] == SIZE[0] * SIZE[1]


def test_depth_is_counted_in_its_interval_and_invalid_depth_apart():
    depth = np.full(SIZE, 2.0, np.float32)
    depth[0], depth[1], depth[2] = np.nan, 0.01, 1e4

    values = seen(prediction_of(depth=depth)).values()

    number = DEPTH.number(2.0)
    assert DEPTH.edge(int(number)) <= 2.0 < DEPTH.edge(int(number) + 1)
    assert values['depth_pixels'] == {
        '0': SIZE[1], str(DEPTH.count + 1): SIZE[1], number: (SIZE[0] - 3) * SIZE[1]}
    assert values['invalid_depth_pixels'] == SIZE[1]


@pytest.mark.parametrize('bins', [DEPTH, DIFFERENCE_BINS['semseg'], Bins(0.0, 1.0, 3)])
def test_the_ends_are_in_the_first_and_the_last_interval(bins):
    found = bins.numbers(np.array([bins.low, bins.high, 1.001 * bins.high]))

    assert found.tolist() == [1, bins.count, bins.count + 1]


def test_a_relative_depth_has_no_histogram():
    values = seen(prediction_of(disparity=np.ones(SIZE, np.float32))).values()

    assert values['depth_pixels'] == {} and values['invalid_depth_pixels'] == 0


def test_costs_and_faults_are_added_up():
    faulty = replace(NOTHING, reset_reason='stamps went back by 1.250 s', non_finite=('depth',))

    values = seen(prediction_of(), prediction_of(faulty)).values()

    assert (values['frames'], values['us'], values['macs'], values['dense_macs']) == (
        2, 40_000, 60, 200)
    assert values['active_ppm'] == 500_000
    assert values['resets'] == {'stamps went back by N s': 1}
    assert (values['non_finite'], values['non_finite_frames']) == ({'depth': 1}, 1)
    assert MILLISECONDS.quantile(values['ms'], 0.5) == pytest.approx(20.0, rel=0.06)


def test_the_time_of_a_video_is_that_of_its_frames_and_not_of_pauses():
    summary = seen(*[prediction_of()] * 10)
    later = prediction_of()
    summary.see(RecordedFrame(later.image, 3600 * 10**9, 'later'), later)

    assert summary.values()['video_us'] == 1_000_000


def test_a_segment_without_a_frame_has_no_picture_and_counts_nothing():
    summary = SegmentSummary(LABELS)

    assert summary.pictures() == {}
    assert summary.values()['frames'] == 0


@pytest.mark.parametrize('passing', [1, 2, 3, 9, 100, 250])
def test_the_picture_shows_a_frame_from_about_the_middle(passing):
    shades = [round(number * 200 / passing) for number in range(passing)]

    picture = seen(*(prediction_of(shade=shade) for shade in shades)).pictures()['']

    shown = np.asarray(Image.open(io.BytesIO(picture)))[0, 0, 0]
    assert abs(int(shown) - shades[(passing - 1) // 2]) <= 26


def test_a_picture_of_noise_is_at_most_40_kb():
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    prediction = Prediction(frame_to_cover((480, 640), (480, 640)), NOTHING, noise,
                            mask=noise[..., 0] % 40, edges=noise[..., 1])

    assert len(seen(prediction).pictures()['']) <= 40_000


def test_summaries_of_parts_merge_to_that_of_all_frames_of_a_real_network(tiny_model):
    engine = Engine.load(str(tiny_model), device='cpu')
    images = np.random.default_rng(0).integers(0, 256, (6, 96, 128, 3), np.uint8)
    frames = [(RecordedFrame(image, number * 10**8, str(number)), engine.infer(image))
              for number, image in enumerate(images)]

    def summary_of(part):
        summary = SegmentSummary(engine.labels)
        for frame, prediction in part:
            summary.see(frame, prediction)
        return json.loads(json.dumps(summary.values()))

    whole = summary_of(frames)
    parts = [summary_of(frames[:1]), summary_of(frames[1:4]), summary_of(frames[4:])]
    # the time of a part's first frame is taken from its others
    times = [values.pop('video_us') for values in (whole, *parts)]

    assert merge(parts) == merge(reversed(parts)) == whole
    assert times == [600_000, 0, 300_000, 200_000]


def test_large_maps_are_sampled_evenly():
    values = np.zeros((480, 640), np.uint8)
    values[:, :320] = 1

    assert sampled(values).mean() == 0.5
    assert 4000 < sampled(values).size < 6000


@pytest.mark.parametrize('bins', [Bins(0.0, 1.0, 50), DEPTH, MILLISECONDS])
def test_quantiles_are_exact_to_one_interval(bins):
    values = np.random.default_rng(0).uniform(bins.low, bins.high, 1000)
    counts = {}
    for value in values:
        counts[bins.number(value)] = counts.get(bins.number(value), 0) + 1

    for share in (0.05, 0.5, 0.95):
        exact = np.quantile(values, share)
        width = bins.edge(int(bins.number(exact)) + 1) - bins.edge(int(bins.number(exact)))
        assert abs(bins.quantile(counts, share) - exact) <= 2 * width
    assert np.isnan(bins.quantile({}, 0.5))


def test_values_on_the_ends_are_inside_below_or_above():
    bins = Bins(0.0, 10.0, 10)

    assert [bins.number(value) for value in (-1, 0, 9.99, 10, 1e9)] == ['0', '1', '10', '10', '11']
    assert bins.quantile({'11': 3}, 0.5) == 10.0
    assert DEPTH.number(0.0) == '0'
