"""``mtshare import``: one model of several sources, and what is refused."""

import json
import subprocess
import sys

from public_models import depth_anything, dinov2, saved, tips, write_linear_head
import pytest
from safetensors.torch import load_file, save_file
import torch

from mtshare_ros.model.checkpoint import load_checkpoint
from mtshare_ros.model.file_description import read_description

pytest.importorskip('transformers')
pytest.importorskip('typer')

TWELVE = {'hidden_size': 64, 'num_hidden_layers': 12, 'num_attention_heads': 1}
SIZE = ('--input-size', '112x112')


@pytest.fixture(scope='module')
def public(tmp_path_factory):
    """Write a backbone and two heads on it, as their authors publish them."""
    folder = tmp_path_factory.mktemp('public')
    saved(dinov2(TWELVE), folder / 'dinov2')
    (folder / 'dinov2' / 'README.md').write_text('---\nlicense: apache-2.0\n---\n# DINOv2\n')
    write_linear_head(folder / 'ade20k.safetensors', 'semseg', 64, 150)
    write_linear_head(folder / 'nyu_linear4.safetensors', 'depth', 8 * 64, 256)
    return folder


@pytest.fixture
def run(command_in, tmp_path):
    """Return a function that imports sources into ``tmp_path/out.safetensors``."""
    def run(*words):
        return command_in(tmp_path, 'import', *words, '--output', 'out.safetensors', *SIZE)

    return run


def sources(public):
    return [public / name for name in ('dinov2', 'ade20k.safetensors', 'nyu_linear4.safetensors')]


def test_a_backbone_and_its_heads_become_one_model_with_every_task(run, public, tmp_path):
    done = run(*sources(public), '--json', 'out.json')
    assert done.returncode == 0, done.stderr
    description = load_checkpoint(tmp_path / 'out.safetensors').description
    assert description.tasks == ('semseg', 'depth', 'normals', 'edge')
    assert description.architecture.heads['normals'].kind == 'geometry'
    assert (description.labels.name, len(description.labels)) == ('ade20k150', 150)
    assert description.storage == 'float32' and description.depth_range == (0.001, 10.0)
    assert description.focal_length == pytest.approx(518.86 * 112 / 640)
    assert description.depth_scaling == 'view'
    assert 0 < description.peaks[0].value < 65504
    assert f'at {description.peaks[0].name}; fp16 holds 65,504' in done.stdout
    values = json.loads((tmp_path / 'out.json').read_text())
    assert values['sources'][0]['tensors']['embeddings.cls_token'] == [1, 1, 64]
    assert values['backbone_sha256'] == description.backbone_sha256


def test_sources_and_licences_are_printed_and_stand_in_the_file(run, public, tmp_path):
    done = run(*sources(public), '--licence', 'ade20k.safetensors=CC-BY-4.0')
    first, second, third = read_description(tmp_path / 'out.safetensors').sources
    assert (first.licence, first.parts) == ('apache-2.0', ('backbone',))
    assert first.unused == ('embeddings.mask_token',)
    assert (second.licence, second.parts) == ('CC-BY-4.0', ('semseg',))
    assert (third.licence, third.parts) == ('not stated: look it up', ('depth',))
    for source in (first, second, third):
        assert source.name in done.stdout and source.sha256 in done.stdout
        assert f'licence: {source.licence}' in done.stdout
    assert 'not used:\n        embeddings.mask_token\n' in done.stdout


def test_only_the_tasks_that_are_asked_for_are_imported(run, public, tmp_path):
    run(*sources(public), '--tasks', 'semseg')
    description = read_description(tmp_path / 'out.safetensors')
    assert description.tasks == ('semseg',)
    assert description.sources[1].parts == ('semseg',) and not description.sources[2].parts


def test_normals_can_be_worked_out_although_there_is_a_head_for_them(run, tmp_path):
    saved(tips(), tmp_path / 'tips')
    done = run('tips', '--by-geometry', 'normals')
    shape = read_description(tmp_path / 'out.safetensors').architecture
    assert [shape.heads[task].kind for task in ('depth', 'normals', 'edge')] == [
        'dpt', 'geometry', 'geometry']
    assert 'normals_head.convs.*.weight (4)' in done.stdout


