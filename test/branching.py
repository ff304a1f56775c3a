"""Small networks whose sub-tasks have weights of their own, and their files."""

from dataclasses import replace

from safetensors import safe_open
from tiny import TINY
import torch

from mtshare_ros.model.checkpoint import save_checkpoint
from mtshare_ros.model.deltas import add_random_deltas, branch_out
from mtshare_ros.model.description import ModelDescription
from mtshare_ros.model.network import build_model
from mtshare_ros.tasks import DEFAULT_TASKS, load_labels

DEEP = replace(TINY, depth=4)


def build(tasks=DEFAULT_TASKS, config=DEEP, seed=0):
    torch.manual_seed(seed)
    return build_model(config, tasks, 40).eval()


def branched(prefix=2, tasks=DEFAULT_TASKS, **deltas):
    network = branch_out(build(tasks), prefix)
    if deltas:
        add_random_deltas(network, **deltas)
    return network


def write_branched(folder, description, tasks):
    """Write a tiny model whose sub-tasks have a block with delta weights, and return its file."""
    network = branch_out(build(tasks, TINY), 1)
    add_random_deltas(network, density=0.3)
    path = folder / 'branched.safetensors'
    save_checkpoint(path, network, replace(description, architecture=network.config, tasks=tasks))
    return path


def describe(network, **values):
    return ModelDescription(**{
        'architecture': network.config, 'tasks': network.tasks, 'labels': load_labels('nyu40'),
        'focal_length': 110.0, 'depth_range': (0.3, 8.0), **values})


def save(path, network, **values):
    save_checkpoint(path, network, describe(network, **values))
    return path


def stored(path):
    """Return the metadata and the tensors of a file as they stand there."""
    with safe_open(path, framework='pt') as file:
        return file.metadata(), {name: file.get_tensor(name) for name in file.keys()}


def as_saved(network):
    """Return what a file can keep of a network, dense: rounded, and without counters."""
    return {name: value.to(torch.float16 if value.ndim > 1 else torch.float32)
            for name, value in network.state_dict().items() if value.is_floating_point()}
