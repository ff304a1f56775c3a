"""``mtshare evaluate``: figures taken in another way, and figures that are kept."""

from dataclasses import replace
import json
import shutil

import numpy as np
import pytest

pytest.importorskip('typer', reason='the command line needs the extra [cli]')
pytest.importorskip('numba', reason='the rooms need the extra [rooms]')
Image = pytest.importorskip('PIL.Image', reason='data sets need the extra [train]')

from tiny import TINY  # noqa: E402
import torch  # noqa: E402
from typer.testing import CliRunner  # noqa: E402

from mtshare_ros.cli.app import app  # noqa: E402
from mtshare_ros.inference.engine import Engine  # noqa: E402
from mtshare_ros.model.checkpoint import load_checkpoint, save_checkpoint  # noqa: E402
from mtshare_ros.model.network import build_model  # noqa: E402


def evaluate(*words):
    """Run the command in this process, which has all the libraries loaded."""
    return CliRunner().invoke(app, ['evaluate', *map(str, words)])


def read(path):
    return json.loads(path.read_text())


def test_saliency_as_invpt_takes_it_squashes_the_probability_again(
        tiny_description, tmp_path):
    torch.manual_seed(3)
    path = tmp_path / 'salient.safetensors'
    network = build_model(TINY, ('saliency',), 40)
    save_checkpoint(path, network, replace(tiny_description, tasks=('saliency',)))
    found, true = write_salient(tmp_path / 'mine', Engine(load_checkpoint(path), device='cpu'))

    options = (path, '--dataset', 'folder', '--root', tmp_path / 'mine', '--json', tmp_path / 'a')
    for words, values in (((), found / 255),
                          (('--saliency', 'invpt'), 1 / (1 + np.exp(-found / 255)))):
        result = evaluate(*options, *words)
        assert result.exit_code == 0, result.output
        assert read(tmp_path / 'a')['metrics']['saliency']['maxf'] == pytest.approx(
            largest_f(values, true), abs=1e-2)
    assert 'sigmoid applied twice' in result.output


def write_salient(root, engine):
    """Write an image with marks; return what an engine finds in it, in 0-255, and the marks."""
    random = np.random.default_rng(1)
    image = random.integers(0, 256, (96, 128, 3), np.uint8)
    found = engine.infer(image).other['saliency']
    true = found + random.normal(0, found.std(), found.shape) > np.median(found)
    for folder, values in (('rgb', image), ('saliency', true * np.uint8(255))):
        (root / 'val' / folder).mkdir(parents=True)
        Image.fromarray(values).save(root / 'val' / folder / '0.png')
    return found, true


def largest_f(values, true):
    """Return the largest F (%), precision weighted 0.3, of values at 0.05, 0.1, ... 0.95."""
    scores = []
    for threshold in np.arange(1, 20) / 20:
        guessed = values >= threshold - 1e-9
        hits = (guessed & true).sum()
        if hits:
            precision, recall = hits / guessed.sum(), hits / true.sum()
            scores.append(1.3 * precision * recall / (0.3 * precision + recall))
    return 100 * max(scores)


def test_stored_figures_are_told_wherever_the_model_is_run(tiny_model, tmp_path):
    model = shutil.copy(tiny_model, tmp_path / 'mine.safetensors')
    result = evaluate(model, '--split', 'validation', '--views', 1, '--input-size', '48x64',
                      '--tasks', 'depth,edge', '--store', '--json', tmp_path / 'figures.json')
    assert result.exit_code == 0, result.output
    assert f'stored in {tmp_path / "mine.quality.json"}' in result.output
    metrics = read(tmp_path / 'figures.json')['metrics']
    expected = (f'quality at 48x64: depth RMSE {metrics["depth"]["rmse"]:.2f} m, edge F '
                f'{metrics["edge"]["f"]:.1f} % (1 images of rooms, validation)')
    assert expected in CliRunner().invoke(app, ['models', 'info', str(model)]).output
    again = evaluate(model, '--split', 'validation', '--views', 1, '--input-size', '48x64')
    assert 'input_size 48x64 is far from 96x128' in again.output and expected in again.output
