"""What the page about a fleet is made of: merged counts, recordings, outliers, failures."""

from dataclasses import replace
from datetime import datetime, timezone
import json

from hypothesis import given, strategies as st
import numpy as np
import pytest
from summary_rows import row_of, summary_of

from mtshare_ros.fleet.output.layout import picture
from mtshare_ros.fleet.output.manifest_rows import ManifestRow
from mtshare_ros.fleet.output.places import open_place
from mtshare_ros.fleet.settings import FleetSettings
from mtshare_ros.fleet.summary.counting import merge, MOST_DIFFERENT
from mtshare_ros.fleet.summary.outliers import distances_to_all, FEWEST_RECORDINGS, find_outliers
from mtshare_ros.fleet.summary.page import make_page, RunFacts, write_summary
from mtshare_ros.fleet.summary.pictures import LARGEST_PICTURE
from mtshare_ros.fleet.summary.recording_totals import add_up
from mtshare_ros.fleet.worker_model import WorkerModel
from mtshare_ros.report.fleet_page import write_fleet_page
from mtshare_ros.tasks import load_labels

RUN = RunFacts('tiny', 'abc', load_labels('nyu40'), {'segment': '250 images'})

_counts = st.dictionaries(st.sampled_from('0123456789'), st.integers(0, 10**12))
_frames = st.lists(st.fixed_dictionaries(
    {'score_ppm': st.integers(0, 20), 'time_ns': st.integers(0, 9), 'image': st.integers(0, 9)},
    optional={'recording': st.sampled_from('abc'), 'segment': st.integers(0, 3)}), max_size=3)
_summaries = st.lists(st.fixed_dictionaries(
    {'frames': st.integers(0, 10**9)},
    optional={'ms': _counts, 'comparison': st.fixed_dictionaries(
        {'frames': st.integers(0, 9), 'semseg': _counts, 'most_different': _frames})}),
    max_size=12)


def page_of(place, *rows, run=RUN):
    page = make_page(place, add_up(rows), run)
    return {section.key: section for section in page.sections}


@pytest.fixture
def place(tmp_path):
    return open_place(str(tmp_path / 'out'))


class AllPictures:
    """A place in which every segment has a picture of the largest size."""

    text = '/out'

    def size(self, name):
        return LARGEST_PICTURE

    def read_bytes(self, name):
        return bytes(LARGEST_PICTURE)


@given(_summaries, st.randoms(use_true_random=False), st.integers(0, 12))
def test_summaries_merge_to_the_same_in_any_order_and_grouping(summaries, chance, middle):
    whole = merge(summaries)
    shuffled = chance.sample(summaries, len(summaries))

    assert merge(shuffled) == whole
    assert merge([merge(shuffled[:middle]), merge(shuffled[middle:])]) == whole
    assert merge([whole]) == whole and merge([{}, whole]) == whole


def test_merging_keeps_the_most_different_frames_and_changes_no_summary():
    summaries = [{'most_different': [{'score_ppm': number, 'time_ns': 0, 'image': 0}]}
                 for number in range(3 * MOST_DIFFERENT)]
    before = json.dumps(summaries)

    kept = merge(summaries)['most_different']

    assert [frame['score_ppm'] for frame in kept] == list(
        range(3 * MOST_DIFFERENT - 1, 2 * MOST_DIFFERENT - 1, -1))
    assert json.dumps(summaries) == before


def test_segments_add_up_to_recordings_and_recordings_to_the_fleet():
    fleet = add_up([row_of('b', 1), row_of('a'), row_of('b', 0, summary_of(frames=150, active=1))])

    first, second = fleet.recordings
    assert (first.name, first.frames, first.segments) == ('a', 50, 1)
    assert (second.name, second.frames, second.segments) == ('b', 200, 2)
    assert second.active == pytest.approx(0.8125) and second.saved == pytest.approx(0.7)
    assert (second.video_s, second.seconds) == (20.0, 4.0)
    assert (second.input_bytes, second.output_bytes) == (1000, 200)
    assert fleet.summary == merge([summary_of(), summary_of(), summary_of(150, active=1)])


def test_a_damaged_summary_is_counted_and_left_out():
    fleet = add_up([row_of('a'), row_of('b', 0, summary={}), row_of('c', summary={})])
    broken = add_up([replace(row_of('a'), summary='{"frames": 3')])

    assert fleet.unreadable == 2 and broken.unreadable == 1
    assert fleet.summary['frames'] == 50 and np.isnan(broken.recordings[0].active)


