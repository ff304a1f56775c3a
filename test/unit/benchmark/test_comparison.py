"""The comparison of all contenders, with a tiny network on few frames."""

from dataclasses import asdict, replace

import pytest
from tiny import TINY

pytest.importorskip('numba', reason='the rooms need the extra [rooms]')

from mtshare_ros.benchmark.bench_model import (  # noqa: E402
    BenchModel,
    delta_settings,
    load_bench_engine,
    random_checkpoint,
    untrained_model,
)
from mtshare_ros.benchmark.bench_plan import (  # noqa: E402
    BenchSettings,
    CONTENDERS,
    EVERY_CONTENDER,
    MOVING_CONTENDERS,
    usual_contenders,
)
from mtshare_ros.benchmark.bench_report import (
    equal_period,  # noqa: E402
    hold_period,  # noqa: E402
)
from mtshare_ros.benchmark.comparison import Comparison  # noqa: E402
from mtshare_ros.benchmark.dense_contenders import DENSE_CONTENDERS  # noqa: E402
from mtshare_ros.benchmark.latency import (  # noqa: E402
    CYCLE,
    demand,
    swinging_frames,
    time_latency,
)
from mtshare_ros.benchmark.race import new_record  # noqa: E402
from mtshare_ros.benchmark.timing import time_active  # noqa: E402
from mtshare_ros.errors import ConfigError  # noqa: E402
from mtshare_ros.inference.prediction import FrameStats  # noqa: E402
from mtshare_ros.model.checkpoint import Checkpoint  # noqa: E402
from mtshare_ros.model.deltas import add_random_deltas, branch_out  # noqa: E402
from mtshare_ros.sharing.sharing_settings import SharingSettings  # noqa: E402

SIZE = TINY.input_size
FRAMES = 6


@pytest.fixture(scope='module')
def model() -> BenchModel:
    checkpoint = random_checkpoint(TINY)
    network = branch_out(checkpoint.network, 1)
    add_random_deltas(network, density=0.5, scale=1.0)
    description = replace(checkpoint.description, architecture=network.config)
    return BenchModel(Checkpoint(network, description), 'tiny', trained=True)


@pytest.fixture(scope='module')
def engine(model):
    return load_bench_engine(model, 'cpu', 'fp32', SIZE)


@pytest.fixture(scope='module')
def report(model, engine):
    sharing = SharingSettings(refresh_period=3, crossover=1.0)
    settings = BenchSettings(engine.tasks, frames=FRAMES, warm_up=2, sharing=sharing,
                             compiling=False, dense_every=4)
    comparison = Comparison(engine, model, settings)
    done = []
    result = comparison.run('static', done.append)
    return result, done


def test_every_contender_runs_in_the_order_of_the_table(report):
    assert tuple(report[0].contenders) == CONTENDERS


def test_only_counted_frames_are_in_the_figures(report):
    contenders, done = report[0].contenders, report[1]

    assert done[-1] == 2 + FRAMES
    assert contenders['combined'].ms.count == FRAMES
    assert contenders['independent'].ms.count == 1  # frame 4 of 0 to 7: two are warm-up
    assert contenders['independent'].every == 4


def test_the_dense_contender_is_the_reference_in_other_words(report):
    contenders = report[0].contenders

    assert contenders['dense'].difference < 1e-4
    assert contenders['prefix'].difference is None
    assert contenders['dense'].metrics == contenders['prefix'].metrics
    assert contenders['dense'].delta_m == contenders['prefix'].delta_m == 0


def test_what_is_shared_differs_a_little_from_dense(report):
    assert 0 < report[0].contenders['temporal'].difference < 1
    assert set(report[0].contenders['combined'].differences) == {
        'semseg', 'depth', 'normals', 'edge'}


def test_holding_costs_at_least_as_much_as_combined(report):
    contenders = report[0].contenders

    assert contenders['hold'].period == hold_period(
        contenders['prefix'].ms.p50, contenders['combined'].ms.mean)
    assert contenders['hold'].ms.count == FRAMES


