"""What both launch tests need: a domain, a small model, and the launch file under test."""

import atexit
from contextlib import ExitStack
from pathlib import Path
import tempfile

import launch
from launch.actions import IncludeLaunchDescription, SetEnvironmentVariable
from launch.launch_description_sources import PythonLaunchDescriptionSource
import launch_testing.actions
import pytest
from ros_harness import Observer
from ros_processes import free_domain

from mtshare_ros.model.architecture import ArchitectureConfig
from mtshare_ros.model.checkpoint import save_checkpoint
from mtshare_ros.model.description import ModelDescription
from mtshare_ros.model.network import build_model
from mtshare_ros.tasks import DEFAULT_TASKS, load_labels

LAUNCH_FOLDER = Path(__file__).resolve().parents[2] / 'launch'
SMALL = ArchitectureConfig(embed_dim=32, depth=2, num_heads=2, stem_channels=(8, 16, 16),
                           head_channels=8, head_depth=1, input_size=(96, 128))
_END = ExitStack()
atexit.register(_END.close)


def require_package():
    """Skip the module where launch could not find the nodes."""
    index = pytest.importorskip(
        'ament_index_python.packages', reason='ament_index_python is not installed')
    try:
        index.get_package_prefix('mtshare_ros')
    except (LookupError, EnvironmentError) as error:
        pytest.skip(f'the package is not in the ament index: {error}', allow_module_level=True)


def reserve_domain():
    """Reserve a ROS domain for one module of tests, to the end of this process."""
    return _END.enter_context(free_domain())


def write_model():
    """Write a small untrained model and return its path."""
    folder = _END.enter_context(tempfile.TemporaryDirectory())
    labels = load_labels('nyu40')
    description = ModelDescription(
        architecture=SMALL, tasks=DEFAULT_TASKS, labels=labels, focal_length=110.0,
        depth_range=(0.3, 8.0), trained_on='nothing')
    path = Path(folder) / 'small.safetensors'
    save_checkpoint(path, build_model(SMALL, description.tasks, len(labels)), description)
    return path


def launch_file(name, domain, **arguments):
    """Return the description of a launch file in a domain, and of the start of its tests."""
    source = PythonLaunchDescriptionSource(str(LAUNCH_FOLDER / name))
    return launch.LaunchDescription([
        SetEnvironmentVariable('ROS_DOMAIN_ID', str(domain)),
        SetEnvironmentVariable('ROS_AUTOMATIC_DISCOVERY_RANGE', 'LOCALHOST'),
        IncludeLaunchDescription(source, launch_arguments=arguments.items()),
        launch_testing.actions.ReadyToTest(),
    ])


def observe(case, domain):
    """Return an observer that lives as long as a unittest case."""
    observer = Observer(domain)
    case.addCleanup(observer.__exit__, None, None, None)
    return observer.__enter__()
