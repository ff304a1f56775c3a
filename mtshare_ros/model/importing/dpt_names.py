"""What the parts of a dense prediction head are called in public files, and what they are here."""

import re
from typing import Iterable

from mtshare_ros.model.importing.names import ENDS, translate

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
"""The coarsest level has none below it to be added to, yet some files hold weights for that."""


def ours_by_theirs(
    names: Iterable[str], rules: Iterable[tuple[str, str]], prefix: str = ''
) -> dict[str, str]:
    """Return what this package calls the tensors of a head, by their names below ``prefix``."""
    patterns = [(re.compile(pattern), name) for pattern, name in rules]
    renamed = {}
    for name in names:
        ours = translate(name[len(prefix):], patterns) if name.startswith(prefix) else None
        if ours is not None and not ours.startswith(_UNUSED):
            renamed[name] = ours
    return renamed
