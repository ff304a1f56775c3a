"""The dense contenders compute what the network computes, in every form."""

from dataclasses import replace
import sys

import numpy as np
import pytest
from tiny import TINY
import torch

from mtshare_ros.benchmark.bench_model import DeltaSettings, random_checkpoint
from mtshare_ros.benchmark.dense_contenders import (
    build_pieces,
    DENSE_CONTENDERS,
    encoder_piece,
    make_dense_contender,
)
from mtshare_ros.benchmark.dense_forms import (
    EAGER,
    FormChooser,
    Piece,
    PREPACKED,
    RUNTIME,
    time_in_turns,
)
from mtshare_ros.benchmark.dense_pieces import (
    EncoderPiece,
    HeadPiece,
    MapPiece,
    prepack,
    prepare,
    rotation_of,
    StemPiece,
    taps_of_all,
)
from mtshare_ros.image_frame import frame_to_cover
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.postprocess import decode
from mtshare_ros.inference.prediction import InferenceSettings
from mtshare_ros.model.architecture import HeadConfig
from mtshare_ros.model.deltas import add_random_deltas, branch_out
from mtshare_ros.tasks import DEFAULT_TASKS

SIZE = (96, 128)
IMAGE = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), np.uint8)


def branched(config=TINY, prefix=1):
    network = branch_out(random_checkpoint(config).network, prefix)
    add_random_deltas(network, density=0.5, scale=1.0)
    return network


def pieces_of(network):
    chooser = FormChooser('cpu', compiling=False, rounds=1)
    return build_pieces(network, network.tasks, SIZE, device='cpu', dtype=torch.float32,
                        chooser=chooser)


def raw_of(network):
    with torch.inference_mode():
        return network(torch.from_numpy(IMAGE).permute(2, 0, 1)[None])


@pytest.fixture(scope='module')
def network():
    return branched()


@pytest.fixture(scope='module')
def pieces(network):
    return pieces_of(network)


