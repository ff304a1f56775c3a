"""``mtshare fleet`` over twenty recordings, on a real Ray of two workers."""

import filecmp
import json
import os
from pathlib import Path
import random
import shlex
import shutil
import subprocess
import sys
import tarfile
import time

import pytest

for module, extra in (('typer', 'cli'), ('rosbags', 'bags'), ('av', 'video'), ('ray', 'fleet')):
    pytest.importorskip(module, reason=f'needs the extra [{extra}]')

from fleet_recordings import write_recordings  # noqa: E402
import psutil  # noqa: E402
import pyarrow.parquet as parquet  # noqa: E402
from typer.testing import CliRunner  # noqa: E402
from waiting import PATIENCE_S, wait_until  # noqa: E402

from mtshare_ros.cli.app import app  # noqa: E402
from mtshare_ros.fleet.sources.sources import find_sources  # noqa: E402

ROOT = Path(__file__).resolve().parents[3]
SEGMENT = 10
COMPLETE = 18
"""
Recordings of the twenty that are neither a copy of another one nor no recording at all.

One of them is damaged.
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def recordings(tmp_path_factory):
    return write_recordings(tmp_path_factory.mktemp('recordings'))


@pytest.fixture(scope='module')
def alone(recordings, tiny_model, tmp_path_factory):
    """Return the folder of the bags that ``mtshare bag`` makes of each recording alone."""
    folder = tmp_path_factory.mktemp('alone')
    for source in find_sources([str(recordings)], {}):
        target = folder / source.name
        target.parent.mkdir(exist_ok=True)
        words = ('bag', source.location, target, '--model', tiny_model, '--device', 'cpu',
                 '--threads', 1, '--segment', SEGMENT)
        CliRunner().invoke(app, list(map(str, words)))
    return folder


@pytest.fixture
def start(tiny_model):
    """Return a function that starts the command in a process of its own; all end with the test."""
    begun = []

    def start_fleet(*words):
        process = subprocess.Popen(
            command(tiny_model, *words), env={**os.environ, 'PYTHONPATH': str(ROOT)},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        begun.append(process)
        return process
    yield start_fleet
    for process in begun:
        process.kill()
        process.wait()


@pytest.fixture
def fleet(start):
    """Return a function that runs the command to its end and returns its exit code and text."""
    def run(*words):
        process = start(*words)
        text, _ = process.communicate(timeout=PATIENCE_S)
        return process.returncode, text
    return run


def command(model, *words):
    return list(map(str, (
        sys.executable, '-m', 'mtshare_ros.cli.main', 'fleet', *words, '--model', model,
        '--device', 'cpu', '--workers', 2, '--segment', SEGMENT)))


def files_below(folder):
    return sorted(path.relative_to(folder) for path in folder.rglob('*') if path.is_file())


def assert_equal_bags(output, alone):
    """Fail unless an output holds the bags made one by one, but one of the copies."""
    found, expected = output / 'bags', alone
    copies = {row['name'] for row in rows_of(output) if row['state'] == 'duplicate'}
    wanted = [path for path in files_below(expected) if str(path.parent) not in copies]
    assert files_below(found) == wanted
    assert not [name for name in wanted
                if not filecmp.cmp(found / name, expected / name, shallow=False)]


def frames_of_parquet(shard):
    return parquet.read_table(shard)['frame'].to_pylist()


def frames_of_tar(shard):
    with tarfile.open(shard) as file:
        return [json.load(file.extractfile(name))['frame'] for name in file.getnames()
                if name.endswith('.json')]


FRAMES_OF = {'parquet': frames_of_parquet, 'webdataset': frames_of_tar}


def rows_of(output):
    return parquet.read_table(output / 'manifest.parquet').to_pylist()


def workers_of(driver):
    """Return the processes of a driver's workers that have started, none where it has ended."""
    try:
        children = psutil.Process(driver.pid).children(recursive=True)
        return [child for child in children if child.name().startswith('ray::PoolActor')
                and not child.name().endswith('.start')
                and child.status() != psutil.STATUS_ZOMBIE]
    except psutil.NoSuchProcess:
        return []


def kill_on_the_way(driver, chance):
    """
    Kill two of a driver's workers at their work, then the driver; return how many were killed.

    No more than two: a task that three workers died of counts as failed, and so does a worker
    that is killed three times while it starts.
    """
    deaths = 0
    for _ in range(2):
        wait_until(lambda: workers_of(driver) or driver.poll() is not None, 'workers')
        time.sleep(chance.uniform(0, 2))
        if found := workers_of(driver):
            chance.choice(found).kill()
            deaths += 1
    time.sleep(chance.uniform(0, 2))
    if driver.poll() is None:
        driver.kill()
        deaths += 1
    driver.wait()
    return deaths


def test_a_fleet_makes_the_bags_that_bag_makes(fleet, recordings, alone, tmp_path):
    code, text = fleet(recordings, '--output', tmp_path / 'out', '--json', tmp_path / 'out.json')

    assert code == 1, text
    assert_equal_bags(tmp_path / 'out', alone)
    found = json.loads((tmp_path / 'out.json').read_text())
    assert (found['complete'], found['duplicates'], found['unfinished']) == (COMPLETE - 1, 1, 0)
    assert [Path(name).name for name in found['failed']] == ['nothing.mcap']
    assert [Path(name).name for name in found['damaged']] == ['truncated.mcap']
    assert 'nothing.mcap' in text and 'truncated' in text


