"""Backbones of public models compute here what they compute in the library of their authors."""

from public_models import (
    an_image,
    dinov2,
    dinov3,
    distance,
    mae,
    normalised,
    saved,
    SMALL_VIT,
    write_linear_head,
)
import pytest
import torch

from mtshare_ros.model.importing.combination import combine_sources, ImportOptions
from mtshare_ros.model.importing.source import open_source

pytest.importorskip('transformers')

SIZES = [(112, 112), (70, 126), (168, 98)]
"""That of the table of positions, smaller and larger ones, odd numbers of rows and columns."""


def imported(folder, width, tmp_path, size=(112, 112)):
    head = tmp_path / 'head.safetensors'
    write_linear_head(head, 'semseg', width, 21)
    sources = [open_source(folder), open_source(head)]
    return combine_sources(sources, ImportOptions(input_size=size)).checkpoint.network


@torch.no_grad()
def tokens(network, image):
    """Return what the last block gives after the norm: prefix, then cells, (T, D)."""
    features = network.stem(network.normalize(image))
    given = network.encode(features, ('semseg',))['semseg']
    return torch.cat((given.prefix[0][0], given.taps[0][0].flatten(1).T))


@torch.no_grad()
def theirs(model, image, **settings):
    return model(normalised(image), **settings).last_hidden_state[0]


@pytest.mark.parametrize('registers', [0, 4])
def test_dinov2(tmp_path, registers):
    model = dinov2(registers=registers)
    network = imported(saved(model, tmp_path / 'dinov2'), 64, tmp_path)
    for size in SIZES:
        image = an_image(*size)
        assert distance(tokens(network, image), theirs(model, image)) < 1e-5, size


def test_dinov3(tmp_path):
    model = dinov3()
    network = imported(saved(model, tmp_path / 'dinov3'), 64, tmp_path)
    for size in ((112, 112), (80, 144), (224, 96)):
        image = an_image(*size)
        assert distance(tokens(network, image), theirs(model, image)) < 1e-5, size


def test_a_masked_autoencoder(tmp_path):
    model = mae()
    network = imported(saved(model, tmp_path / 'mae'), 64, tmp_path)
    for size in ((224, 224), (80, 144), (240, 272)):
        image, count = an_image(*size), size[0] * size[1] // 256
        noise = torch.arange(count)[None] / count  # which keeps the order of the cells
        found = theirs(model, image, noise=noise, interpolate_pos_encoding=True)
        assert distance(tokens(network, image), found) < 1e-5, size


@pytest.mark.slow
@pytest.mark.parametrize('build', [
    lambda: dinov2(SMALL_VIT, grid=37), lambda: dinov2(SMALL_VIT, registers=4, grid=37),
    lambda: dinov3(SMALL_VIT), lambda: mae(SMALL_VIT)])
def test_the_small_sizes(tmp_path, build):
    model = build()
    patch = model.config.patch_size
    network = imported(saved(model, tmp_path / 'small'), 384, tmp_path, (8 * patch, 8 * patch))
    for rows, columns in ((37, 37), (24, 32), (17, 23)):
        image = an_image(patch * rows, patch * columns)
        settings = {'noise': torch.arange(rows * columns)[None] / 1e4,
                    'interpolate_pos_encoding': True} if model.config.model_type == 'vit_mae' \
            else {}
        found = theirs(model, image, **settings)
        assert distance(tokens(network, image), found) < 1e-5, (rows, columns)


