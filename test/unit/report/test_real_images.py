"""What is measured on real photographs and videos, on made-up ones whose answers are known."""

import gzip

import numpy as np
import pytest

from mtshare_ros.errors import DatasetError
from mtshare_ros.image_frame import frame_to_cover
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.prediction import FrameStats, Prediction
from mtshare_ros.report.public_files import (
    CLIPS,
    find_clips,
    find_photographs,
    photograph_folder,
)
from mtshare_ros.report.real_clips import map_changes, measure_clip, StillPixels
from mtshare_ros.report.real_study import (
    constant_depth,
    depth_of,
    Motorcycle,
    predict,
    rank_correlation,
    read_motorcycle,
    score_depth,
    score_motorcycle,
)
from mtshare_ros.sharing.sharing_settings import SharingSettings

SIZE = (96, 128)
SHARING = SharingSettings(crossover=1.0)


@pytest.fixture(scope='module')
def engine(tiny_model):
    return Engine.load(str(tiny_model), device='cpu')


def pictures(count, *, moving):
    """Return noisy pictures of a textured wall in front of which a bright box may move."""
    rng = np.random.default_rng(0)
    wall = rng.integers(40, 200, (*SIZE, 3)).astype(np.float64)
    frames = []
    for number in range(count):
        frame = wall + rng.normal(0, 1, wall.shape)
        if moving:
            frame[32:64, 8 * number:8 * number + 32] = 230
        frames.append(frame.clip(0, 255).astype(np.uint8))
    return frames


def prediction(**maps):
    framing = frame_to_cover(SIZE, SIZE)
    return Prediction(framing, FrameStats(0.0), **maps)


def test_metres_come_from_the_disparity_as_middlebury_says():
    depth = depth_of(np.array([[0.0, 30.0, np.inf, np.nan]]))

    np.testing.assert_allclose(depth[0, :2], [0.193001 * 994.978 / 31.086,
                                              0.193001 * 994.978 / 61.086])
    assert np.isnan(depth[0, 2:]).all()


def test_a_depth_of_another_scale_is_right_after_scaling():
    truth = np.random.default_rng(0).uniform(1, 5, (20, 30))
    truth[0] = np.nan

    score = score_depth(2 * truth, truth)

    assert score.pixels == 19 * 30 and score.scale == pytest.approx(0.5)
    assert (score.delta1, score.abs_rel) == pytest.approx((0.0, 1.0))
    assert (score.scaled_delta1, score.scaled_abs_rel) == pytest.approx((100.0, 0.0))
    assert score.rank == pytest.approx(1.0)


def test_ranks_know_order_only_and_equal_values_share_theirs():
    values = np.array([1.0, 2.0, 4.0, 9.0])

    assert rank_correlation(values, values ** 3) == pytest.approx(1.0)
    assert rank_correlation(values, -values) == pytest.approx(-1.0)
    assert rank_correlation(np.array([1, 2, 2, 3]), np.array([1, 3, 2, 4])) == pytest.approx(
        0.9486833)
    assert np.isnan(rank_correlation(values, np.ones(4)))


def test_the_depth_of_the_motorcycle_is_in_metres_of_its_camera(engine):
    image = pictures(1, moving=False)[0].repeat(4, axis=0).repeat(4, axis=1)
    motorcycle = Motorcycle(image, np.full(image.shape[:2], 2.0))
    raw = engine.infer(image).depth

    found = predict(engine, motorcycle).depth

    np.testing.assert_allclose(found, raw * 994.978 / 4 / 110.0, rtol=1e-5)
    assert score_motorcycle(engine, motorcycle).pixels == SIZE[0] * SIZE[1]


def test_the_motorcycle_is_that_of_scikit_image():
    pytest.importorskip('skimage', reason='the photographs come with the extra [train]')
    motorcycle = read_motorcycle(photograph_folder())

    assert motorcycle.image.shape == (500, 741, 3)
    assert 2 < np.nanmin(motorcycle.depth) < np.nanmax(motorcycle.depth) < 6
    assert constant_depth(motorcycle, (240, 320))['scaled_abs_rel'] == pytest.approx(0.2, abs=0.01)
    assert all(found.path.is_file() for found in find_photographs(photograph_folder()))


