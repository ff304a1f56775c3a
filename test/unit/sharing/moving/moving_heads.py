"""Local heads of both kinds of networks on some patches of a view, beside the networks' own."""

from dataclasses import dataclass

from branched import branched_network
from clips import Camera, room_clip
import numpy as np
import torch
from torch import nn

from mtshare_ros.model.architecture import ArchitectureConfig, HeadConfig
from mtshare_ros.model.heads import HeadInput
from mtshare_ros.model.network import build_model
from mtshare_ros.sharing.head import make_head
from mtshare_ros.sharing.moving.moving_heads import MovingHeads
from mtshare_ros.sharing.transformer import TransformerRunner, TransformerWeights
from mtshare_ros.tasks import DEFAULT_TASKS

JUNK = 7.0


def with_pyramids(head_depth=2):
    """Return a network whose heads read a convolutional stem, its sub-tasks with own blocks."""
    return branched_network(head_depth=head_depth)


def with_taps():
    """Return a network on a plain backbone whose heads mix the rows behind four blocks."""
    torch.manual_seed(0)
    one = HeadConfig(taps=(1, 2, 3, 4), channels=8, depth=1, hidden=12)
    two = HeadConfig(taps=(1, 2, 3, 4), channels=6, depth=2, hidden=10)
    config = ArchitectureConfig(
        embed_dim=24, depth=4, num_heads=2, stem='patch', position='absolute', class_token=True,
        patch_size=14, input_size=(84, 112),
        heads=dict.fromkeys(DEFAULT_TASKS, two) | {'semseg': one})
    network = build_model(config, DEFAULT_TASKS, 40).eval().requires_grad_(False)
    for name, value in network.heads.named_parameters():
        if value.ndim > 1:
            nn.init.normal_(value, 0, (1.5 / value[0].numel()) ** 0.5)
        else:
            nn.init.normal_(value, 1.0 if 'norm.weight' in name else 0.0, 0.3)
    return network


@dataclass
class View:
    """A camera whose rows stand in another order than the patches of its view."""

    camera: Camera
    rows: torch.Tensor
    transformer: TransformerRunner
    heads: MovingHeads
    projected: dict

    @classmethod
    def of(cls, network, seed=0, dtype=torch.float32):
        """Return one of a network that has seen a frame; its rows are shuffled afterwards."""
        height, width = network.config.input_size
        clip = room_clip('static', noise=1.0, frames=1)
        camera = Camera(network)
        camera.see(np.ascontiguousarray(clip[0, :height, :width]))
        generator = torch.Generator().manual_seed(seed)
        state = camera.session.cache.camera
        for buffer in state.transformer.taps.buffers.values():
            buffer.copy_(torch.randn(buffer.shape, generator=generator))
        heads = MovingHeads({task: make_head(network, task, dtype) for task in DEFAULT_TASKS})
        return cls(camera, torch.randperm(state.transformer.patch_count, generator=generator),
                   TransformerRunner(TransformerWeights(network, torch.float32), 'fast'),
                   heads, heads.allocate(state))

    @property
    def state(self):
        """The buffers of the camera."""
        return self.camera.session.cache.camera

    @property
    def grid(self):
        """Rows and columns of patches."""
        return self.state.grid

    def forget(self):
        """Let nothing that the heads remember of former frames be of use."""
        self.projected = self.heads.allocate(self.state)
        for head in self.state.heads.values():
            for rows in (*head.features, head.output):
                rows[:-1] = JUNK

    def run(self, patches, tasks=DEFAULT_TASKS):
        """Run the heads on patches of the view; return what they did."""
        return self.heads.run(
            self.projected, self.state, self.transformer, tasks, self.rows, patches)

    def compute(self, patches, seed=1):
        """Let the transformer have other rows for patches of the view."""
        generator = torch.Generator().manual_seed(seed)
        count = self.state.transformer.token_count
        for buffer in self.state.transformer.taps.buffers.values():
            for copy in buffer.split(count):
                copy[self.rows[patches]] = torch.randn(
                    len(patches), buffer.shape[1], generator=generator)

    def raw(self, task):
        """Return a raw output as the heads left it."""
        return self.state.heads[task].raw

    def expected(self, task):
        """Return the raw output of the network's own head on all patches of the view."""
        network = self.camera.network
        given = self.transformer.head_inputs(self.state.transformer, task, self.state.stem)
        taps = tuple(tap[self.rows].T.reshape(1, -1, *self.grid) for tap in given.taps)
        image = torch.from_numpy(self.camera.frame).permute(2, 0, 1)[None]
        features = network.stem(network.normalize(image))
        prefix = tuple(rows[None] for rows in given.prefix)
        return network.heads[task](HeadInput(taps, prefix, features))