def test_the_dense_contender_computes_what_the_network_computes(network, pieces):
    contender = make_dense_contender('dense', network, network.tasks, pieces)

    contender.run(IMAGE)

    for task, raw in raw_of(network).items():
        torch.testing.assert_close(contender.raw(task), raw, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('change', [
    {'stem': 'patch'}, {'position': 'absolute'},
    {'stem': 'patch', 'class_token': True, 'register_tokens': 2, 'position': 'rope_centred',
     'image_mean': (0.0, 0.0, 0.0), 'image_std': (255.0, 255.0, 255.0),
     'heads': {'semseg': HeadConfig(kind='linear', taps=(1, 2), class_token=True),
               'depth': HeadConfig(taps=(1, 2), normed=False, channels=6, hidden=8)}}])
def test_every_kind_of_network_can_be_cut_into_pieces(change):
    network = branched(replace(TINY, **change))
    contender = make_dense_contender('dense', network, network.tasks, pieces_of(network))

    contender.run(IMAGE)

    for task, raw in raw_of(network).items():
        torch.testing.assert_close(contender.raw(task), raw, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('name', DENSE_CONTENDERS)
def test_tasks_without_weights_are_worked_out_as_the_engine_does(name):
    shape = replace(TINY, heads={
        'depth': HeadConfig(kind='linear', encoding='metres', depth_range=(0.1, 8.0)),
        'normals': HeadConfig(kind='geometry'), 'edge': HeadConfig(kind='geometry')})
    checkpoint = random_checkpoint(shape)
    checkpoint = replace(checkpoint, description=replace(
        checkpoint.description, tasks=DEFAULT_TASKS))
    engine, chooser = Engine(checkpoint), FormChooser('cpu', compiling=False, rounds=1)
    camera = engine.assumed_camera(frame_to_cover(SIZE, SIZE))
    asked = ('depth', 'normals', 'edge')
    pieces = build_pieces(checkpoint.network, asked, SIZE, device='cpu', dtype=torch.float32,
                          chooser=chooser, camera=camera)
    contender = make_dense_contender(name, checkpoint.network, asked, pieces)
    session, found = engine.new_session(), contender.run(IMAGE)
    expected = engine.infer(IMAGE, session, InferenceSettings(asked))
    assert (found.normals is None) == (found.edges is None) == (name == 'single')
    for task in asked if name != 'single' else ('depth',):
        torch.testing.assert_close(
            contender.raw(task), engine.raw(session, task), rtol=1e-3, atol=1e-3)
    assert np.allclose(found.depth, expected.depth, rtol=1e-4)


def test_the_maps_are_those_of_the_raw_outputs(network, pieces):
    contender = make_dense_contender('dense', network, network.tasks, pieces)

    prediction = contender.run(IMAGE)

    for task in network.tasks:
        for name, expected in decode(task, contender.raw(task), SIZE).items():
            # a unit vector's part near zero is rounded as its larger parts are
            np.testing.assert_allclose(
                getattr(prediction, name), expected, rtol=1e-5, atol=1e-6)


def test_a_shared_encoder_gives_sub_tasks_the_tokens_of_the_base_task(network, pieces):
    contender = make_dense_contender('shared_encoder', network, network.tasks, pieces)

    contender.run(IMAGE)

    expected = raw_of(network)
    torch.testing.assert_close(contender.raw('semseg'), expected['semseg'], rtol=1e-4, atol=1e-5)
    assert (contender.raw('depth') - expected['depth']).abs().max() > 1e-3


def test_independent_networks_share_nothing(network, pieces):
    contender = make_dense_contender('independent', network, network.tasks, pieces)

    assert [item.own_stem for item in contender.passes] == [True] * 4
    assert [item.heads for item in contender.passes] == [(task,) for task in network.tasks]


def test_a_single_network_computes_one_task(network, pieces):
    prediction = make_dense_contender('single', network, network.tasks, pieces).run(IMAGE)

    assert prediction.mask is not None and prediction.depth is None


@pytest.mark.parametrize('name', DENSE_CONTENDERS)
def test_the_form_names_every_piece(name, network, pieces):
    form = make_dense_contender(name, network, network.tasks, pieces).form

    assert all(piece in form for piece in ('stem: ', 'encoder: ', 'head semseg: '))


def test_a_prepacked_encoder_computes_the_same(network):
    ready = prepare(network, torch.device('cpu'), torch.float32)
    rotation = rotation_of(ready, (6, 8), torch.device('cpu'))
    tokens = torch.randn(1, 48, TINY.embed_dim)
    encoder = EncoderPiece(ready, 'depth')
    with torch.inference_mode():
        (expected,) = encoder(tokens, *rotation)
        (found,) = prepack(encoder)(tokens, *rotation)

    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_without_compiling_only_the_other_forms_are_tried(network):
    ready = prepare(network, torch.device('cpu'), torch.float32)
    arguments = (torch.randn(1, 48, TINY.embed_dim),
                 *rotation_of(ready, (6, 8), torch.device('cpu')))
    chooser = FormChooser('cpu', compiling=False, rounds=1)
    with torch.inference_mode():
        trial = chooser.fastest(encoder_piece(ready, 'semseg', arguments))

    assert set(trial.milliseconds) == {EAGER, PREPACKED}
    assert trial.milliseconds[trial.form] == min(trial.milliseconds.values())


def test_what_cannot_be_compiled_is_said_and_left_out(network):
    ready = prepare(network, torch.device('cpu'), torch.float32)
    arguments = (torch.randn(1, 48, TINY.embed_dim + 1),)  # a width the encoder does not take
    chooser = FormChooser('cpu', rounds=1)
    with torch.inference_mode():
        built = chooser.build(encoder_piece(ready, 'semseg', arguments), 'compiled, static')

    assert built is None and not chooser.compiling
    assert len(chooser.notices) == 1 and 'nothing was compiled' in chooser.notices[0]


@pytest.mark.parametrize('piece', ['stem', 'encoder', 'head', 'maps'])
def test_a_piece_in_onnx_runtime_computes_the_same(network, piece):
    pytest.importorskip('onnxscript', reason='exporting needs the extra [export]')
    pytest.importorskip('onnxruntime', reason='exporting needs the extra [export]')
    cpu, grid = torch.device('cpu'), (6, 8)
    ready = prepare(network, cpu, torch.float32)
    taps = taps_of_all(ready, ['depth'])
    image = torch.from_numpy(IMAGE).permute(2, 0, 1)[None]
    with torch.inference_mode():
        stem = StemPiece(ready, grid)
        tokens, *fine = stem(image)
        encoder, rotation = EncoderPiece(ready, 'depth', taps), rotation_of(ready, grid, cpu)
        encoded = encoder(tokens, *rotation)
        head = HeadPiece(ready, 'depth', grid, taps)
        given = head.arguments(encoded, fine)
        module, arguments = {
            'stem': (stem, (image,)), 'encoder': (encoder, (tokens, *rotation)),
            'head': (head, given), 'maps': (MapPiece('depth', SIZE), (head(*given),))}[piece]
        found = FormChooser('cpu', rounds=1).build(
            Piece(piece, module, arguments), RUNTIME)(*arguments)
        expected = module(*arguments)

    assert type(found) is type(expected)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_without_onnx_runtime_it_is_left_out_and_said_so(network, monkeypatch):
    pytest.importorskip('onnxscript', reason='exporting needs the extra [export]')
    monkeypatch.setitem(sys.modules, 'onnxruntime', None)
    chooser = FormChooser('cpu', rounds=1)
    piece = Piece('maps', MapPiece('depth', SIZE), (torch.randn(1, 1, 24, 32),))

    assert chooser.build(piece, RUNTIME) is None

    assert RUNTIME not in chooser.forms_of(piece)
    notice, = chooser.notices
    assert notice.startswith('ONNX Runtime was left out: ') and '[export]' in notice


def test_calls_take_turns():
    order = []
    time_in_turns({name: lambda name=name: order.append(name) for name in 'ab'}, 2, 'cpu')

    assert order == ['a', 'b'] * 4


def test_random_deltas_are_the_same_every_time():
    one, other = (branched().own_blocks('depth')[0].mlp.fc1.weight for _ in range(2))

    assert torch.equal(one, other)
    assert DeltaSettings().granularity == 'row'