def test_changes_of_each_map_are_in_its_own_unit():
    flat, tilted = np.zeros((*SIZE, 3)), np.zeros((*SIZE, 3))
    flat[..., 2], tilted[..., 1], tilted[..., 2] = -1, -np.sin(0.1), -np.cos(0.1)
    mask = np.zeros(SIZE, np.uint8)
    other_mask = mask.copy()
    other_mask[:24] = 3
    depth = np.full(SIZE, 2.0, np.float32)
    depth[0] = np.nan

    found = map_changes(
        prediction(mask=other_mask, depth=1.1 * depth, normals=tilted,
                   edges=np.full(SIZE, 51, np.uint8)),
        prediction(mask=mask, depth=depth, normals=flat, edges=np.zeros(SIZE, np.uint8)))

    assert found == pytest.approx(
        {'mask': 25.0, 'depth': 10.0, 'normals': np.degrees(0.1), 'edges': 20.0}, rel=1e-5)


def test_only_pixels_that_count_are_compared_and_absent_maps_are_left_out():
    mask = np.zeros(SIZE, np.uint8)
    other = mask.copy()
    other[0] = 1
    where = np.ones(SIZE, bool)
    where[0] = False

    assert map_changes(prediction(mask=other), prediction(mask=mask), where) == {'mask': 0.0}
    assert map_changes(prediction(mask=other), prediction(mask=mask), ~where) == {'mask': 100.0}
    assert map_changes(prediction(mask=other), prediction(mask=mask), where & False) == {}


@pytest.mark.parametrize('contender', [14, 16])
def test_an_image_stands_still_where_only_noise_differs(contender):
    still = StillPixels(contender)
    found = [still.observe(image[:contender * 6, :contender * 8])
             for image in pictures(4, moving=True)]

    assert not found[0].any()
    assert found[-1].shape == (contender * 6, contender * 8) and found[-1][70:].mean() > 0.95
    # where the box was, and where it is now
    assert not found[-1][40, 18] and not found[-1][40, 52]


def test_a_clip_in_which_nothing_moves_costs_little_and_flickers_less(engine):
    found = measure_clip(engine, pictures(8, moving=False), SHARING)

    assert found.frames == 7 and found.still > 0.9 and not found.resets
    assert 0 < found.tokens < 0.5 and 0 < found.macs < 0.5
    assert set(found.to_dense) == {'mask', 'depth', 'normals', 'edges'}
    assert found.flicker_shared['depth'] < found.flicker_dense['depth']
    assert found.between['normals'] == pytest.approx(found.flicker_dense['normals'], rel=0.2)


def test_without_thresholds_and_with_a_refresh_of_every_frame_sharing_gives_the_dense_maps(engine):
    sharing = SharingSettings(crossover=1.0, temporal=False, task=False)

    found = measure_clip(engine, pictures(3, moving=True), sharing)

    assert found.macs == 1.0 and max(found.to_dense.values()) < 1e-3
    assert found.between['depth'] > 0


def test_a_single_frame_is_refused_as_a_clip(engine):
    with pytest.raises(DatasetError, match='two frames or more'):
        measure_clip(engine, pictures(1, moving=False), SHARING)


def test_videos_are_found_wherever_the_package_keeps_them_packed_or_not(tmp_path):
    for number, clip in enumerate(CLIPS):
        folder = tmp_path / f'part{number}'
        folder.mkdir()
        if number:
            (folder / clip.file).write_bytes(b'x')
        else:
            (folder / f'{clip.file}.gz').write_bytes(gzip.compress(b'x'))

    assert [found.path.name for found in find_clips(tmp_path)] == [
        'vtest.avi.gz', 'box.mp4', 'cup.mp4']
    (tmp_path / 'part2/cup.mp4').unlink()
    with pytest.raises(DatasetError, match='no cup.mp4; install the package opencv-doc'):
        find_clips(tmp_path)
