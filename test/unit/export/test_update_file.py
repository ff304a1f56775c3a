"""Frames of which only listed cells are computed, as ONNX files: states in, states out."""

import json

from doc_pages import examples
from exported import checkpoint_of, run_onnx
import numpy as np
import pytest
import torch

onnx = pytest.importorskip('onnx', reason='exporting needs the extra [export]')
pytest.importorskip('onnxscript', reason='exporting needs the extra [export]')
onnxruntime = pytest.importorskip('onnxruntime', reason='the check needs the extra [export]')

from mtshare_ros.errors import ConfigError  # noqa: E402
from mtshare_ros.export.onnx_file import write_onnx  # noqa: E402
from mtshare_ros.export.update import (  # noqa: E402
    choose_sizes,
    update_graph,
    UpdateNetwork,
    whole_graph,
)
from mtshare_ros.model.network import fuse_batch_norm  # noqa: E402
from mtshare_ros.sharing.head import around  # noqa: E402
from mtshare_ros.sharing.pixel_maps import Level  # noqa: E402
from mtshare_ros.sharing.static.fixed_lists import FrameLists, HeadLists  # noqa: E402
from mtshare_ros.sharing.static.static_encoder import StaticTransformer  # noqa: E402
from mtshare_ros.sharing.static.static_heads import StaticHeads  # noqa: E402
from mtshare_ros.sharing.static.static_stem import StaticStem  # noqa: E402

GRID = (6, 8)
CHANGES = ([(2, 3)], [(0, 0), (5, 7)], [(2, 2), (2, 3), (3, 3)], [(4, 6)])
"""The patches that change, frame by frame."""


def lists_of_the_guide():
    """Return the function of docs/export.md that makes the lists of a frame."""
    found, = (item for item in examples('python')
              if item.page == 'export.md' and 'def make_lists' in item.text)
    namespace = {}
    exec(found.text, namespace)  # noqa: S102
    return namespace['make_lists']


class Package:
    """The network on lists, as the engine runs it."""

    def __init__(self, network):
        fused = fuse_batch_norm(network).requires_grad_(False)
        self.tasks, self.stem = network.tasks, StaticStem(fused, torch.float32)
        self.encoder = StaticTransformer(fused, network.tasks, torch.float32)
        self.heads = StaticHeads(fused, network.tasks, torch.float32)
        self.states = (self.stem.allocate(GRID, torch.device('cpu')),
                       self.encoder.allocate(GRID), self.heads.allocate(GRID))

    def first(self, image):
        stem, encoder, heads = self.states
        self.encoder.dense(encoder, self.stem.dense(stem, self.planes(image)))
        self.heads.dense(heads, encoder.taps, stem)
        return self.raw()

    def update(self, image, patches, kept=None):
        stem, encoder, heads = self.states
        mask = torch.zeros(GRID, dtype=torch.bool)
        mask.view(-1)[patches] = True
        cells = self.stem.affected(mask).flatten().nonzero()[:, 0]
        forced = torch.zeros_like(cells, dtype=torch.bool)
        tokens = self.stem.update(stem, self.planes(image), patches, cells)
        self.encoder.update(encoder, tokens, cells, forced, kept or len(cells))
        geometries = {item for item in self.heads.geometries.values() if item is not None}
        lists = {item: HeadLists(
            tuple(around(Level(GRID, item.side), cells, border) for border in item.borders),
            around(Level(GRID, 1), cells, item.patch_border)) for item in geometries}
        self.heads.update(heads, encoder.taps, stem, FrameLists(patches, cells, forced, lists))
        return self.raw()

    def planes(self, image):
        return torch.from_numpy(image).permute(2, 0, 1)[None]

    def raw(self):
        return {task: self.heads.raw(self.states[2], task).clone().numpy()
                for task in self.tasks}


def size_of(network):
    side = network.config.patch_size
    return GRID[0] * side, GRID[1] * side


def frames(network):
    """Return a first image, and others of which the patches of CHANGES differ from the last."""
    random, side = np.random.default_rng(3), network.config.patch_size
    image = random.integers(0, 256, (*size_of(network), 3)).astype(np.uint8)
    yield image, None
    for cells in CHANGES:
        image = image.copy()
        for row, column in cells:
            part = image[side * row:side * (row + 1), side * column:side * (column + 1)]
            part[:] = random.integers(0, 256, part.shape)
        yield image, np.array([row * GRID[1] + column for row, column in cells])


@pytest.fixture(scope='module', params=[
    'branches', *(pytest.param(kind, marks=pytest.mark.slow)
                  for kind in ('rooms', 'public', 'dense prediction'))])
