"""What the package declares is true, and both ways of installing it put everything in place."""

from configparser import ConfigParser
import os
from pathlib import Path
import shutil
import subprocess
import sys
import sysconfig

import architecture_rules as rules
import pytest

import mtshare_ros

ROOT = Path(__file__).resolve().parent.parent
NOT_SOURCE = shutil.ignore_patterns('.git', '.venv', 'build', 'runs', '*.egg-info', '*cache*')
SHIPPED_FOLDERS = ('config', 'launch', 'models')
EXECUTABLES = (
    'dashboard_node', 'mtshare', 'perception_node', 'sim_camera_node', 'video_camera_node')


@pytest.fixture(scope='module')
def manifest():
    """Read package.xml with the parser of the ROS tools, which refuses what REP-149 forbids."""
    package = pytest.importorskip(
        'catkin_pkg.package', reason='catkin_pkg is not installed: pip install catkin-pkg')
    warnings = []
    parsed = package.parse_package(str(ROOT), warnings=warnings)
    assert not warnings
    return parsed


@pytest.fixture(scope='module')
def prefix(tmp_path_factory):
    """Install a copy of the checkout with pip, without its dependencies, and return where to."""
    pytest.importorskip('pip')
    folder = tmp_path_factory.mktemp('install')
    shutil.copytree(ROOT, folder / 'source', ignore=NOT_SOURCE)
    subprocess.run(
        [sys.executable, '-m', 'pip', 'install', '--quiet', '--no-deps', '--no-index',
         '--use-pep517', '--no-build-isolation', '--ignore-installed',
         '--prefix', str(folder / 'prefix'), str(folder / 'source')],
        check=True,
    )
    return folder / 'prefix'


@pytest.fixture(scope='module')
def site_packages(prefix):
    """Return the folder of the installed Python code."""
    places = {'base': str(prefix), 'platbase': str(prefix)}
    return Path(sysconfig.get_path('purelib', vars=places))


def run_installed(site_packages, prefix, *command):
    """Run a command that sees the installed copy before any other."""
    inherited = os.environ.get('PYTHONPATH', '')
    environment = {
        **os.environ, 'PYTHONPATH': f'{site_packages}{os.pathsep}{inherited}',
        'AMENT_PREFIX_PATH': str(prefix),
    }
    return subprocess.run(
        [str(part) for part in command], env=environment, cwd=prefix, capture_output=True,
        text=True, check=True,
    )


def imported_ros_packages():
    """Return the ROS packages that the nodes and the launch files import."""
    used = {
        entry.top for source in rules.sources(ROOT) if source.layer in ('nodes', 'launch')
        for entry in source.imports
    }
    also = {'ament_index_python', 'builtin_interfaces', *rules.ROS_MODULES}
    return {name for name in used if name in also or name.endswith('_msgs')}


def test_the_manifest_agrees_with_the_code(manifest):
    assert manifest.name == 'mtshare_ros'
    assert manifest.version == mtshare_ros.__version__
    assert manifest.licenses == ['Apache-2.0']
    assert manifest.get_build_type() == 'ament_python'


@pytest.mark.filterwarnings('ignore::DeprecationWarning')
def test_the_release_tools_can_read_the_changelog():
    changelog = pytest.importorskip(
        'catkin_pkg.changelog', reason='catkin_pkg is not installed: pip install catkin-pkg')

    parsed = changelog.get_changelog_from_path(str(ROOT), 'mtshare_ros')

    assert parsed.get_content_of_version(mtshare_ros.__version__)


def test_the_manifest_names_exactly_the_ros_packages_that_are_imported(manifest):
    declared = {dependency.name for dependency in manifest.exec_depends}

    assert {name for name in declared if not name.startswith('python3-')} == (
        imported_ros_packages())


def test_pip_brings_the_markers_of_the_ament_index(prefix):
    share = prefix / 'share'

    assert (share / 'ament_index/resource_index/packages/mtshare_ros').is_file()
    assert (share / 'mtshare_ros/package.xml').is_file()


@pytest.mark.parametrize('folder', SHIPPED_FOLDERS)
def test_pip_brings_every_shared_file_with_its_folder(prefix, folder):
    source = prefix.parent / 'source'
    shipped = {path.relative_to(source) for path in (source / folder).rglob('*') if path.is_file()}

    share = prefix / 'share/mtshare_ros'
    assert shipped
    assert not {path for path in shipped if not (share / path).is_file()}


@pytest.mark.parametrize('name', EXECUTABLES)
def test_pip_brings_an_executable_to_both_places(prefix, name):
    for folder in ('bin', 'lib/mtshare_ros'):
        assert os.access(prefix / folder / name, os.X_OK)


def test_the_executable_for_ros2_run_starts_the_command(prefix, site_packages):
    pytest.importorskip('typer', reason='typer is not installed: pip install -e ".[cli]"')

    result = run_installed(site_packages, prefix, prefix / 'lib/mtshare_ros/mtshare', '--help')

    assert 'demo' in result.stdout


def test_an_installed_copy_finds_its_shared_files(prefix, site_packages):
    question = 'from mtshare_ros.file_paths import share_directory as f; print(f())'

    result = run_installed(site_packages, prefix, sys.executable, '-c', question)

    assert Path(result.stdout.strip()) == prefix / 'share/mtshare_ros'


def test_the_metadata_leave_torch_free(site_packages):
    metadata = next(site_packages.glob('mtshare_ros-*.dist-info/METADATA')).read_text()

    assert 'Requires-Dist: torch>=2.1\n' in metadata


def test_colcon_puts_executables_where_ros2_run_looks():
    settings = ConfigParser()
    settings.read(ROOT / 'setup.cfg')

    assert settings['install']['install_scripts'] == '$base/lib/mtshare_ros'
    assert settings['develop']['script_dir'] == '$base/lib/mtshare_ros'


def test_colcon_installs_no_executable_twice(tmp_path):
    """A colcon build has them from its entry points; the ones of a wheel would overwrite those."""
    shutil.copytree(ROOT, tmp_path / 'source', ignore=NOT_SOURCE)

    subprocess.run(
        [sys.executable, 'setup.py', '--quiet', 'install_data', '--install-dir', tmp_path / 'to'],
        cwd=tmp_path / 'source', check=True,
    )

    assert (tmp_path / 'to/share/mtshare_ros/package.xml').is_file()
    assert not (tmp_path / 'to/lib').exists()
