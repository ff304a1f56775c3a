"""The script behind ``make`` says what failed and what to do, and leaves nothing half done."""

import os
from pathlib import Path
import platform
import shutil
import subprocess
import sys

import pytest

ROOT = Path(__file__).resolve().parent.parent
NEEDED = ('setup.py', 'pyproject.toml', 'constraints.txt', 'README.md')


@pytest.fixture
def install(tmp_path):
    """Return a function that runs the script in a bare copy, with some variables set."""
    shutil.copytree(ROOT / 'tools', tmp_path / 'tools')
    shutil.copytree(ROOT / 'mtshare_ros', tmp_path / 'mtshare_ros')
    for name in NEEDED:
        shutil.copy(ROOT / name, tmp_path)

    def run(level, **variables):
        environment = {**os.environ, 'ROS_DISTRO': ''}
        return subprocess.run(
            [tmp_path / 'tools/install.sh', level], env={**environment, **variables},
            capture_output=True, text=True, check=False,
        )
    return run


def add_command(folder, name, text):
    """Put a shell script in front of the system's command of that name; return the PATH."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f'#!/bin/sh\n{text}\n')
    (folder / name).chmod(0o755)
    return f'{folder}{os.pathsep}{os.environ["PATH"]}'


def test_an_unknown_level_is_refused(install):
    result = install('everything')

    assert result.returncode == 1
    assert "unknown level 'everything'" in result.stderr and 'demo, test' in result.stderr


def test_a_python_that_is_not_supported_is_refused_by_name(install, tmp_path):
    add_command(tmp_path / 'old', 'python', 'exit 1')

    result = install('demo', PYTHON=str(tmp_path / 'old/python'))

    assert result.returncode == 1
    assert 'no Python 3.10, 3.11 or 3.12 found' in result.stderr
    assert str(tmp_path / 'old/python') in result.stderr


def test_a_python_without_venv_is_refused_with_the_package_to_install(install, tmp_path):
    add_command(tmp_path / 'bare', 'python', 'case "$2" in *ensurepip*) exit 1;; esac')

    result = install('demo', PYTHON=str(tmp_path / 'bare/python'))

    assert result.returncode == 1
    assert 'sudo apt install python3-venv' in result.stderr


def test_a_machine_without_wheels_is_told_to_source_ros(install, tmp_path):
    path = add_command(tmp_path / 'arm', 'uname', '[ "$1" = -s ] && echo Linux || echo aarch64')

    result = install('demo', PATH=path)

    assert result.returncode == 1
    assert 'Linux x86_64 only' in result.stderr and 'setup.bash' in result.stderr


def test_a_sourced_ros_that_python_cannot_import_is_named(install, tmp_path):
    add_command(tmp_path / 'noros', 'python', 'case "$2" in *rclpy*) exit 1;; esac')

    result = install('demo', ROS_DISTRO='jazzy', PYTHON=str(tmp_path / 'noros/python'))

    assert result.returncode == 1
    assert 'rclpy cannot be imported' in result.stderr and 'ros-jazzy-ros-base' in result.stderr


@pytest.mark.slow
@pytest.mark.skipif(
    (platform.system(), platform.machine()) != ('Linux', 'x86_64'),
    reason='the ROS 2 wheels exist for x86_64 Linux only',
)
def test_a_failed_download_is_explained_and_nothing_counts_as_installed(install, tmp_path):
    result = install(
        'demo', PYTHON=sys.executable, PIP_INDEX_URL='http://127.0.0.1:9/simple',
        PIP_EXTRA_INDEX_URL='', PIP_RETRIES='1', PIP_FIND_LINKS='', PIP_CONFIG_FILE=os.devnull,
    )

    assert result.returncode == 1
    assert 'pip could not install' in result.stderr and 'install.log' in result.stderr
    assert 'the package index was not reached' in result.stderr
    assert '127.0.0.1' not in result.stderr
    assert not list((tmp_path / '.venv').glob('stamp.*'))
