"""An update of stem and encoder as a CUDA graph, replayed with other images and lists."""

from branched import branched_network
from clips import room_clip
from padded import padded
from pretended_cuda import pretended_cuda
import pytest
import torch

from mtshare_ros.sharing.static.operators import FUSED, PLAIN
from mtshare_ros.sharing.static.static_encoder import StaticTransformer
from mtshare_ros.sharing.static.static_stem import StaticStem
from mtshare_ros.tasks import DEFAULT_TASKS

LISTS = [((3, 4, 11, 12, 13, 20), (13,)), ((0, 1, 9), (9, 0)), ((40, 45, 46, 47), ())]
LENGTH, KEPT = 9, 5


class Camera:
    """A camera on the pretended device, what it computes being in buffers of fixed addresses."""

    def __init__(self, network, operators, reuse):
        self.where = next(network.parameters()).device
        self.stem = StaticStem(network, torch.float32, operators)
        self.transformer = StaticTransformer(
            network, DEFAULT_TASKS, torch.float32, operators, reuse=reuse)
        self.stem_state = self.stem.allocate((6, 8), self.where)
        self.state = self.transformer.allocate((6, 8))
        self.image = torch.zeros(96, 128, 3, dtype=torch.uint8, device=self.where)
        self.patches = torch.zeros(LENGTH, dtype=torch.int64, device=self.where)
        self.forced = torch.zeros(LENGTH, dtype=torch.bool, device=self.where)
        self.show(0)
        self.transformer.dense(self.state, self.stem.dense(self.stem_state, self.planes))

    @property
    def planes(self):
        return self.image.permute(2, 0, 1)[None]

    def show(self, number, patches=(), forced=()):
        """Fill the buffers."""
        self.image.copy_(torch.from_numpy(room_clip('drive', noise=1.0)[number]))
        if patches:
            listed = padded(torch.tensor(patches), LENGTH - len(patches))
            self.patches.copy_(listed)
            self.forced.copy_(torch.isin(listed, torch.tensor(forced)))

    def update(self):
        tokens = self.stem.update(self.stem_state, self.planes, self.patches, self.patches)
        return self.transformer.update(self.state, tokens, self.patches, self.forced, KEPT)


@pytest.mark.parametrize('reuse', [1, 2])
@pytest.mark.parametrize('operators', [PLAIN, FUSED], ids=['plain', 'fused'])
@pytest.mark.parametrize('shape', [{}, {'stem': 'patch', 'position': 'absolute',
                                        'class_token': True}], ids=['convolutions', 'patches'])
def test_a_replay_computes_what_the_buffers_name_by_then(shape, operators, reuse):
    with pretended_cuda():
        network = branched_network(**shape).requires_grad_(False).to('cuda:0')
        captured, eager = (Camera(network, operators, reuse) for _ in range(2))
        graph = torch.cuda.CUDAGraph()
        captured.show(1, *LISTS[0])
        with torch.cuda.graph(graph):
            kept = captured.update()
        for number, lists in enumerate((*LISTS, LISTS[0]), 2):
            for camera in (captured, eager):
                camera.show(number, *lists)
            graph.replay()
            assert torch.equal(kept.cpu(), eager.update().cpu())
            for taps, rows in eager.state.taps.items():
                assert torch.equal(captured.state.taps[taps].cpu(), rows.cpu())
