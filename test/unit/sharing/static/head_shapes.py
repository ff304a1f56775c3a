"""Networks whose heads have all kinds of shapes, with weights such that everything matters."""

from dataclasses import replace
from functools import lru_cache

from branched import branched_network
import torch
from torch import nn

from mtshare_ros.model.architecture import HeadConfig
from mtshare_ros.tasks import DEFAULT_TASKS

TAPS = (1, 2, 3, 4)
PATCHES = {'stem': 'patch', 'position': 'absolute', 'class_token': True, 'register_tokens': 2}
MIXED = HeadConfig(taps=TAPS, channels=8, depth=2, hidden=16)
LOCAL = {
    'heads of four encoders': {'head_depth': 2},
    'heads of one encoder': {'head_depth': 2, 'prefix': 4},
    'a single convolution': {'head_depth': 1},
    'no convolution': {'head_depth': 0},
    'two groups of four taps': {**PATCHES, 'prefix': 4, 'heads': {
        **dict.fromkeys(DEFAULT_TASKS, MIXED),
        'semseg': HeadConfig(taps=TAPS, channels=12, depth=1, hidden=32)}},
    'two groups of four encoders': {**PATCHES, 'heads': {
        **dict.fromkeys(DEFAULT_TASKS, MIXED), 'normals': replace(MIXED, depth=0)}},
    'some mixed, some not': {'prefix': 4, 'heads': {
        'depth': MIXED, 'edge': MIXED, 'normals': replace(MIXED, hidden=0)}},
    'other taps': {'heads': {
        'semseg': HeadConfig(taps=(2, 4), channels=8, depth=1),
        'depth': HeadConfig(taps=(1, 3), channels=8, depth=2, normed=False)}},
}
METRES = {'encoding': 'metres', 'bins': 16, 'depth_range': (0.1, 8.0)}
DPT = HeadConfig(kind='dpt', taps=TAPS, channels=8, pyramid=(4, 6, 8, 10))
OTHERS = {
    'linear heads': {**PATCHES, 'heads': {
        'semseg': HeadConfig(kind='linear', taps=(2, 4), class_token=True),
        'depth': HeadConfig(kind='linear', side=4, **METRES),
        'normals': HeadConfig(kind='linear'),
        'edge': HeadConfig(kind='linear', side=4, taps=(1, 3), normed=False, class_token=True)}},
    'dpt heads': {**PATCHES, 'prefix': 4, 'patch_size': 14, 'input_size': (84, 112), 'heads': {
        'semseg': DPT,
        'depth': replace(DPT, hidden=5, encoding='disparity', normed=False),
        'normals': replace(DPT, class_token=True, side=8),
        'edge': replace(DPT, class_token=True, hidden=5)}},
    'heads of all kinds': {**PATCHES, 'heads': {
        'semseg': HeadConfig(kind='linear', taps=(2, 4)),
        'depth': replace(DPT, **METRES), 'normals': MIXED}},
}
SHAPES = {**LOCAL, **OTHERS}


@lru_cache(maxsize=None)
def network_of(name):
    """Return a network of one of SHAPES for a grid of 6 x 8 patches."""
    network = branched_network(**SHAPES[name]).requires_grad_(False)
    torch.manual_seed(0)
    for value in network.heads.parameters():
        if value.ndim > 1:
            nn.init.normal_(value, 0, (1.5 / value[0].numel()) ** 0.5)
    for value in network.heads.buffers():
        if value.is_floating_point():
            value.add_(0.3 * torch.rand(value.shape))
    return network
