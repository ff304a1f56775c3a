"""A model of public weights answers on every topic, its normals and edges by geometry."""

import numpy as np
from public_models import dinov2, saved, write_linear_head
import pytest
from ros_harness import Observer
from test_outputs import MAPS, receive_one_frame

from mtshare_ros.messages.image_messages import read_map
from mtshare_ros.model.checkpoint import save_checkpoint
from mtshare_ros.model.importing.combination import combine_sources, ImportOptions
from mtshare_ros.model.importing.source import open_source

pytest.importorskip('transformers')

HEIGHT, WIDTH = 98, 126


def write_model(folder):
    heads = folder / 'voc.safetensors', folder / 'nyu.safetensors'
    write_linear_head(heads[0], 'semseg', 64, 21)
    write_linear_head(heads[1], 'depth', 2 * 64, 64)
    sources = [open_source(path) for path in (saved(dinov2(), folder / 'dinov2'), *heads)]
    imported = combine_sources(sources, ImportOptions(input_size=(HEIGHT, WIDTH))).checkpoint
    path = folder / 'imported.safetensors'
    save_checkpoint(path, imported.network, imported.description)
    return path


def test_every_topic_answers_with_a_map_of_the_models_size(stage, tmp_path):
    stage.start_perception(write_model(tmp_path), input_size=[HEIGHT, WIDTH])
    with Observer(stage.domain, 'listener') as observer:
        frames = receive_one_frame(observer)
    for topic, encoding in MAPS.items():
        message = frames[topic]
        assert (message.encoding, message.height, message.width) == (encoding, HEIGHT, WIDTH)
    lengths = np.linalg.norm(read_map(frames['normals/image']), axis=2)
    assert np.nanmax(np.abs(lengths - 1)) < 1e-4
    assert np.nanmax(read_map(frames['depth/image'])) > 0
