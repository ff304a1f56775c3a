"""What a run tells at its end, or where it was interrupted."""

import pytest

from mtshare_ros.fleet.outcome import find_outcome
from mtshare_ros.fleet.output.manifest import Manifest
from mtshare_ros.fleet.output.manifest_rows import ManifestRow, WHOLE
from mtshare_ros.fleet.output.places import open_place
from mtshare_ros.fleet.sources.sources import Source

ROWS = (
    ('whole', 0, {'segments': 2}), ('whole', 1, {'segments': 2}),
    ('damaged', 0, {'segments': 1, 'damage': 'the file ends too early'}),
    ('half', 0, {'segments': 2}),
    ('broken', WHOLE, {'state': 'failed', 'reason': 'no images', 'frames': 0}),
    ('copy', WHOLE, {'state': 'duplicate', 'reason': 'the same as whole', 'frames': 0}))


@pytest.fixture
def outcome(tmp_path):
    manifest = Manifest.load(open_place(str(tmp_path / 'out')))
    for name, segment, values in ROWS:
        manifest.add(ManifestRow(
            source=f'/{name}', segment=segment, **{'frames': 600, **values}))
    names = ('whole', 'damaged', 'half', 'waiting', 'broken', 'copy')
    return find_outcome(manifest, [Source(f'/{name}', name, 'bag', 1, 'v') for name in names])


def test_each_recording_is_counted_once(outcome):
    assert (outcome.complete, outcome.duplicates, outcome.unfinished) == (1, 1, 2)
    assert [problem.location for problem in outcome.damaged] == ['/damaged']
    assert [problem.location for problem in outcome.failed] == ['/broken']


def test_an_interrupted_run_tells_what_is_done(outcome):
    assert outcome.so_far() == '2 of 6 recordings are done, 2,400 frames, 1 failed'