def test_a_recording_of_which_a_part_failed_has_failed(place):
    failed = ManifestRow(source='/data/a', name='a', state='failed', reason='/data/a: at byte 12')
    fleet = add_up([row_of('a'), failed, row_of('b')])

    assert [item.state for item in fleet.recordings] == ['failed', 'done']
    assert make_page(place, fleet, RUN).state == 'warn'


def test_removed_rows_count_for_nothing():
    assert add_up([row_of('a'), row_of('b', state='removed')]).total('frames') == 50


def test_failures_are_grouped_by_what_they_have_in_common(place):
    rows = [ManifestRow(source=f'/data/{name}', name=name, state='failed',
                        reason=f'/data/{name}: the file ends at byte {number}')
            for number, name in enumerate('abcdef')]
    rows.append(ManifestRow(source='/data/g', name='g', state='failed', reason='no images'))

    problems = page_of(place, *rows)['problems']

    reasons = problems.tables[0].rows
    assert [(row[1], row[2]) for row in reasons] == [('6', 'a, b, c and 3 more'), ('1', 'g')]
    assert 'same command' in problems.texts[0]


def test_what_is_well_is_no_problem(place):
    page = make_page(place, add_up([row_of('a')]), RUN)

    assert page.state == 'ok'
    assert 'problems' not in page_of(place, row_of('a'))


def test_duplicates_and_damages_are_listed(place):
    rows = [row_of('a', damage='the last chunk is missing'),
            ManifestRow(source='/data/b', name='b', state='duplicate', reason='as a')]

    damaged, double = page_of(place, *rows)['problems'].tables

    assert damaged.rows == [('a', 'the last chunk is missing')]
    assert double.rows == [('b', 'as a')]


def test_messages_of_segments_are_counted_without_their_numbers(place):
    rows = [row_of('a', number, notices=(f'skipped an image at {number}.5 s: empty',))
            for number in range(3)]

    table, = page_of(place, *rows)['problems'].tables

    assert table.rows == [('skipped an image at N s: empty', '3')]


def test_the_distance_of_shares_is_what_would_have_to_change():
    same, other = np.array([80, 20, 0]), np.array([0, 20, 80])

    distances = distances_to_all([same, same, same, other, np.zeros(3, int)])

    assert distances[:4] == pytest.approx([0.2, 0.2, 0.2, 0.6])
    assert np.isnan(distances[4])


def test_a_recording_with_other_classes_or_depths_is_an_outlier():
    rows = [row_of(f'usual {number}', summary=summary_of(classes=(90 + number, 10)))
            for number in range(FEWEST_RECORDINGS)]
    rows += [row_of('lawn', summary=summary_of(classes=(5, 5, 90))),
             row_of('far', summary=summary_of(depth_bin=55)),
             row_of('short', summary=summary_of(frames=2, classes=(0, 0, 0, 100)))]

    found = find_outliers(add_up(rows).recordings)

    assert {(item.recording.name, item.what) for item in found} == {
        ('lawn', 'classes'), ('far', 'depth')}


def test_few_recordings_have_no_outliers():
    rows = [row_of('a'), row_of('b', summary=summary_of(classes=(0, 0, 100)))]

    assert find_outliers(add_up(rows).recordings) == []


def test_of_many_recordings_those_that_changed_most_and_least_are_listed(place):
    rows = [row_of(f'{number:03d}', summary=summary_of(active=number / 300))
            for number in range(300)]

    table, = page_of(place, *rows)['recordings'].tables

    names = [row[0] for row in table.rows]
    assert len(names) == 100 and {'299', '250', '000', '049'} <= set(names)
    assert '150' not in names and '300' in table.title


def test_pictures_of_recordings_are_those_of_the_output(place):
    place.write_bytes(picture('a/b', 1, ''), b'jpeg')

    section = page_of(place, row_of('a/b', 0), row_of('a/b', 1), row_of('c'))['pictures']

    shown, = section.pictures
    assert (shown.jpeg, shown.title) == (b'jpeg', 'a/b')
    assert 'pictures' not in page_of(place, row_of('c'))