def test_the_same_backbone_twice_is_one(run, public, tmp_path):
    model = depth_anything(depth_estimation_type='metric', max_depth=20)
    folder = saved(model, tmp_path / 'metric')
    backbone = {name.removeprefix('backbone.'): value
                for name, value in load_file(folder / 'model.safetensors').items()
                if name.startswith('backbone.')}
    save_file(backbone, tmp_path / 'backbone.safetensors')
    write_linear_head(tmp_path / 'voc.safetensors', 'semseg', 64, 21)
    done = run('metric', 'backbone.safetensors', 'voc.safetensors')
    assert done.returncode == 0, done.stderr
    assert read_description(tmp_path / 'out.safetensors').tasks == (
        'semseg', 'depth', 'normals', 'edge')
    assert 'norm_eps' not in done.stdout


def test_what_two_sources_say_of_one_backbone_differently_is_told(run, public, tmp_path):
    other = changed(public / 'dinov2', tmp_path / 'other')
    (other / 'preprocessor_config.json').write_text(
        '{"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}')
    done = run(public / 'dinov2', 'other', public / 'ade20k.safetensors')
    assert 'image_mean of dinov2 is (123.675, 116.28, 103.53), which is used; that of other' in \
        ' '.join(done.stdout.split())


def test_another_backbone_is_refused_by_the_first_tensor_that_differs(run, tmp_path):
    saved(depth_anything(), tmp_path / 'depth')
    model = tips()
    with torch.no_grad():
        model.backbone.encoder.layer[2].mlp.fc1.weight += 1
    saved(model, tmp_path / 'tips')
    done = run('depth', 'tips', '--tasks', 'semseg,depth')
    assert done.returncode == 1
    assert 'tips: blocks.0.' in done.stderr and 'differs from that of depth' in done.stderr


def test_two_heads_for_one_task_are_refused(run, public, tmp_path):
    write_linear_head(tmp_path / 'kitti.safetensors', 'depth', 2 * 64, 256)
    done = run(*sources(public), 'kitti.safetensors')
    assert done.returncode == 1
    assert 'nyu_linear4.safetensors and kitti.safetensors both have a head for' in done.stderr


def test_relative_depth_never_becomes_metres(run, tmp_path):
    saved(depth_anything(), tmp_path / 'relative')
    done = run('relative')
    description = read_description(tmp_path / 'out.safetensors')
    assert description.architecture.heads['depth'].encoding == 'disparity'
    assert description.tasks == ('depth', 'edge') and description.depth_range is None
    assert 'no normals: no head for it was taken, and the depth is relative' in done.stdout


def test_classes_that_no_label_set_has_need_names(run, tmp_path):
    saved(tips(classes=3), tmp_path / 'tips')
    done = run('tips')
    assert done.returncode == 1 and 'has 3 classes' in done.stderr and '--labels' in done.stderr
    (tmp_path / 'mine.yaml').write_text(''.join(
        f'- {{id: {number}, name: class {number}, rgb: [{number}, 0, 0]}}\n'
        for number in range(3)))
    assert run('tips', '--labels', 'mine.yaml').returncode == 0
    assert read_description(tmp_path / 'out.safetensors').labels.names[2] == 'class 2'


def test_names_of_classes_in_the_configuration_are_kept(run, tmp_path):
    saved(tips(classes=2, id2label={0: 'road', 1: 'lawn'}), tmp_path / 'tips')
    assert run('tips').returncode == 0
    assert read_description(tmp_path / 'out.safetensors').labels.names == ('road', 'lawn')


