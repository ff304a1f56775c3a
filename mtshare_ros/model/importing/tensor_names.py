"""Tensor names of public vision transformers and dense heads, and the names in this package."""

import re
from typing import Iterable, Mapping

import torch

from mtshare_ros.errors import ModelError

_PREFIXES = (
    'module.', 'teacher.backbone.', 'backbone.', 'pretrained.', 'vision_encoder.', 'vision_model.',
    'vit.', 'dinov2_with_registers.', 'dinov2.')
"""Prefixes under which whole models store their backbone."""

_BLOCK = r'(?:encoder\.layer|model\.layer|layers?|blocks|encoder)\.(\d+)\.'
ENDS = r'\.(weight|bias)'
"""How the names of most tensors end; one group of a rule."""

_ATTENTION = r'(?:attention\.)?(?:attention\.|self_attn\.)?'

_RULES = tuple((re.compile(pattern), ours) for pattern, ours in (
    (r'(?:embeddings\.)?cls_token|global_tokens', 'class_token'),
    (r'(?:embeddings\.)?(?:register|storage)_tokens|reg_token', 'registers'),
    (r'embeddings\.position_embeddings|pos_embed|input_adapters\.rgb\.pos_emb', 'positions'),
    (r'(?:embeddings\.patch_embeddings(?:\.projection)?|patch_embed\.proj|'
     rf'input_adapters\.rgb\.proj){ENDS}', r'stem.proj.\1'),
    (rf'{_BLOCK}(?:norm1|layernorm_before){ENDS}', r'blocks.\1.norm1.\2'),
    (rf'{_BLOCK}(?:norm2|layernorm_after){ENDS}', r'blocks.\1.norm2.\2'),
    (rf'{_BLOCK}attn\.qkv\.(weight|bias|bias_mask)', r'blocks.\1.attn.qkv.\2'),
    (rf'{_BLOCK}{_ATTENTION}(?:query|q_proj){ENDS}', r'blocks.\1.attn.query.\2'),
    (rf'{_BLOCK}{_ATTENTION}(?:key|k_proj){ENDS}', r'blocks.\1.attn.key.\2'),
    (rf'{_BLOCK}{_ATTENTION}(?:value|v_proj){ENDS}', r'blocks.\1.attn.value.\2'),
    (rf'{_BLOCK}attn\.q_bias', r'blocks.\1.attn.query.bias'),
    (rf'{_BLOCK}attn\.k_bias', r'blocks.\1.attn.key.bias'),
    (rf'{_BLOCK}attn\.v_bias', r'blocks.\1.attn.value.bias'),
    (rf'{_BLOCK}(?:attn\.proj|attention\.output\.dense|(?:attention\.)?o_proj){ENDS}',
     r'blocks.\1.attn.proj.\2'),
    (rf'{_BLOCK}(?:mlp\.(?:fc1|up_proj|c_fc)|intermediate\.dense){ENDS}',
     r'blocks.\1.mlp.fc1.\2'),
    (rf'{_BLOCK}(?:mlp\.(?:fc2|down_proj|c_proj)|output\.dense){ENDS}', r'blocks.\1.mlp.fc2.\2'),
    (rf'{_BLOCK}(?:layer_scale1\.lambda1|ls1\.gamma|gamma_1)', r'blocks.\1.scale1'),
    (rf'{_BLOCK}(?:layer_scale2\.lambda1|ls2\.gamma|gamma_2)', r'blocks.\1.scale2'),
    (rf'(?:layernorm|norm){ENDS}', r'norm.\1'),
))
"""From the names of Hugging Face (new and old), timm, Meta, TIPSv2 and MultiMAE to ours."""

_FOREIGN = re.compile(
    rf'{_BLOCK}.+|norm_pre\..+|patch_embed\.norm\..+|dist_token|embeddings\.(layer)?norm\..+')
"""Parts that change what a backbone computes, unless one of ``_RULES`` matches them."""

DEPTH_ANYTHING = (
    (rf'neck\.reassemble_stage\.layers\.(\d)\.projection{ENDS}', r'project.\1.\2'),
    (rf'neck\.reassemble_stage\.layers\.(\d)\.resize{ENDS}', r'resize.\1.\2'),
    (rf'neck\.convs\.(\d){ENDS}', r'lateral.\1.\2'),
    (rf'neck\.fusion_stage\.layers\.(\d)\.residual_layer(\d)\.convolution(\d){ENDS}',
     r'fuse.\1.res\2.conv\3.\4'),
    (rf'neck\.fusion_stage\.layers\.(\d)\.projection{ENDS}', r'fuse.\1.out.\2'),
    (rf'head\.conv(\d){ENDS}', r'out.conv\1.\2'),
)
"""Hugging Face's ``DepthAnythingForDepthEstimation``."""

