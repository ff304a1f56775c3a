"""Small models of every kind as files, and what ONNX Runtime computes of them."""

from dataclasses import replace

import torch
from torch import nn

from mtshare_ros.model.architecture import ArchitectureConfig, HeadConfig
from mtshare_ros.model.checkpoint import Checkpoint
from mtshare_ros.model.deltas import add_random_deltas, branch_out
from mtshare_ros.model.description import ModelDescription
from mtshare_ros.model.network import build_model
from mtshare_ros.tasks import DEFAULT_TASKS, load_labels

ROOMS = ArchitectureConfig(embed_dim=32, depth=2, num_heads=2, stem_channels=(8, 16, 16),
                           head_channels=8, head_depth=1, input_size=(64, 96))
PUBLIC = replace(
    ROOMS, stem='patch', position='absolute', patch_size=14, class_token=True, register_tokens=2,
    position_grid=(6, 6), position_interpolation='bicubic_antialias', input_size=(70, 84), heads={
        'semseg': HeadConfig(kind='linear', taps=(1, 2), class_token=True),
        'depth': HeadConfig(kind='linear', side=4, encoding='metres', bins=9,
                            depth_range=(0.1, 8)),
        'normals': HeadConfig(taps=(1, 2), channels=6, depth=1, hidden=10)})
DENSE_PREDICTION = replace(
    ROOMS, depth=4, stem='patch', position='rope_centred', class_token=True, input_size=(80, 64),
    heads={'semseg': HeadConfig(kind='dpt', taps=(1, 2, 3, 4), side=8, class_token=True,
                                channels=6, pyramid=(4, 6, 8, 10)),
           'depth': HeadConfig(kind='dpt', taps=(1, 2, 3, 4), channels=8, pyramid=(4, 6, 8, 10),
                               hidden=5, encoding='disparity'),
           'edge': HeadConfig(kind='geometry')})
SHAPES = {'rooms': ROOMS, 'branches': ROOMS, 'public': PUBLIC,
          'dense prediction': DENSE_PREDICTION}
TASKS = {'rooms': DEFAULT_TASKS, 'branches': DEFAULT_TASKS,
         'public': ('semseg', 'depth', 'normals'),
         'dense prediction': ('semseg', 'depth', 'edge')}


def checkpoint_of(kind):
    """Return a model of a kind, its weights such that everything matters."""
    config, labels = SHAPES[kind], load_labels('nyu40')
    torch.manual_seed(0)
    network = build_model(config, TASKS[kind], len(labels)).eval()
    for name, value in network.named_parameters():
        if value.ndim > 1 and not name.startswith('position'):
            nn.init.normal_(value, 0, (1.5 / value[0].numel()) ** 0.5)
    if kind == 'branches':
        network = branch_out(network, 1)
        add_random_deltas(network, density=0.5, scale=1.0)
    description = ModelDescription(
        architecture=network.config, tasks=TASKS[kind], labels=labels, focal_length=80.0,
        depth_range=(0.3, 8.0), trained_on='nothing')
    return Checkpoint(network, description)


def run_onnx(onnxruntime, path, feeds):
    """Return the outputs of a file by name for inputs by name, as numpy arrays."""
    session = onnxruntime.InferenceSession(path, providers=['CPUExecutionProvider'])
    return dict(zip([item.name for item in session.get_outputs()], session.run(None, feeds)))