def test_a_pickle_is_refused_with_the_line_that_converts_it(run, public, tmp_path):
    head = load_file(public / 'ade20k.safetensors')
    path = tmp_path / "it's a head.pth"
    torch.save({'state_dict': head, 'meta': {'epoch': 3}}, path)
    done = run(public / 'dinov2', path.name)
    assert done.returncode == 1 and 'this is a pickle' in done.stderr
    line = done.stderr[done.stderr.index('python3 -c '):].strip()
    assert 'weights_only=True' in line
    converted = subprocess.run(['bash', '-c', line.replace('python3', sys.executable, 1)],
                               cwd=tmp_path, capture_output=True, text=True)
    assert converted.returncode == 0, converted.stderr
    assert run(public / 'dinov2', "it's a head.safetensors").returncode == 0


def changed(folder, target, **tensors):
    target.mkdir()
    (target / 'config.json').write_text((folder / 'config.json').read_text())
    found = {**load_file(folder / 'model.safetensors'), **tensors}
    save_file({name: value for name, value in found.items() if value is not None},
              target / 'model.safetensors')
    return target


@pytest.mark.parametrize('tensors, expected', [
    ({'encoder.layer.3.mlp.weights_in.weight': torch.zeros(2, 2)}, 'gated layer (SwiGLU)'),
    ({'encoder.layer.3.attn.q_norm.weight': torch.ones(64)}, 'would compute something else'),
    ({'encoder.layer.3.norm2.weight': None}, 'blocks.3.norm2.weight and 0 more tensors'),
    ({'encoder.layer.3.norm2.weight': torch.zeros(9)}, 'blocks.3.norm2.weight is (9,) in'),
    ({'encoder.layer.3.norm2.weight': torch.full((64,), torch.nan)}, 'holds NaN'),
    ({'embeddings.patch_embeddings.projection.weight': torch.zeros(64, 3, 8, 8)}, 'patch_size'),
])
def test_a_backbone_that_cannot_be_run_is_refused(run, public, tmp_path, tensors, expected):
    changed(public / 'dinov2', tmp_path / 'other', **tensors)
    done = run('other', public / 'ade20k.safetensors')
    assert done.returncode == 1 and expected in done.stderr
    assert not (tmp_path / 'out.safetensors').exists()


@pytest.mark.parametrize('names, expected', [
    (['dinov2'], 'there is a backbone and no head, so'),
    (['ade20k.safetensors'], 'there is no backbone in it'),
    (['dinov2', 'wide.safetensors'], 'take head and backbone of one size'),
    (['dinov2', 'depth.safetensors'], '--depth-range'),
    (['absent'], 'there is no such model file'),
    (['empty'], 'expected model.safetensors'),
])
def test_sources_that_give_no_model_are_refused(run, public, tmp_path, names, expected):
    write_linear_head(tmp_path / 'wide.safetensors', 'semseg', 96, 21)
    write_linear_head(tmp_path / 'depth.safetensors', 'depth', 2 * 64, 64)
    (tmp_path / 'empty').mkdir()
    done = run(*(public / name if (public / name).exists() else name for name in names))
    assert done.returncode == 1 and expected in done.stderr


def test_the_range_of_bins_can_be_said(run, public, tmp_path):
    write_linear_head(tmp_path / 'depth.safetensors', 'depth', 2 * 64, 64)
    done = run(public / 'dinov2', 'depth.safetensors', '--depth-range', '0.5', '40')
    assert done.returncode == 0, done.stderr
    assert read_description(tmp_path / 'out.safetensors').depth_range == (0.5, 40.0)


def test_a_model_is_never_overwritten(run, public, tmp_path):
    (tmp_path / 'out.safetensors').write_bytes(b'mine')
    assert 'a model is never overwritten' in run(*sources(public)).stderr


def test_a_model_whose_numbers_fp16_cannot_hold_is_imported_with_a_warning(run, public, tmp_path):
    head = load_file(public / 'ade20k.safetensors')
    loud = tmp_path / 'loud.safetensors'
    save_file({name: value * 1e6 if name.endswith('conv_seg.weight') else value
               for name, value in head.items()}, loud)

    done = run(public / 'dinov2', loud)

    assert done.returncode == 0, done.stderr
    assert 'warning: the ' in done.stderr and 'heads.semseg.from_tokens' in done.stderr
    assert 'set precision to bf16 or fp32' in done.stderr
