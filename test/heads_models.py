"""A tiny public backbone as others store it, and heads that ship without it."""

from dataclasses import replace

from safetensors.torch import save_file
import torch
import yaml

from mtshare_ros.config import to_values
from mtshare_ros.model.architecture import HeadConfig
from mtshare_ros.model.checkpoint import load_checkpoint
from mtshare_ros.model.description import ModelDescription, SINGLE, WeightSource
from mtshare_ros.model.heads_file import write_heads
from mtshare_ros.model.importing.public_backbone import read_backbone
from mtshare_ros.model.importing.source import open_source
from mtshare_ros.model.network import backbone_digest, build_model
from mtshare_ros.model.registration import describe_file
from mtshare_ros.tasks import DEFAULT_TASKS, load_labels

NAME = 'real_tiny'
WIDTH, DEPTH, GRID = 64, 2, 6


def public_tensors(seed=0, width=WIDTH):
    """Return a DINOv2 of two blocks by the names of Hugging Face, its weights random."""
    made = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(shape, generator=made) * 0.1

    tensors = {
        'embeddings.cls_token': draw(1, 1, width),
        'embeddings.position_embeddings': draw(1, 1 + GRID * GRID, width),
        'embeddings.patch_embeddings.projection.weight': draw(width, 3, 14, 14),
        'embeddings.patch_embeddings.projection.bias': draw(width),
        'layernorm.weight': 1 + draw(width), 'layernorm.bias': draw(width)}
    for number in range(DEPTH):
        block = {'norm1': (width,), 'norm2': (width,), 'mlp.fc1': (4 * width, width),
                 'mlp.fc2': (width, 4 * width), 'attention.output.dense': (width, width),
                 **{f'attention.attention.{part}': (width, width)
                    for part in ('query', 'key', 'value')}}
        for name, shape in block.items():
            tensors[f'encoder.layer.{number}.{name}.weight'] = draw(*shape)
            tensors[f'encoder.layer.{number}.{name}.bias'] = draw(shape[0])
        for scale in ('layer_scale1', 'layer_scale2'):
            tensors[f'encoder.layer.{number}.{scale}.lambda1'] = 1 + draw(width)
    return tensors


def write_public(path, **options):
    """Write the backbone as the file that Hugging Face serves; return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(public_tensors(**options), path)
    return path


def write_onnx(path, **options):
    """
    Write the backbone as torch exports it: matrices turned around and without their names.

    The positions of the class token and of the cells are constants of their own.
    """
    from onnx import helper, numpy_helper

    constants, nodes = [], []

    def keep(name, value):
        constants.append(numpy_helper.from_array(value.contiguous().numpy(), name))

    for name, value in public_tensors(**options).items():
        if name.endswith('position_embeddings'):
            keep('onnx::Concat_1', value[:, :1])
            keep('onnx::Reshape_2', value[:, 1:])
        elif name.endswith('.weight') and name.startswith('encoder') and value.ndim == 2:
            matrix = f'onnx::MatMul_{len(nodes)}'
            keep(matrix, value.t())
            place = name.removesuffix('.weight').replace('.', '/').replace('layer/', 'layer.')
            nodes.append(helper.make_node(
                'MatMul', ['x', matrix], ['y'], name=f'/backbone/{place}/MatMul'))
        else:
            keep(f'backbone.{name}', value)
    keep('decoder.final_conv.weight', torch.zeros(1, 4, 1, 1))
    graph = helper.make_graph(nodes, 'focus', [], [], initializer=constants)
    path.write_bytes(helper.make_model(graph).SerializeToString())
    return path


def heads_description(backbone, source):
    """Describe a model of four heads on the backbone."""
    head = HeadConfig(taps=(1, 2), channels=8, depth=1, hidden=16)
    architecture = replace(backbone.architecture, input_size=(84, 112),
                           heads=dict.fromkeys(DEFAULT_TASKS, head))
    return ModelDescription(
        architecture=architecture, tasks=DEFAULT_TASKS, labels=load_labels('nyu40'),
        focal_length=97.0, depth_range=(0.3, 8.0), trained_on='20 images of rooms',
        storage=SINGLE, backbone_sha256=backbone_digest(backbone.tensors),
        sources=(WeightSource(source.name, source.sha256, 'MIT', ('backbone',)),))


def write_shipped_heads(path, public):
    """Write heads for the backbone in a file, and return the network that they are of."""
    source = open_source(public)
    backbone = read_backbone(source)
    description = heads_description(backbone, source)
    torch.manual_seed(1)
    network = build_model(description.architecture, description.tasks, len(description.labels))
    network.load_state_dict(backbone.tensors, strict=False)
    network.heads.half().float()  # as they are stored
    write_heads(path, network.state_dict(), description)
    return network.eval()


def write_package(share, public, whole):
    """Make the ``models`` folder of a package that ships a whole model and heads for another."""
    folder = share / 'models'
    folder.mkdir(parents=True)
    small = folder / 'small.safetensors'
    small.write_bytes(whole.read_bytes())
    heads = folder / f'{NAME}.heads.safetensors'
    network = write_shipped_heads(heads, public)
    source = open_source(public)
    shipped = {'small': describe_file(small, load_checkpoint(small).description, licence='MIT')}
    without = describe_file(heads, heads_description(read_backbone(source), source),
                            licence='Apache-2.0', text='Heads that wait for a backbone.')
    (folder / 'manifest.yaml').write_text(yaml.safe_dump({
        'default': 'small', 'default_when_added': NAME,
        'heads': {NAME: to_values(without)},
        'models': {name: to_values(entry) for name, entry in shipped.items()}}))
    return network


def in_meta_names(tensors):
    """Return the backbone by the names of Meta, of which timm's are a part."""
    found = {}
    for name, value in tensors.items():
        new = name.removeprefix('encoder.').replace('layer.', 'blocks.')
        for ours, theirs in (
                ('embeddings.cls_token', 'cls_token'), ('layernorm', 'norm'),
                ('embeddings.position_embeddings', 'pos_embed'),
                ('embeddings.patch_embeddings.projection', 'patch_embed.proj'),
                ('attention.output.dense', 'attn.proj'), ('layer_scale1.lambda1', 'ls1.gamma'),
                ('layer_scale2.lambda1', 'ls2.gamma')):
            new = new.replace(ours, theirs)
        if 'attention.attention' not in new:
            found[new] = value
    for number in range(2):
        start = f'encoder.layer.{number}.attention.attention.'
        for end in ('weight', 'bias'):
            found[f'blocks.{number}.attn.qkv.{end}'] = torch.cat(
                [tensors[f'{start}{part}.{end}'] for part in ('query', 'key', 'value')])
    return found
