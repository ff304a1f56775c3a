"""How a fleet starts: what the process of its command does without."""

import os
from pathlib import Path
import subprocess
import sys

import pytest

for module, extra in (('typer', 'cli'), ('rosbags', 'bags'), ('ray', 'fleet')):
    pytest.importorskip(module, reason=f'needs the extra [{extra}]')

from bag_files import write_camera_bag  # noqa: E402

ROOT = Path(__file__).resolve().parents[3]
PATIENCE_S = 300.0

COMMAND = """
import sys

from mtshare_ros.cli.main import main

try:
    main()
except SystemExit as end:
    print('exit code', end.code)
print('torch' in sys.modules, 'ray' in sys.modules)
"""


def run(*words):
    return subprocess.run(
        [sys.executable, '-c', COMMAND, *map(str, words)], capture_output=True, text=True,
        timeout=PATIENCE_S, env={**os.environ, 'PYTHONPATH': str(ROOT)})


@pytest.mark.slow
def test_only_the_workers_import_pytorch(tiny_model, tmp_path):
    bag = write_camera_bag(tmp_path / 'bag', 3)

    ended = run('fleet', bag, '--output', tmp_path / 'out', '--workers', 1, '--model', tiny_model)

    assert ended.stdout.endswith('exit code 0\nFalse True\n'), ended.stdout + ended.stderr
    assert (tmp_path / 'out' / 'summary.html').is_file()
