"""Training that starts from a public backbone starts from exactly what that computes."""

from dataclasses import replace

from public_models import an_image, dinov2, dinov3, distance, mae, normalised, saved
import pytest
import torch

from mtshare_ros.model.architecture import ArchitectureConfig
from mtshare_ros.model.network import build_model
from mtshare_ros.training.initial_network import explain, load_initial_weights, prepare_network
from mtshare_ros.training.recipe import Recipe, runs_of
from mtshare_ros.training.stage_config import DataConfig, Phase, StagePlan

pytest.importorskip('transformers')

DINOV2 = ArchitectureConfig(
    embed_dim=64, depth=4, num_heads=1, stem='patch', position='absolute', patch_size=14,
    class_token=True, position_grid=(8, 8), input_size=(84, 126))
RECIPES = {
    'dinov2': (dinov2, DINOV2),
    'registers': (lambda: dinov2(registers=4), replace(
        DINOV2, register_tokens=4, position_interpolation='bicubic_antialias')),
    'another grid': (dinov2, replace(DINOV2, position_grid=())),
    'dinov3': (dinov3, replace(
        DINOV2, patch_size=16, register_tokens=4, position='rope_centred', position_grid=(),
        norm_eps=1e-5, input_size=(96, 128))),
    'mae': (mae, replace(DINOV2, patch_size=16, position_grid=(), norm_eps=1e-12,
                         input_size=(96, 128))),
}


def start(model, architecture, tmp_path, tasks=('semseg', 'depth')):
    network = build_model(architecture, tasks, 40).eval()
    return network, load_initial_weights(network, saved(model, tmp_path / 'source'))


@torch.no_grad()
def first_step(network, image):
    given = network.encode(network.stem(network.normalize(image)), ('depth',))['depth']
    return torch.cat((given.prefix[0][0], given.taps[0][0].flatten(1).T))


@torch.no_grad()
def theirs(model, image):
    settings = {}
    if model.config.model_type == 'vit_mae':
        cells = image.shape[2] * image.shape[3] // 256
        settings = {'noise': torch.arange(cells)[None] / cells, 'interpolate_pos_encoding': True}
    return model(normalised(image), **settings).last_hidden_state[0]


@pytest.mark.parametrize('name', RECIPES)
def test_the_first_step_sees_what_the_source_computes(tmp_path, name):
    build, architecture = RECIPES[name]
    model = build()
    network, report = start(model, architecture, tmp_path)
    image = an_image(*architecture.input_size)
    assert distance(first_step(network, image), theirs(model, image)) < 1e-5
    assert not [part for part in report.random if not part.startswith('heads.')]
    assert all('mask_token' in part for part in report.left_out)


def test_every_branch_begins_with_the_blocks_of_the_source(tmp_path):
    model = dinov2()
    network, _ = start(model, replace(DINOV2, shared_blocks=2), tmp_path)
    image = an_image(84, 126)
    assert 'depth' in network.branches
    assert distance(first_step(network, image), theirs(model, image)) < 1e-5


def test_positions_of_another_grid_are_interpolated_and_that_is_said(tmp_path):
    _, report = start(dinov2(), replace(DINOV2, position_grid=()), tmp_path)
    assert 'interpolated from a grid of (8, 8) to (6, 9)' in explain(report, 'dinov2')


def test_what_the_recipe_has_to_name_is_said(tmp_path):
    architecture = replace(DINOV2, class_token=False, norm_eps=1e-5, num_heads=2,
                           image_mean=(0.0, 0.0, 0.0), position_interpolation='bicubic_offset')
    _, report = start(dinov2(), architecture, tmp_path)
    text = explain(report, 'dinov2')
    for expected in ('left out: prefix.tokens', 'architecture.norm_eps is 1e-05, that of the '
                     'source 1e-06', 'architecture.num_heads is 2', 'architecture.image_mean is',
                     'architecture.position_interpolation is bicubic_offset'):
        assert expected in text, expected


@pytest.mark.parametrize('form', ['folder', 'file'])
def test_a_recipe_names_a_folder_or_a_file(tmp_path, form):
    folder = saved(dinov2(), tmp_path / 'dinov2')
    initial = folder if form == 'folder' else folder / 'model.safetensors'
    phase = Phase((84, 126), batch_size=1, images=1)
    recipe = Recipe({'base': StagePlan((phase,))}, DINOV2, DataConfig(name='folder'), ('depth',),
                    initial=str(initial))
    prepared = prepare_network(runs_of(recipe, 'base')[0], 40, None)
    assert prepared.initial is not None and not prepared.initial.notes
    image = an_image(84, 126)
    assert distance(first_step(prepared.network.eval(), image), theirs(dinov2(), image)) < 1e-5
