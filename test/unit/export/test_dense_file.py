"""A dense network as an ONNX file computes what the package computes."""

import json

from exported import checkpoint_of, run_onnx, SHAPES
import numpy as np
import pytest
import torch

onnx = pytest.importorskip('onnx', reason='exporting needs the extra [export]')
pytest.importorskip('onnxscript', reason='exporting needs the extra [export]')
onnxruntime = pytest.importorskip('onnxruntime', reason='the check needs the extra [export]')

from mtshare_ros.errors import ConfigError, ModelError  # noqa: E402
from mtshare_ros.export.dense import choose_tasks, dense_graph  # noqa: E402
from mtshare_ros.export.onnx_file import (  # noqa: E402  # noqa: E402
    facts_of,  # noqa: E402
    Graph,
    OPSET,
    Port,
    write_onnx,
)
from mtshare_ros.inference.engine import Engine  # noqa: E402
from mtshare_ros.model.checkpoint import load_checkpoint  # noqa: E402
from mtshare_ros.model.manifest import find_model, ModelFile  # noqa: E402


def picture(size):
    """Return an image of slopes and noise; none of those that a file is made with."""
    random = np.random.default_rng(7)
    slopes = np.linspace(0, 200, size[1])[None, :, None] + np.arange(3) * 10
    return (slopes + random.integers(0, 35, (*size, 3))).astype(np.uint8)


def write(folder, checkpoint, size=None, **options):
    """Write a model as a file and return its path with what was said of it."""
    network = checkpoint.network
    graph = dense_graph(network, network.tasks, size or network.config.input_size, **options)
    path = folder / 'dense.onnx'
    precision = options.get('precision', torch.float32)
    facts = facts_of(ModelFile('tiny', path, 'abc'), checkpoint.description,
                     size or network.config.input_size, 'fp32')
    return path, write_onnx(path, graph, facts, precision)


@pytest.fixture(scope='module', params=SHAPES)
def written(request, tmp_path_factory):
    """Return a model of each kind with its file of maps and raw outputs."""
    checkpoint = checkpoint_of(request.param)
    return checkpoint, *write(tmp_path_factory.mktemp('files'), checkpoint, outputs='both')


def assert_near(found, expected, tolerance=1e-5):
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


def test_raw_outputs_are_those_of_the_network(written):
    checkpoint, path, _ = written
    network, size = checkpoint.network, checkpoint.network.config.input_size

    found = run_onnx(onnxruntime, path, {'image': picture(size)})

    with torch.no_grad():
        expected = network(torch.from_numpy(picture(size)).permute(2, 0, 1)[None])
    assert [name for name in found if name.startswith('raw_')] == [
        f'raw_{task}' for task in network.tasks]
    for task in network.tasks:
        assert_near(found[f'raw_{task}'], expected[task].numpy())


def test_maps_are_those_of_the_engine(written):
    checkpoint, path, _ = written
    engine = Engine(checkpoint, device='cpu', precision='fp32')

    found = run_onnx(onnxruntime, path, {'image': picture(engine.input_size)})

    prediction = engine.infer(picture(engine.input_size), engine.new_session())
    for name in (name for name in found if not name.startswith('raw_')):
        value, expected = found[name], getattr(prediction, name)
        assert value.shape == expected.shape and value.dtype == expected.dtype
        if value.dtype == np.uint8:  # the last digit decides between two classes, or two bytes
            assert (np.abs(value.astype(int) - expected) > 1).mean() < 1e-3
        else:
            assert_near(value, expected, 1e-4 if name == 'normals' else 1e-5)


def test_the_file_is_of_standard_operators_and_passes_the_checker(written):
    model = onnx.load(written[1])

    onnx.checker.check_model(model, full_check=True)
    assert {node.domain for node in model.graph.node} == {''}
    assert [(item.domain, item.version) for item in model.opset_import] == [('', OPSET)]