def files(request, tmp_path_factory):
    """Return a model and its files of a first frame and of an update."""
    folder, checkpoint = tmp_path_factory.mktemp('files'), checkpoint_of(request.param)
    with torch.no_grad():
        network = UpdateNetwork(checkpoint.network, checkpoint.network.tasks,
                                size_of(checkpoint.network), 'raw')
        graphs = {'first': whole_graph(network),
                  'update': update_graph(network, choose_sizes(network, 20))}
        return checkpoint.network, {
            name: write_onnx(folder / f'{name}.onnx', graph, {}).path
            for name, graph in graphs.items()}


def facts_of(path):
    return {entry.key: json.loads(entry.value) for entry in onnx.load(path).metadata_props
            if entry.value[0] in '[{0123456789'}


def play(network, files, facts):
    """Yield what the files give frame by frame, lists made and states handed on as documented."""
    make_lists, states = lists_of_the_guide(), {}
    for image, patches in frames(network):
        feeds = {'image': image}
        if patches is not None:
            changed = np.zeros(GRID, bool)
            changed.reshape(-1)[patches] = True
            feeds.update(states, **make_lists(changed, facts))
        found = run_onnx(onnxruntime, files['first' if patches is None else 'update'], feeds)
        states = {name: found.pop(following) for following, name in facts['states'].items()}
        yield found


@torch.no_grad()
def test_frames_after_frames_are_those_of_the_package(files):
    network, paths = files
    package, facts = Package(network), facts_of(paths['update'])
    for (image, patches), found in zip(frames(network), play(network, paths, facts)):
        expected = (package.first(image) if patches is None else
                    package.update(image, torch.from_numpy(patches)))
        assert set(found) == set(network.tasks)
        for task, value in found.items():
            assert np.abs(value - expected[task]).max() <= 1e-5 * np.abs(expected[task]).max()
    dense = network(package.planes(image))['depth'].numpy()
    assert np.abs(dense - found['depth']).max() > 1e-3, 'nothing was taken from the states'


def test_both_files_name_the_same_states(files):
    first, update = facts_of(files[1]['first']), facts_of(files[1]['update'])

    assert first['states'] == update['states'] and len(first['states']) >= 8
    assert set(first['inputs']) == {'image'}
    assert set(update['inputs']) == {
        'image', *update['list_lengths'], *update['states'].values()}


def test_an_update_is_of_standard_operators_and_turns_no_state_around(files):
    model = onnx.load(files[1]['update'])
    onnx.checker.check_model(model, full_check=True)

    assert {node.domain for node in model.graph.node} == {''}
    readers = [node.op_type for node in model.graph.node
               if any(name.startswith('encoder_shared') for name in node.input)]
    assert 'ScatterND' in readers and 'Transpose' not in readers


@torch.no_grad()
@pytest.mark.slow
def test_blocks_may_compute_a_share_of_the_listed_cells(tmp_path):
    network = checkpoint_of('branches').network
    made = UpdateNetwork(network, network.tasks, size_of(network), 'raw')
    sizes = choose_sizes(made, 24, keep=0.5)
    graph = update_graph(made, sizes)
    assert (sizes.patches, sizes.kept) == (24, 16)
    written = write_onnx(tmp_path / 'update.onnx', graph, {})

    assert written.difference < 1e-5
    assert 'TopK' in written.operators and facts_of(written.path)['kept'] == 16
    assert 'forced' in facts_of(written.path)['inputs']


@torch.no_grad()
@pytest.mark.slow
def test_states_of_half_precision_are_half_as_large(tmp_path):
    network = checkpoint_of('branches').network
    made = UpdateNetwork(network, ('depth',), size_of(network), 'raw', torch.float16)
    graph = update_graph(made, choose_sizes(made, 8))
    written = write_onnx(tmp_path / 'update.onnx', graph, {}, torch.float16)

    assert written.difference < 5e-3
    kinds = {value.name: value.type.tensor_type.elem_type
             for value in onnx.load(written.path).graph.input}
    assert kinds['encoder_shared_0'] == kinds['stem_maps_1'] == onnx.TensorProto.FLOAT16


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['public', 'dense prediction'])
@torch.no_grad()
def test_heads_of_every_kind_are_updated_as_pytorch_does_it(kind, tmp_path):
    network = checkpoint_of(kind).network
    made = UpdateNetwork(network, network.tasks, size_of(network), 'raw')
    written = write_onnx(tmp_path / 'update.onnx', update_graph(made, choose_sizes(made, 8)), {})

    assert written.difference < 1e-5


@pytest.mark.parametrize('cells', [0, 25, 48])
@torch.no_grad()
def test_more_cells_than_lists_are_made_for_are_refused(cells):
    network = checkpoint_of('rooms').network
    made = UpdateNetwork(network, ('depth',), size_of(network))

    with pytest.raises(ConfigError, match=f'--update asks for {cells} of 48 patches; .* 1 to 24'):
        choose_sizes(made, cells)