def test_the_most_different_frames_name_their_recording_and_have_its_picture(place):
    def compared(score):
        frame = {'score_ppm': score, 'task': 'depth', 'depth_ppm': 693_147, 'image': 7,
                 'time_ns': 5 * 10**9, 'stamp_ns': None, 'picture': '-different-1'}
        return summary_of(comparison={
            'frames': 50, 'us': 1, 'ms': {'100': 50}, 'depth': {'11': 50}, 'depth_frames': 50,
            'depth_ppm': 50 * 100_000, 'most_different': [frame]})

    place.write_bytes(picture('b', 3, '-different-1'), b'jpeg')
    rows = [row_of('a', summary=compared(100_000)), row_of('b', 3, summary=compared(900_000))]

    section = page_of(place, *rows, run=replace(RUN, compared_with='other'))['comparison']

    shown, = section.pictures
    assert shown.title == 'b'
    assert 'image 7, 5.000 s' in shown.caption and '69.31 %' in shown.caption
    assert section.figures[0].value == '10.00 %'


def test_what_was_not_computed_is_said(place):
    nothing = summary_of(class_pixels={}, depth_pixels={})

    page = page_of(place, row_of('a', summary=nothing), row_of('b', summary={}))

    text = ' '.join(page['run'].texts)
    assert 'No depth in metres' in text and 'No classes' in text and '1 finished segments' in text
    assert not {'classes', 'depth', 'comparison', 'outliers'} & set(page)


def test_the_facts_of_a_run_are_its_settings_in_words(tiny_model):
    model = WorkerModel.choose(str(tiny_model), device='cpu', gpus=0, precision='auto')

    facts = RunFacts.of(FleetSettings(model, threads=1, compare=model))

    assert facts.settings['threads'] == '1' and facts.settings['copy input'] == 'no'
    assert facts.settings['topics'] == 'default' and facts.settings['namespace'] == 'none'
    assert (facts.model_digest, facts.compared_with) == (model.sha256, facts.model)
    assert 'device cpu' in facts.settings['model'] and model.sha256 not in facts.settings['model']
    assert facts.labels.names and facts.notices == ()


def test_an_empty_manifest_gives_a_page(place):
    write_summary(place, [], RUN)

    assert b'<h1>Fleet</h1>' in place.read_bytes('summary.html')


def test_the_page_says_when_the_last_segment_was_finished(place):
    days = [datetime(2026, 3, day, 12, tzinfo=timezone.utc) for day in (2, 9, 4)]

    page = page_of(place, *(row_of(str(day), finished_at=day) for day in days))

    settings = dict(page['run'].tables[0].rows)
    assert settings['last segment finished'] == '2026-03-09 12:00 UTC'
    assert settings['segment'] == '250 images' and settings['name of the model'] == 'tiny'


@pytest.mark.slow
def test_a_hundred_thousand_recordings_give_a_page_of_less_than_5_mb():
    rows = [row_of(f'fleet/robot {number % 100}/{"long_name_" * 10}{number}',
                   summary=summary_of(classes=(90, 10, 900 * (number % 1000 == 7))),
                   notices=(f'notice {number}',))
            for number in range(100_000)]
    rows += [ManifestRow(source=f'/data/x{number}', name=f'x{number}', state='failed',
                         reason=f'reason {chr(97 + number % 26) * (1 + number % 300)}')
             for number in range(2000)]
    page = make_page(AllPictures(), add_up(rows), RUN)

    assert 20 < sum(len(section.pictures) for section in page.sections) <= 40
    assert len(write_fleet_page(page).encode()) < 5_000_000


@pytest.mark.parametrize('segments', [3, -1])
def test_a_recording_of_which_segments_are_missing_is_not_done(place, segments):
    rows = [row_of('half', 0, segments=segments), row_of('half', 1, segments=segments),
            row_of('whole', 0, segments=-1), row_of('whole', 1, segments=2)]

    fleet = add_up(rows)
    page = make_page(place, fleet, RUN)

    assert [item.state for item in fleet.recordings] == ['unfinished', 'done']
    assert (page.state, page.message) == ('warn', '2 recordings, 1 not finished')
    figures = {figure.name: figure.value for figure in page_of(place, *rows)['totals'].figures}
    assert figures['Not finished'] == '1'


def test_the_page_counts_one_recording_in_the_singular(place):
    assert make_page(place, add_up([row_of('a')]), RUN).message == '1 recording'