def test_independent_networks_have_no_quality_of_their_own(report):
    assert report[0].contenders['independent'].metrics is None
    assert report[0].contenders['independent'].difference is None


def test_a_ratio_is_given_against_every_dense_contender(report):
    ratios = report[0].contenders['combined'].ratio

    assert set(ratios) == {*DENSE_CONTENDERS, 'prefix'}
    medians = {name: contender.ms.p50 for name, contender in report[0].contenders.items()}
    assert ratios['dense'] == pytest.approx(medians['dense'] / medians['combined'])


def test_the_report_holds_plain_values(report):
    values = asdict(report[0])

    assert values['contenders']['combined']['ms']['p99'] > 0
    assert values['cache_bytes']['shared'] > 0


def test_without_trained_weights_nothing_is_scored(model):
    untrained = replace(model, trained=False)
    engine = load_bench_engine(untrained, 'cpu', 'fp32', SIZE)
    settings = BenchSettings(engine.tasks, frames=2, warm_up=1, contenders=('combined', 'hold'))

    contenders = Comparison(engine, untrained, settings).run('pan').contenders

    assert set(contenders) == {'prefix', 'combined', 'hold'}
    assert all(found.metrics is None and found.delta_m is None for found in contenders.values())


def test_without_noise_nothing_differs_from_the_clean_frames(model, engine):
    settings = BenchSettings(engine.tasks, frames=2, warm_up=1, contenders=('hold', 'combined'),
                             noise=0.0, clean=True)

    comparison = Comparison(engine, replace(model, trained=False), settings)
    contenders = comparison.run('static').contenders

    assert contenders['prefix'].difference_clean < 1e-6
    combined = contenders['combined']
    assert combined.difference_clean == pytest.approx(combined.difference)


def test_noise_alone_sets_the_dense_outputs_apart_from_the_clean_ones(model, engine):
    settings = BenchSettings(engine.tasks, frames=2, warm_up=1, contenders=('prefix',), clean=True)

    comparison = Comparison(engine, replace(model, trained=False), settings)
    contenders = comparison.run('static').contenders

    assert contenders['prefix'].difference_clean > 1e-3


@pytest.mark.parametrize('dense, baseline, period', [
    (100.0, 100.0, 1), (100.0, 51.0, 1), (100.0, 50.0, 2), (100.0, 26.0, 3), (10.0, 30.0, 1),
])
def test_a_period_never_makes_holding_cheaper_than_its_rival(dense, baseline, period):
    assert hold_period(dense, baseline) == period


@pytest.fixture(scope='module')
def moving(model, engine):
    """Return the report of a fast stream; the model stands for the one with one encoder, too."""
    settings = BenchSettings(engine.tasks, ('pan-4',), frames=FRAMES, warm_up=2, nth=2,
                             contenders=usual_contenders(('pan-4',)), compiling=False)
    return Comparison(engine, model, settings, shared=(engine, model)).run('pan-4')


def test_fast_streams_are_run_by_contenders_that_follow_the_camera(moving):
    assert tuple(moving.contenders) == tuple(
        name for name in EVERY_CONTENDER if name in MOVING_CONTENDERS)
    assert moving.stream.pixels > 0.5 and moving.stream.changed > 0.2


def test_every_frame_of_a_carried_contender_is_timed(moving):
    carried = moving.contenders['dense_nth']

    assert (carried.ms.count, carried.period) == (FRAMES, 2)
    assert carried.macs_fraction == pytest.approx(0.5)
    assert carried.ratio['prefix'] == pytest.approx(
        moving.contenders['prefix'].ms.mean / carried.ms.mean)


def test_a_contender_names_the_model_that_it_carries_the_maps_of(moving):
    assert moving.contenders['shared_encoder_nth'].form.startswith('every 2. frame: tiny, ')


def test_maps_that_are_carried_have_no_raw_output_to_compare(moving):
    assert moving.contenders['shared_encoder_nth'].difference is None
    assert moving.contenders['moving'].difference is None
    assert moving.contenders['combined'].difference is not None


