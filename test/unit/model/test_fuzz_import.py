"""Damaged configurations and tensors are refused with a message, whatever is wrong with them."""

from dataclasses import replace
import random

from public_models import depth_anything, dinov2, saved, tips, write_linear_head
import pytest
import torch

from mtshare_ros.errors import MtshareError
from mtshare_ros.model.importing.combination import combine_sources, ImportOptions
from mtshare_ros.model.importing.source import open_source

pytest.importorskip('transformers')

OPTIONS = ImportOptions(input_size=(112, 112))
VALUES = (None, -1, 0, 10**9, 0.5, float('nan'), '', 'x', [], [1, 'x'], {}, {'x': 1}, True)
TENSORS = (torch.zeros(()), torch.zeros(3), torch.zeros(2, 2), torch.zeros(1, 1, 1, 1),
           torch.full((64,), torch.inf), torch.zeros(0))


@pytest.fixture(scope='module')
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp('public')
    head = folder / 'nyu.safetensors'
    write_linear_head(head, 'depth', 2 * 64, 32)
    return {'linear': [open_source(saved(dinov2(), folder / 'dinov2')), open_source(head)],
            'depth': [open_source(saved(depth_anything(), folder / 'depth'))],
            'tips': [open_source(saved(tips(), folder / 'tips'))]}


def damaged(values, chance):
    """Return a configuration in which one value, perhaps of a nested one, is another."""
    key = chance.choice(sorted(values))
    if isinstance(values[key], dict) and values[key] and chance.random() < 0.7:
        return {**values, key: damaged(values[key], chance)}
    return {**values, key: chance.choice(VALUES)}


def outcome(sources):
    try:
        return combine_sources(sources, OPTIONS)
    except MtshareError as error:
        assert str(error)
        return None


@pytest.mark.parametrize('name', ['linear', 'depth', 'tips'])
def test_no_configuration_ends_in_anything_but_a_message(sources, name):
    chance = random.Random(0)
    first, *others = sources[name]
    found = [outcome([replace(first, config=damaged(dict(first.config), chance)), *others])
             for _ in range(60)]
    assert found.count(None)


@pytest.mark.parametrize('value', VALUES, ids=repr)
def test_no_preprocessing_ends_in_anything_but_a_message(sources, value):
    first, *others = sources['linear']
    for processor in ({'image_mean': value, 'image_std': [0.5] * 3}, {'image_mean': [value] * 3,
                      'image_std': [value] * 3}, {'do_normalize': value}):
        outcome([replace(first, processor=processor), *others])


@pytest.mark.parametrize('name', ['linear', 'depth', 'tips'])
def test_no_tensor_ends_in_anything_but_a_message(sources, name):
    chance = random.Random(0)
    for number, source in enumerate(sources[name]):
        for _ in range(40):
            key = chance.choice(sorted(source.tensors))
            tensors = {**source.tensors, key: chance.choice(TENSORS)}
            if chance.random() < 0.3:
                del tensors[key]
            others = list(sources[name])
            others[number] = replace(source, tensors=tensors)
            outcome(others)
