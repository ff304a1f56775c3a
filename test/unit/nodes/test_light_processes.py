"""What runs beside the network does not load PyTorch: that takes 200 MB and two seconds each."""

import subprocess
import sys

import pytest

pytest.importorskip('tornado', reason='the dashboard needs the extra [dashboard]')


def test_camera_dashboard_and_demo_start_without_pytorch():
    # an import of what is None in the table of modules fails
    code = ('import sys\n'
            'sys.modules.update(dict.fromkeys(("torch", "safetensors")))\n'
            'import mtshare_ros.nodes.sim_camera.node\n'
            'import mtshare_ros.nodes.video_camera.node\n'
            'import mtshare_ros.nodes.dashboard.web_server\n'
            'import mtshare_ros.nodes.trials.trial\n')

    result = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)

    assert result.returncode == 0, result.stderr
