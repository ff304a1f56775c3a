"""What an engine loads: only the code that its frames need."""

import subprocess
import sys

import pytest

CODE = """
import sys
{}
print('\\n'.join(name for name in sys.modules if name.startswith('mtshare_ros.')))
"""
NEEDED_BY_SOME = ('mtshare_ros.inference.static', 'mtshare_ros.inference.moving_',
                  'mtshare_ros.inference.contact_sheet', 'mtshare_ros.inference.geometry_decoder',
                  'mtshare_ros.sharing.static', 'mtshare_ros.sharing.moving')


def loaded(code):
    """Return the modules of this package that a new process has loaded after some code."""
    done = subprocess.run([sys.executable, '-c', CODE.format(code)], capture_output=True,
                          text=True, check=True)
    return done.stdout.split()


@pytest.mark.parametrize('code', [
    'import mtshare_ros.inference.engine',
    'from mtshare_ros import Engine; Engine.load("rooms_vit_tiny_shared", device="cpu")',
])
def test_a_cpu_without_motion_loads_neither_motion_nor_what_a_gpu_needs(code):
    modules = loaded(code)

    assert 'mtshare_ros.inference.engine' in modules
    assert not [name for name in modules if name.startswith(NEEDED_BY_SOME)]
    assert {name for name in modules if name.startswith('mtshare_ros.motion.')} == {
        'mtshare_ros.motion.motion_settings'}
