"""The node says which model it runs, and that one of rendered rooms does not know real images."""

from dataclasses import replace

import pytest

from mtshare_ros.model.checkpoint import save_described_anew
from mtshare_ros.nodes.node_environment import RENDERED_CAMERA

ROOMS = '10000 frames of procedural rooms'
NOTICE = 'trained on rendered rooms'


@pytest.fixture
def rooms_model(tiny_model, tiny_description, tmp_path):
    path = tmp_path / 'rooms.safetensors'
    save_described_anew(tiny_model, path, replace(tiny_description, trained_on=ROOMS))
    return path


def test_a_model_of_rendered_rooms_is_announced_once_and_shown(stage, rooms_model):
    stage.start_perception(rooms_model)
    figures = stage.observer.diagnose('state', 'active')

    assert stage.perception.count_lines('WARN', NOTICE) == 1
    assert NOTICE in figures['model_notice'] and figures['model_name'] == 'rooms'


def test_before_the_rooms_of_the_demo_nothing_is_said(stage, rooms_model):
    stage.nodes.environment[RENDERED_CAMERA] = '1'
    stage.start_perception(rooms_model)

    assert not stage.observer.diagnose('state', 'active')['model_notice']
    assert not stage.perception.count_lines(NOTICE)