def test_a_fleet_ends_with_a_page_about_both_models(fleet, recordings, tmp_path):
    output = tmp_path / 'out'

    code, text = fleet(recordings / 'monday' / 'mcap_25', recordings / 'tuesday' / 'nothing.mcap',
                       '--output', output, '--format', 'summary',
                       '--compare', 'rooms_vit_tiny')

    assert code == 1 and f'wrote {output}/summary.html' in text, text
    page = (output / 'summary.html').read_text(encoding='utf-8')
    assert 'rooms_vit_tiny saw the same 25 frames as tiny' in page
    assert 'not a valid MCAP file' in page and page.count('data:image/jpeg') >= 2
    assert len(list((output / 'summary').rglob('*-different-1.jpg'))) == 3
    assert not (output / 'bags').exists()


def test_the_same_command_again_computes_nothing(fleet, recordings, tmp_path):
    fleet(recordings / 'monday' / 'mcap_25', '--output', tmp_path / 'out')
    before = rows_of(tmp_path / 'out')

    code, text = fleet(recordings / 'monday' / 'mcap_25', '--output', tmp_path / 'out')

    assert code == 0, text
    assert rows_of(tmp_path / 'out') == before
    assert 'workers:' not in text


def test_what_failed_is_tried_again(fleet, recordings, tmp_path):
    source = tmp_path / 'sources' / 'drive'
    source.mkdir(parents=True)
    (source / 'drive_0.mcap').write_bytes(b'not arrived yet')
    code, text = fleet(source.parent, '--output', tmp_path / 'out')
    assert code == 1, text
    shutil.copy(recordings / 'monday' / 'mcap_8' / 'mcap_8.mcap', source / 'drive_0.mcap')

    code, text = fleet(source.parent, '--output', tmp_path / 'out')

    assert code == 0, text
    assert [row['state'] for row in rows_of(tmp_path / 'out')] == ['done']


def test_another_command_on_the_same_output_is_refused(fleet, recordings, tmp_path):
    source = recordings / 'monday' / 'mcap_3'
    fleet(source, '--output', tmp_path / 'out')

    code, text = fleet(source, '--output', tmp_path / 'out', '--temporal-threshold', 2)

    assert code == 1
    assert 'temporal' in text and '--overwrite' in text


def test_after_kills_of_workers_and_drivers_every_frame_is_there_once_and_equal(
    start, fleet, recordings, alone, tmp_path
):
    chance, output = random.Random(18), tmp_path / 'out'
    deaths = sum(kill_on_the_way(start(recordings, '--output', output), chance)
                 for _ in range(3))

    code, text = fleet(recordings, '--output', output)

    assert code == 1, text
    assert deaths >= 4
    assert_equal_bags(output, alone)
    done = [(row['source'], row['segment']) for row in rows_of(output) if row['state'] == 'done']
    assert len(done) == len(set(done))


@pytest.mark.parametrize('kind', ['parquet', 'webdataset'])
def test_shards_hold_every_frame_once(fleet, recordings, tmp_path, kind):
    source = recordings / 'tuesday' / 'sqlite3_31'

    code, text = fleet(source, '--output', tmp_path / 'out', '--format', kind)

    assert code == 0, text
    shards = sorted((tmp_path / 'out' / 'shards').iterdir())
    assert len(shards) == 4
    frames = [frame for shard in shards for frame in FRAMES_OF[kind](shard)]
    assert frames == list(range(31))


def test_a_fleet_reads_from_and_writes_to_an_object_store(
    fleet, recordings, alone, s3, tmp_path
):
    import fsspec

    store = fsspec.filesystem('s3')
    store.put(str(recordings / 'monday' / 'mcap_25'), f'{s3}/in/mcap_25', recursive=True)

    code, text = fleet(f'{s3}/in', '--output', f'{s3}/out')

    assert code == 0, text
    store.get(f'{s3}/out/bags', str(tmp_path / 'bags'), recursive=True)
    assert files_below(tmp_path / 'bags' / 'mcap_25') == files_below(alone / 'monday' / 'mcap_25')


def test_a_full_disk_ends_the_run_and_with_more_room_it_goes_on(
    recordings, alone, tiny_model, tmp_path
):
    source, disk, kept = recordings / 'monday' / 'mcap_37', tmp_path / 'disk', tmp_path / 'kept'
    disk.mkdir()
    run = shlex.join(command(tiny_model, source, '--output', disk / 'out'))
    script = f"""
        mount -t tmpfs -o size=3m tmpfs {disk} || exit 77
        {run}; echo "code $?"
        mount -o remount,size=100m {disk} || exit 77
        {run}; echo "code $?"
        cp -r {disk}/out {kept}
    """

    result = subprocess.run(
        ['unshare', '--map-root-user', '--mount', 'sh', '-c', script], capture_output=True,
        text=True, env={**os.environ, 'PYTHONPATH': str(ROOT)}, timeout=PATIENCE_S)

    if result.returncode == 77:
        pytest.skip(f'no disk can be mounted here: {result.stderr}')
    text = result.stdout + result.stderr
    assert [line for line in text.splitlines() if line.startswith('code')] == ['code 1', 'code 0']
    assert 'No space left' in text
    assert files_below(kept / 'bags' / 'mcap_37') == files_below(alone / 'monday' / 'mcap_37')
