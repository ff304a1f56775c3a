"""Frames that are scored in parts have the metrics of all frames scored one after another."""

from dataclasses import dataclass

from hypothesis import given, settings, strategies
import numpy as np
import pytest
from truths import PersonFrame, predicted, sent, SIZE

from mtshare_ros.evaluation.activity import ActivityAccount
from mtshare_ros.evaluation.clip_evaluation import (
    ClipFrame,
    ClipPlan,
    evaluate_clip,
    evaluate_clips,
    ScoredFrames,
)
from mtshare_ros.evaluation.metrics import make_metric, MetricRules
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.prediction import FrameStats
from mtshare_ros.sharing.sharing_settings import SharingSettings
from mtshare_ros.tasks import TASKS

CLASSES = 7
FRAMES = 8


def directions(random):
    return random.normal(size=(*SIZE, 3)).astype(np.float32)


def scored_frame(seed):
    """Return random maps and a random truth, of which some pixels are not scored."""
    random = np.random.default_rng(seed)

    def classes():
        return random.choice([*range(CLASSES), 255], SIZE).astype(np.uint8)

    def depth():
        return random.choice([np.nan, *random.uniform(0.3, 9, 50)], SIZE).astype(np.float32)

    levels = random.integers(0, 256, (2, *SIZE), np.uint8)
    found = predicted(mask=classes(), depth=depth(), normals=directions(random), edges=levels[0],
                      human_parts=classes(), saliency=levels[1])
    marks = random.choice([0, 1, 255], (2, *SIZE)).astype(np.uint8)
    truth = PersonFrame(labels=classes(), depth=depth(), normals=directions(random),
                        edges=marks[0], human_parts=classes(), saliency=marks[1])
    return found, truth


KNOWN = [scored_frame(seed) for seed in range(FRAMES)]
RULES = {'': MetricRules(), 'odsF': MetricRules(edge_max_distance=0.01, edge_thresholds=3)}
METRICS = [*((task, '') for task in TASKS), ('edge', 'odsF')]

cuts = strategies.lists(strategies.integers(0, FRAMES), max_size=4).map(sorted)


def parts_of(items, places):
    """Cut a sequence at some places; parts may be empty."""
    return [items[start:end] for start, end in zip([0, *places], [*places, len(items)])]


@pytest.mark.parametrize('task, rules', METRICS)
@settings(max_examples=20, deadline=None)
@given(places=cuts)
def test_parts_merge_to_the_metric_of_all_frames_to_the_last_bit(task, rules, places):
    if rules == 'odsF':
        pytest.importorskip('skimage', reason='scikit-image is not installed')
    whole, merged = (make_metric(task, CLASSES, RULES[rules]) for _ in range(2))
    for frame in KNOWN:
        whole.update(*frame)

    for frames in parts_of(KNOWN, places):
        part = make_metric(task, CLASSES, RULES[rules])
        for frame in frames:
            part.update(*frame)
        merged.merge(sent(part))

    assert merged.result() == whole.result()
    assert np.isfinite(list(whole.result().values())).all()


shares = strategies.floats(0, 1)
frame_stats = strategies.builds(
    lambda depth, taken, refreshed, reason, macs: FrameStats(
        1.0, active={'semseg': depth, 'depth': depth}, refreshed=refreshed, macs=macs,
        reused={'semseg': (0.0, 0.0), 'depth': taken}, dense_macs=100, reset_reason=reason),
    strategies.tuples(shares, shares), strategies.tuples(shares, shares), shares,
    strategies.sampled_from(('', '', 'first frame', 'scene cut')), strategies.integers(0, 100))


@settings(max_examples=50, deadline=None)
@given(frames=strategies.lists(strategies.tuples(frame_stats, shares | strategies.none()),
                               max_size=12), places=cuts)
def test_parts_merge_to_the_activity_of_all_frames_to_the_last_bit(frames, places):
    whole, merged = (ActivityAccount({'depth': (0, 1)}) for _ in range(2))
    for stats, changed in frames:
        whole.add(stats, changed)

    for rows in parts_of(frames, places):
        part = ActivityAccount({'depth': (0, 1)})
        for stats, changed in rows:
            part.add(stats, changed)
        merged.merge(part)

    assert merged.result() == whole.result()


@dataclass(frozen=True)
class Film:
    """Frames that are known."""

    kept: tuple[ClipFrame, ...]
    name: str = 'film'

    def __len__(self):
        return len(self.kept)

    def frames(self, size):
        return iter(self.kept)


def film(size, seed, length):
    """Return a clip of noise with a truth of everything; its size is that of the model."""
    random = np.random.default_rng(seed)
    return Film(tuple(ClipFrame(PersonFrame(
        image=random.integers(0, 256, (*size, 3), np.uint8),
        labels=random.integers(0, 40, size).astype(np.uint8),
        depth=random.uniform(0.5, 5, size).astype(np.float32),
        normals=random.normal(size=(*size, 3)).astype(np.float32),
        edges=random.random(size) < 0.1), 0.5) for _ in range(length)))


def test_clips_that_are_evaluated_apart_merge_to_the_report_of_all_clips(tiny_model):
    engine = Engine.load(str(tiny_model), device='cpu')
    clips = [film(engine.input_size, seed, length) for seed, length in ((0, 3), (1, 1), (2, 2))]
    plan = ClipPlan(engine.tasks, sharing=SharingSettings(crossover=1.0), activity=True)

    merged = ScoredFrames.none(engine, plan)
    for number, clip in enumerate(clips):
        merged.merge(sent(evaluate_clip(engine, clip, plan, first=number)))

    whole, found = evaluate_clips(engine, clips, plan), merged.report()
    assert found.frames == whole.frames == 6 and found.activity == whole.activity
    assert {name: mode.metrics for name, mode in found.modes.items()} \
        == {name: mode.metrics for name, mode in whole.modes.items()}
