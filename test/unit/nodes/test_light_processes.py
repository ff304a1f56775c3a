"""A process loads what it uses: PyTorch takes 200 MB and two seconds, unused modules take time."""

import subprocess
import sys

import pytest


def run_python(code):
    result = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_camera_dashboard_and_demo_start_without_pytorch():
    pytest.importorskip('tornado', reason='the dashboard needs the extra [dashboard]')
    # an import of what is None in the table of modules fails
    run_python('import sys\n'
               'sys.modules.update(dict.fromkeys(("torch", "safetensors")))\n'
               'import mtshare_ros.nodes.sim_camera.node\n'
               'import mtshare_ros.nodes.video_camera.node\n'
               'import mtshare_ros.nodes.dashboard.web_server\n'
               'import mtshare_ros.nodes.trials.trial\n')


@pytest.fixture(scope='module')
def loaded():
    """Return the modules of the package that the perception node has loaded as it starts."""
    return run_python('import sys\n'
                      'import mtshare_ros.nodes.perception.node\n'
                      'print(*(name for name in sys.modules if name.startswith("mtshare_ros.")))'
                      ).split()


@pytest.mark.parametrize('unused', [
    'nodes.perception.camera_poses', 'nodes.perception.follower_pipeline',
    'nodes.perception.motion_input', 'recording', 'evaluation', 'training', 'export', 'data',
])
def test_the_perception_node_does_not_load_what_only_some_use(loaded, unused):
    name = f'mtshare_ros.{unused}'

    assert not [module for module in loaded if f'{module}.'.startswith(f'{name}.')]
