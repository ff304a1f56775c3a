"""Evaluating a model on clips, dense and with sharing."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

pytest.importorskip('numba', reason='the rooms need the extra [rooms]')

from tiny import TINY  # noqa: E402
import torch  # noqa: E402
from truths import Frame  # noqa: E402

from mtshare_ros.data.rooms.video import RoomVideo  # noqa: E402
from mtshare_ros.errors import DatasetError  # noqa: E402
from mtshare_ros.evaluation.clip_evaluation import (  # noqa: E402
    ClipFrame,
    ClipPlan,
    DENSE,
    evaluate_clips,
    SHARING,
)
from mtshare_ros.evaluation.room_data import RoomClip  # noqa: E402
from mtshare_ros.evaluation.scorer import evaluate  # noqa: E402
from mtshare_ros.inference.engine import Engine  # noqa: E402
from mtshare_ros.inference.prediction import InferenceSettings  # noqa: E402
from mtshare_ros.model.checkpoint import Checkpoint  # noqa: E402
from mtshare_ros.model.deltas import add_random_deltas, branch_out  # noqa: E402
from mtshare_ros.model.network import build_model  # noqa: E402
from mtshare_ros.sharing.sharing_settings import SharingSettings  # noqa: E402

SIZE = (48, 64)
FRAMES = 6
ROOM = 1_000_500


@pytest.fixture(scope='module')
def network(tiny_description):
    """Build a tiny network of two blocks; the second is every task's own, with delta weights."""
    torch.manual_seed(0)
    network = branch_out(build_model(TINY, tiny_description.tasks, 40), 1).eval()
    add_random_deltas(network, density=0.3)
    return network


@pytest.fixture(scope='module')
def engine(network, tiny_description):
    description = replace(tiny_description, architecture=network.config)
    return Engine(Checkpoint(network, description), device='cpu', precision='fp32',
                  input_size=SIZE)


@dataclass(frozen=True)
class Film:
    """Frames that were rendered before."""

    kept: tuple[ClipFrame, ...]
    name: str = 'film'

    def __len__(self):
        return len(self.kept)

    def frames(self, size):
        return iter(self.kept)


@pytest.fixture(scope='module')
def film():
    return Film(tuple(RoomClip(ROOM, 'static', FRAMES).frames(SIZE)))


def run(engine, clips, **plan):
    plan.setdefault('sharing', SharingSettings(crossover=1.0))
    return evaluate_clips(engine, clips, ClipPlan(engine.tasks, **plan))


def test_without_thresholds_sharing_has_exactly_the_dense_figures(engine, film):
    nothing = SharingSettings(temporal_threshold=0, task_threshold=0)

    report = run(engine, [film], sharing=nothing)

    assert report.modes[SHARING].metrics == report.modes[DENSE].metrics
    assert report.activity.gated == report.activity.active_fraction == 1
    assert report.activity.macs_share == 1


def test_the_dense_figures_of_a_clip_are_those_of_its_frames_alone(engine, film):
    alone = evaluate(engine, [frame.truth for frame in film.kept])

    assert run(engine, [film, film], sharing=None).modes[DENSE].metrics['depth'] == pytest.approx(
        alone['depth'])
    assert run(engine, [film], sharing=None).modes[DENSE].metrics == alone


def test_with_thresholds_less_is_computed(engine, film):
    report = run(engine, [film])

    assert report.activity.macs_share < 1
    assert report.modes[SHARING].metrics != report.modes[DENSE].metrics


def test_every_clip_starts_anew(engine, film):
    assert run(engine, [film, film]).activity.resets == {'first frame': 2}


def test_the_second_clip_remembers_nothing_of_the_first(engine, film):
    other = Film(tuple(RoomClip(ROOM + 1, 'pan', FRAMES).frames(SIZE)))
    seen = {}

    for clips in ([film], [other, film]):
        found = []
        evaluate_clips(engine, clips, ClipPlan(engine.tasks),
                       observe=lambda *seen, found=found: found.append(seen[-1][SHARING]))
        seen[len(clips)] = found[-1].depth

    assert np.array_equal(seen[1], seen[2])


def test_one_way_alone_is_possible(engine, film):
    report = run(engine, [film], dense=False)

    assert list(report.modes) == [SHARING]


def test_who_observes_sees_every_frame_in_both_ways_and_progress_counts_them(engine, film):
    seen, counted = [], []

    report = evaluate_clips(
        engine, [film, film], ClipPlan(engine.tasks, activity=True), progress=counted.append,
        observe=lambda number, truth, modes: seen.append((number, truth, tuple(modes))))

    assert [number for number, _, _ in seen] == list(range(2 * FRAMES))
    assert [truth for _, truth, _ in seen] == [frame.truth for frame in film.kept] * 2
    assert {modes for _, _, modes in seen} == {(DENSE, SHARING)}
    assert counted == list(range(1, report.frames + 1)) == list(range(1, 2 * FRAMES + 1))


def test_clips_are_rendered_frame_by_frame(engine):
    rendered, computed = [], []

    class Watched(Film):
        def frames(self, size):
            for number, frame in enumerate(self.kept):
                rendered.append(number)
                yield frame

    frames = tuple(RoomClip(ROOM, 'static', 3).frames(SIZE))
    evaluate_clips(engine, [Watched(frames)], ClipPlan(engine.tasks, sharing=None),
                   progress=lambda done: computed.append(len(rendered)))

    assert computed == [1, 2, 3]


def test_no_frames_are_refused(engine):
    with pytest.raises(DatasetError, match='no frames to evaluate'):
        run(engine, [Film(())])


def test_a_task_without_truth_is_not_scored(engine):
    frame = RoomVideo(seed=ROOM, motion='static', height=48, width=64).frame(0)
    known = Frame(frame.image, frame.labels, None, frame.normals, frame.edges)

    report = run(engine, [Film((ClipFrame(known), ClipFrame(known)))], sharing=None)

    assert np.isnan(report.modes[DENSE].metrics['depth']['rmse'])
    assert np.isfinite(report.modes[DENSE].metrics['normals']['mean'])


def test_the_engine_says_how_many_rows_had_their_turn(engine, film):
    sharing = SharingSettings(crossover=1.0, refresh_period=3, temporal_threshold=10)
    session, settings = engine.new_session(), InferenceSettings(engine.tasks, sharing)

    shares = [engine.infer(frame.truth.image, session, settings).stats.refreshed
              for frame in film.kept]

    # all twelve tokens lie in one tile, whose turn comes every third frame
    assert shares == [0, 1, 0, 0, 1, 0]
