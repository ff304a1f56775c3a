"""Fixtures shared by all tests."""

from collections import Counter
import os
from pathlib import Path
import signal

import pytest
from time_limit import (  # noqa: F401 (hooks, found here)
    pytest_addoption,
    pytest_configure,
    pytest_enter_pdb,
    pytest_runtest_protocol,
)
from tiny import TINY
import torch

from mtshare_ros.model.checkpoint import save_checkpoint
from mtshare_ros.model.description import ModelDescription
from mtshare_ros.model.network import build_model
from mtshare_ros.tasks import DEFAULT_TASKS, load_labels

if not torch.cuda.is_available():
    os.environ.setdefault('TRITON_INTERPRET', '1')  # read when Triton is imported


@pytest.fixture(scope='session', autouse=True)
def one_thread():
    """Keep PyTorch to one thread: tiny networks gain nothing from more, but wait for cores."""
    torch.set_num_threads(1)


@pytest.fixture(scope='session', autouse=True)
def no_added_models(tmp_path_factory):
    """Keep models that the developer added out of the tests, and those of tests out of there."""
    os.environ['MTSHARE_MODELS'] = str(tmp_path_factory.mktemp('added') / 'models')


@pytest.fixture(scope='session', autouse=True)
def heard_ctrl_c():
    """Undo what a shell's background job inherits, and its processes from it: a deaf SIGINT."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope='session')
def tiny_description() -> ModelDescription:
    """Describe a model small enough for any test; its weights are random but always the same."""
    return ModelDescription(architecture=TINY, tasks=DEFAULT_TASKS, labels=load_labels('nyu40'),
                            focal_length=110.0, depth_range=(0.3, 8.0), trained_on='nothing')


@pytest.fixture(scope='session')
def tiny_model(tmp_path_factory, tiny_description) -> Path:
    """Write the tiny model's checkpoint and return its path."""
    torch.manual_seed(0)
    network = build_model(TINY, tiny_description.tasks, len(tiny_description.labels))
    path = tmp_path_factory.mktemp('models') / 'tiny.safetensors'
    save_checkpoint(path, network, tiny_description)
    return path


def pytest_terminal_summary(terminalreporter):
    """Show what became of every row of the fault table that was tested."""
    rows: dict[int, Counter] = {}
    for outcome in ('passed', 'failed', 'error', 'skipped'):
        for report in terminalreporter.getreports(outcome):
            for name, row in getattr(report, 'user_properties', ()):
                if name == 'fault' and (report.when == 'call' or outcome != 'passed'):
                    rows.setdefault(row, Counter())[outcome] += 1
    if rows:
        terminalreporter.section('fault table (docs/faults.md)')
        for row, outcomes in sorted(rows.items()):
            counts = ', '.join(f'{count} {outcome}' for outcome, count in outcomes.items())
            terminalreporter.line(f'row {row:2}  {counts}')


@pytest.fixture(autouse=True)
def fault_row(request):
    """Pass the row of the fault table on to the report of its test, through processes too."""
    for marker in request.node.iter_markers('fault'):
        request.node.user_properties.append(('fault', marker.args[0]))