def test_every_side_of_a_fast_stream_has_its_flicker_and_its_quality(moving):
    for contender in moving.contenders.values():
        assert set(contender.flicker) == {'semseg', 'depth', 'normals', 'edge'}
        assert contender.delta_m is not None


def test_without_a_model_of_one_encoder_its_contenders_are_left_out(model, engine):
    settings = BenchSettings(engine.tasks, ('pan-4',), frames=2, warm_up=0,
                             contenders=('shared_encoder_nth', 'dense_nth'), nth=0)

    contenders = Comparison(engine, model, settings).run('pan-4').contenders

    assert set(contenders) == {'prefix', 'dense_nth'}


@pytest.mark.parametrize('baseline_ms, period', [
    (100.0, 1), (55.0, 2), (35.0, 4), (11.0, 30), (5.0, 30)])
def test_a_carried_network_computes_as_often_as_its_rival_pays_for(engine, baseline_ms, period):
    carried, baseline = (new_record(engine, (), scored=False) for _ in range(2))
    for share, milliseconds in ((1.0, 110.0), (0.0, 10.0), (0.0, 10.0)):
        carried.add_time(milliseconds, FrameStats(0.0, input_fraction=share))
    baseline.add_time(baseline_ms, FrameStats(0.0))

    assert equal_period(carried, baseline) == period


def test_resting_and_slow_streams_keep_their_contenders():
    assert usual_contenders(()) == usual_contenders(('static', 'pan')) == CONTENDERS


@pytest.mark.parametrize('wrong, complaint', [
    ({'contenders': ('fast',)}, "contenders is 'fast'"), ({'nth': -1}, 'nth is -1'),
    ({'nth': 31}, 'nth is 31')])
def test_settings_that_make_no_sense_are_refused(wrong, complaint):
    with pytest.raises(ConfigError, match=complaint):
        BenchSettings(('semseg',), **wrong)


def test_given_rows_are_timed_against_all_forms_of_the_dense_encoder(engine, model):
    report = time_active(engine, model, 0.25, compiling=False, rounds=2)

    assert (report.active, report.tokens) == (12, 48)
    assert set(report.dense) == {'eager', 'prepacked'} and report.form in report.dense
    assert report.ratio == pytest.approx(report.dense[report.form].p50 / report.temporal.p50)


def test_a_latency_target_is_compared_with_none(engine):
    report = time_latency(engine, SharingSettings(), 1000.0, 4)

    assert report.runs['target'].misses == report.runs['threshold'].misses == 0
    assert report.runs['threshold'].ms.count == 4


def test_a_target_that_cannot_be_held_is_missed(engine):
    report = time_latency(engine, SharingSettings(), 1e-3, 4)

    assert report.runs['threshold'].misses == 1


def test_demand_swings_between_little_and_nearly_all():
    shares = [demand(number) for number in range(CYCLE)]

    assert (min(shares), max(shares)) == (0.03, 0.88)
    assert sum(share == 0.03 for share in shares) > CYCLE / 2


def test_frames_of_swinging_demand_change_in_as_many_patches():
    *_, before, after = (frame.astype(float) for frame in swinging_frames(SIZE, 22, 16))
    change = abs(after - before).mean(axis=2).reshape(6, 16, 8, 16).mean(axis=(1, 3)).ravel()

    changed = round(0.88 * change.size)
    assert change[changed:].max() < 4 < change[:changed].mean()


def test_random_deltas_on_a_model_that_has_its_own_are_refused(tmp_path, model):
    from mtshare_ros.benchmark.bench_model import shipped_model
    from mtshare_ros.model.checkpoint import save_checkpoint

    path = tmp_path / 'branched.safetensors'
    save_checkpoint(path, model.checkpoint.network, model.checkpoint.description)

    with pytest.raises(ConfigError, match='has delta weights of its own above block 1'):
        shipped_model(str(path), delta_settings(None, 0.1, None))


def test_an_unknown_shape_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match='vit_t, vit_s, vit_b'):
        untrained_model('vit_x', SIZE)


def test_options_that_were_not_given_ask_for_no_deltas():
    assert delta_settings(None, None, None) is None
    assert delta_settings(4, None, None).density == 0.1
