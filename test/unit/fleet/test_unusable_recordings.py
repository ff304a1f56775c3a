"""A recording of which not one image can be used has failed, in the next run of the fleet, too."""

import pytest

from mtshare_ros.fleet.output.manifest import Manifest
from mtshare_ros.fleet.output.manifest_rows import ManifestRow
from mtshare_ros.fleet.output.places import open_place
from mtshare_ros.fleet.pool import Done
from mtshare_ros.fleet.run import FleetRun
from mtshare_ros.fleet.settings import FleetSettings
from mtshare_ros.fleet.sources.sources import find_sources
from mtshare_ros.fleet.work import Computed, RecordingFacts
from mtshare_ros.fleet.worker_model import WorkerModel
from mtshare_ros.recording.segments import Segment

SETTINGS = FleetSettings(WorkerModel('tiny', 'sha256', 'cpu'))
NOTICE = 'skipped an image at 0.000 s: its format is unknown'


class BlindPool:
    """Stands for the workers: none of them can read an image, nor, with ``damage``, an index."""

    workers = 1

    def __init__(self, damage=''):
        self._tasks, self._damage = [], damage

    def submit(self, task):
        self._tasks.append(task)

    def finished(self, report):
        while self._tasks:
            task = self._tasks.pop()
            if task.method == 'compute':
                work, = task.arguments
                if self._damage and not work.in_one_go:
                    yield Done(task, Computed(damage=self._damage))
                    continue
                yield Done(task, Computed((ManifestRow(
                    source=work.source.location, name=work.source.name, kind='images', segment=0,
                    segments=1, images=1, skipped=1, input_digest=work.digest, notices=(NOTICE,),
                    input_version=work.source.version, settings_digest=SETTINGS.digest()),)))
            elif task.method == 'open':
                segments = (Segment(0, 0, 1, 1),) if self._damage else ()
                yield Done(task, RecordingFacts('digest', segments, 1))


@pytest.fixture
def sources(tmp_path):
    folder = tmp_path / 'photos'
    folder.mkdir()
    (folder / 'a.png').write_bytes(b'no image')
    return find_sources([str(folder)], {})


def run_once(tmp_path, sources):
    """Run a fleet and return what the manifest says of the recording as a whole."""
    place = open_place(str(tmp_path / 'out'))
    manifest = Manifest.load(place)
    run = FleetRun(SETTINGS, place, manifest, sources)
    assert not run.is_done
    run.run(BlindPool())
    return manifest.of(sources[0].location)[-1]


def test_the_same_command_again_says_so_again(tmp_path, sources):
    first = run_once(tmp_path, sources)
    again = run_once(tmp_path, sources)

    assert first.state == again.state == 'failed'
    assert again.reason == first.reason


def test_the_reason_says_why_images_could_not_be_read(tmp_path, sources):
    reason = run_once(tmp_path, sources).reason

    assert reason == (f'{sources[0].location}: not one image could be used (1 could not be read); '
                      f'{NOTICE}')


def test_a_recording_that_is_read_again_is_named_once(tmp_path, sources):
    lines, location = [], sources[0].location
    place = open_place(str(tmp_path / 'out'))
    run = FleetRun(SETTINGS, place, Manifest.load(place), sources, lines.append)

    run.run(BlindPool(damage=f'{location}: has a wrong index; read it from its beginning'))

    assert lines == [f'{location}: has a wrong index; it is read again from its beginning']