DEPTH_ANYTHING_ORIGINAL = (
    (rf'projects\.(\d){ENDS}', r'project.\1.\2'),
    (rf'resize_layers\.(\d){ENDS}', r'resize.\1.\2'),
    *((rf'scratch\.layer{level}_rn{ENDS}', rf'lateral.{level - 1}.\1') for level in range(1, 5)),
    *((rf'scratch\.refinenet{level}\.resConfUnit(\d)\.conv(\d){ENDS}',
       rf'fuse.{4 - level}.res\1.conv\2.\3') for level in range(1, 5)),
    *((rf'scratch\.refinenet{level}\.out_conv{ENDS}', rf'fuse.{4 - level}.out.\1')
      for level in range(1, 5)),
    (rf'scratch\.output_conv1{ENDS}', r'out.conv1.\1'),
    (rf'scratch\.output_conv2\.0{ENDS}', r'out.conv2.\1'),
    (rf'scratch\.output_conv2\.2{ENDS}', r'out.conv3.\1'),
)
"""The files of Depth Anything's authors, below ``depth_head.``."""

TIPS = (
    (rf'reassemble\.readout_projects\.(\d){ENDS}', r'readout.\1.\2'),
    (rf'reassemble\.out_projections\.(\d){ENDS}', r'project.\1.\2'),
    (rf'reassemble\.resize_layers\.(\d){ENDS}', r'resize.\1.\2'),
    (rf'convs\.(\d){ENDS}', r'lateral.\1.\2'),
    (rf'fusion_blocks\.(\d)\.residual_unit\.conv(\d){ENDS}', r'fuse.\1.res1.conv\2.\3'),
    (rf'fusion_blocks\.(\d)\.main_unit\.conv(\d){ENDS}', r'fuse.\1.res2.conv\2.\3'),
    (rf'fusion_blocks\.(\d)\.out_conv{ENDS}', r'fuse.\1.out.\2'),
    (rf'project{ENDS}', r'middle.\1'),
    (rf'(?:depth|normals|segmentation)_head{ENDS}', r'last.\1'),
)
"""TIPSv2, below ``<task>_head.``; ``middle`` and ``last`` become the output layers."""

_UNUSED = 'fuse.0.res1.'
"""The coarsest level is added to no other level, yet some files hold weights for that."""


def backbone_name(name: str) -> str | None:
    """Return the name in this package of a backbone's tensor, None for any other tensor."""
    return translate(_without_prefix(name), _RULES)


def translate(name: str, rules: Iterable[tuple[re.Pattern[str], str]]) -> str | None:
    """Return the new name by the first rule that matches the whole name, None without one."""
    for pattern, ours in rules:
        match = pattern.fullmatch(name)
        if match:
            return match.expand(ours)
    return None


def is_foreign(name: str) -> bool:
    """Tell whether a tensor belongs to a backbone of another kind than this package runs."""
    return bool(_FOREIGN.fullmatch(_without_prefix(name))) and backbone_name(name) is None


def _without_prefix(name: str) -> str:
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name


def backbone_tensors(
    tensors: Mapping[str, torch.Tensor], source: str
) -> tuple[dict[str, torch.Tensor], frozenset[str]]:
    """Return the tensors of a backbone by our names, and the names they have in the source."""
    found: dict[str, torch.Tensor] = {}
    used: dict[str, str] = {}
    for name, value in tensors.items():
        ours = backbone_name(name)
        if ours is None:
            continue
        if ours in found:
            raise ModelError(
                f'{source}: {name} and {used[ours]} are both the {ours} of a backbone; the file '
                'holds several backbones, save the one that is wanted')
        found[ours], used[ours] = value, name
    return found, frozenset(used.values())


def ours_by_theirs(
    names: Iterable[str], rules: Iterable[tuple[str, str]], prefix: str = ''
) -> dict[str, str]:
    """Return our names of a head's tensors by their names in the source, all below ``prefix``."""
    patterns = [(re.compile(pattern), name) for pattern, name in rules]
    renamed = {}
    for name in names:
        ours = translate(name[len(prefix):], patterns) if name.startswith(prefix) else None
        if ours is not None and not ours.startswith(_UNUSED):
            renamed[name] = ours
    return renamed
