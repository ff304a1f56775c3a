"""The code keeps to the house style: pyproject.toml says which, ruff and mypy say whether."""

from pathlib import Path
import subprocess
import sys

import pytest

ROOT = Path(__file__).resolve().parent.parent


def run_tool(name, *arguments):
    """Run a checker on the checkout; skip where it is not installed."""
    pytest.importorskip(name, reason=f'{name} is not installed: pip install -e ".[test]"')
    command = [sys.executable, '-m', name, *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_style_is_kept():
    result = run_tool('ruff', 'check', '--output-format=concise', '.')

    assert result.returncode == 0, result.stdout + result.stderr


def test_the_types_fit():
    result = run_tool('mypy', '--no-color-output')

    assert result.returncode == 0, result.stdout + result.stderr


def test_a_breach_of_style_would_be_found(tmp_path):
    (tmp_path / 'wrong.py').write_text('import sys\nimport os\ntext = "double"\n')

    result = run_tool('ruff', 'check', '--config', str(ROOT / 'pyproject.toml'), str(tmp_path))

    assert 'Q000' in result.stdout and 'I001' in result.stdout
