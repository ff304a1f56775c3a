"""What is done of a recording, what is asked for, and how far a run is."""

from dataclasses import replace

from mtshare_ros.fleet.output.manifest_rows import ManifestRow
from mtshare_ros.fleet.recording_work import RecordingWork
from mtshare_ros.fleet.run_progress import ProgressAccount
from mtshare_ros.fleet.sources.sources import Source
from mtshare_ros.recording.segments import Segment

SOURCE = Source('/drives/one', 'one', 'bag', 1000, 'state:1')
SEGMENTS = tuple(Segment(number, number * 10, 10, number * 20, names_classes=number == 0)
                 for number in range(3))


def row(number, *, frames=10, segments=3, digest='d', version='state:1'):
    return ManifestRow(source=SOURCE.location, segment=number, segments=segments, images=10,
                       frames=frames, skipped=10 - frames, input_digest=digest,
                       input_version=version)


def test_segments_that_are_done_are_not_asked_for():
    work = RecordingWork(SOURCE, [row(1)])

    asked = work.cut('d', SEGMENTS)

    assert [item.segment.number for item in asked] == [0, 2]
    assert work.is_pending and not work.is_complete


def test_a_recording_whose_contents_changed_is_asked_for_anew():
    work = RecordingWork(SOURCE, [row(0), row(1), row(2)])

    asked = work.cut('other', SEGMENTS)

    assert len(asked) == 3
    assert work.images == 0


def test_segments_of_another_length_are_not_taken_for_done():
    work = RecordingWork(SOURCE, [row(0, segments=5)])

    assert len(work.cut('d', SEGMENTS)) == 3


def test_a_recording_is_complete_with_all_its_rows_and_its_version():
    rows = [row(0), row(1), row(2)]

    assert RecordingWork(SOURCE, rows).is_complete
    assert not RecordingWork(SOURCE, rows[:2]).is_complete
    assert not RecordingWork(replace(SOURCE, version='state:2'), rows).is_complete


def test_a_recording_that_cannot_be_cut_is_one_piece_of_work():
    work = RecordingWork(SOURCE, [row(0)])

    asked, = work.cut('d', ())

    assert asked.in_one_go and asked.segments == -1
    assert work.images == 0


def test_what_was_asked_for_before_a_restart_is_not_awaited():
    work = RecordingWork(SOURCE)
    first, *_ = work.cut('d', SEGMENTS)
    work.take(first, [row(0)])

    again = work.restart_in_one_go()

    assert work.awaits(again) and not work.awaits(first)
    assert work.images == 0


def test_the_classes_are_named_by_the_first_segment_with_a_frame():
    work = RecordingWork(SOURCE)
    for number, item in enumerate(work.cut('d', SEGMENTS)):
        work.take(item, [row(number, frames=0 if number == 0 else 10)])

    again = work.name_classes()

    assert again.segment == replace(SEGMENTS[1], names_classes=True)
    assert work.name_classes() is None


def test_the_total_is_estimated_by_bytes_until_all_recordings_are_opened():
    account = ProgressAccount([SOURCE, replace(SOURCE, location='/drives/two', bytes=3000)])
    assert account.progress(0).total is None

    account.opened('/drives/one', 50)
    assert account.progress(0).total == 200

    account.opened('/drives/two', 70)
    account.done('/drives/one', 50)
    assert account.progress(8).total == 120
    assert account.progress(8).done == 58


def test_videos_have_more_images_in_their_bytes_than_bags():
    account = ProgressAccount([
        SOURCE, replace(SOURCE, location='/drives/two', bytes=3000),
        *(replace(SOURCE, location=f'/{number}.mp4', kind='video', bytes=100)
          for number in range(3))])

    account.opened('/drives/one', 10)
    assert account.progress(0).total == 10 + 30 + 3

    account.opened('/0.mp4', 90)
    assert account.progress(0).total == 10 + 30 + 3 * 90


def test_images_that_will_not_be_computed_do_not_count_in_the_total():
    account = ProgressAccount([SOURCE])
    account.opened('/drives/one', 50)
    account.done('/drives/one', 20)

    account.closed('/drives/one', failed=True)

    assert account.progress(0).total == 20
    assert account.progress(0).failures == 1