def test_bytes_are_cast_from_and_to_floating_point_as_tensorrt_wants_it(written):
    graph = onnx.shape_inference.infer_shapes(onnx.load(written[1])).graph
    kinds = {value.name: value.type.tensor_type.elem_type for value in graph.value_info}
    makers = {name: node for node in graph.node for name in node.output}

    readers = [node.op_type for node in graph.node if 'image' in node.input]
    assert readers == ['Cast']
    for output in graph.output:
        if output.type.tensor_type.elem_type == onnx.TensorProto.UINT8:
            assert makers[output.name].op_type == 'Cast'
            assert kinds[makers[output.name].input[0]] == onnx.TensorProto.FLOAT


def test_the_file_says_what_it_holds(written):
    checkpoint, path, _ = written
    model = onnx.load(path)
    facts = {entry.key: entry.value for entry in model.metadata_props}

    assert facts['model'] == 'tiny' and facts['licence'] == 'not stated'
    assert json.loads(facts['labels'])[1]['name'] == checkpoint.description.labels.names[1]
    assert json.loads(facts['normalisation'])['mean'][0] == pytest.approx(123.675)
    assert json.loads(facts['focal_length']) == 80.0
    ports = {value.name: value.doc_string for value in (*model.graph.input, *model.graph.output)}
    assert {**json.loads(facts['inputs']), **json.loads(facts['outputs'])} == ports
    assert all(ports.values())


def test_nothing_of_the_machine_stands_in_the_file(written):
    content = written[1].read_bytes()

    assert b'site-packages' not in content and b'.py' not in content


def test_the_size_is_one_that_was_asked_for(tmp_path):
    path, _ = write(tmp_path, checkpoint_of('public'), size=(98, 56), outputs='raw')

    found = run_onnx(onnxruntime, path, {'image': picture((98, 56))})

    assert found['semseg'].shape == (1, 40, 7, 4)


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['branches', 'dense prediction'])
def test_half_precision_is_near_to_single(kind, tmp_path):
    checkpoint = checkpoint_of(kind)
    network, size = checkpoint.network, checkpoint.network.config.input_size
    path, _ = write(tmp_path, checkpoint, outputs='raw', precision=torch.float16)

    found = run_onnx(onnxruntime, path, {'image': picture(size)})

    with torch.no_grad():
        expected = network(torch.from_numpy(picture(size)).permute(2, 0, 1)[None])
    assert tuple(found) == network.tasks
    for name, value in found.items():
        assert value.dtype == np.float32
        assert_near(value, expected[name].numpy(), 0.02)
    stored = {item.data_type for item in onnx.load(path).graph.initializer if len(item.dims) == 2}
    assert stored == {onnx.TensorProto.FLOAT16}


def test_a_model_tells_how_far_the_file_is_from_pytorch(written):
    assert written[2].difference < 1e-4
    assert written[2].bytes == written[1].stat().st_size and written[2].operators['Conv'] > 0


def test_a_task_without_weights_is_refused_by_name():
    network = checkpoint_of('dense prediction').network

    with pytest.raises(ConfigError, match='--tasks names edge; .* semseg, depth: .*no weights'):
        choose_tasks(network, ('depth', 'edge'))


def test_a_file_that_computes_something_else_is_not_written(tmp_path):
    class Drifting(torch.nn.Module):
        calls = 0

        def forward(self, image):
            self.calls += 1
            return (image.float() * self.calls,)

    graph = Graph(Drifting(), (torch.ones(3),), (Port('image', 'x'),), (Port('sum', 'x'),))
    with pytest.raises(ModelError, match='not written, because ONNX Runtime computes something'):
        write_onnx(tmp_path / 'wrong.onnx', graph, {})

    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize('name', ['rooms_vit_tiny', 'rooms_vit_tiny_shared'])
@pytest.mark.parametrize('outputs', ['maps', 'raw'])
def test_a_shipped_model_agrees_to_the_fifth_digit(name, outputs, tmp_path):
    checkpoint = load_checkpoint(find_model(name).path)
    _, done = write(tmp_path, checkpoint, outputs=outputs)

    # of processors that were tried: 8e-6 on an AMD EPYC, 1.1e-5 on an Intel Xeon
    assert done.difference < 2e-5
