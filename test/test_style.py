"""``make lint`` keeps the house style; that its settings mean what they should is tested."""

from pathlib import Path
import subprocess
import sys

import pytest

ROOT = Path(__file__).resolve().parent.parent


def test_a_breach_of_style_would_be_found(tmp_path):
    pytest.importorskip('ruff', reason='ruff is not installed: pip install -e ".[test]"')
    (tmp_path / 'wrong.py').write_text('import sys\nimport os\ntext = "double"\n')

    result = subprocess.run(
        [sys.executable, '-m', 'ruff', 'check', '--config', ROOT / 'pyproject.toml', tmp_path],
        capture_output=True, text=True, check=False)

    assert 'Q000' in result.stdout and 'I001' in result.stdout
