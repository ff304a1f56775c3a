"""What the parts of a dense prediction head are called in public files, and what they are here."""

import re
from typing import Iterable

_ENDS = r'\.(weight|bias)'

DEPTH_ANYTHING = (
    (rf'neck\.reassemble_stage\.layers\.(\d)\.projection{_ENDS}', r'project.\1.\2'),
    (rf'neck\.reassemble_stage\.layers\.(\d)\.resize{_ENDS}', r'resize.\1.\2'),
    (rf'neck\.convs\.(\d){_ENDS}', r'lateral.\1.\2'),
    (rf'neck\.fusion_stage\.layers\.(\d)\.residual_layer(\d)\.convolution(\d){_ENDS}',
     r'fuse.\1.res\2.conv\3.\4'),
    (rf'neck\.fusion_stage\.layers\.(\d)\.projection{_ENDS}', r'fuse.\1.out.\2'),
    (rf'head\.conv(\d){_ENDS}', r'out.conv\1.\2'),
)
"""Hugging Face's ``DepthAnythingForDepthEstimation``."""

DEPTH_ANYTHING_ORIGINAL = (
    (rf'projects\.(\d){_ENDS}', r'project.\1.\2'),
    (rf'resize_layers\.(\d){_ENDS}', r'resize.\1.\2'),
    *((rf'scratch\.layer{level}_rn{_ENDS}', rf'lateral.{level - 1}.\1') for level in range(1, 5)),
    *((rf'scratch\.refinenet{level}\.resConfUnit(\d)\.conv(\d){_ENDS}',
       rf'fuse.{4 - level}.res\1.conv\2.\3') for level in range(1, 5)),
    *((rf'scratch\.refinenet{level}\.out_conv{_ENDS}', rf'fuse.{4 - level}.out.\1')
      for level in range(1, 5)),
    (rf'scratch\.output_conv1{_ENDS}', r'out.conv1.\1'),
    (rf'scratch\.output_conv2\.0{_ENDS}', r'out.conv2.\1'),
    (rf'scratch\.output_conv2\.2{_ENDS}', r'out.conv3.\1'),
)
"""The files of Depth Anything's authors, below ``depth_head.``."""

TIPS = (
    (rf'reassemble\.readout_projects\.(\d){_ENDS}', r'readout.\1.\2'),
    (rf'reassemble\.out_projections\.(\d){_ENDS}', r'project.\1.\2'),
    (rf'reassemble\.resize_layers\.(\d){_ENDS}', r'resize.\1.\2'),
    (rf'convs\.(\d){_ENDS}', r'lateral.\1.\2'),
    (rf'fusion_blocks\.(\d)\.residual_unit\.conv(\d){_ENDS}', r'fuse.\1.res1.conv\2.\3'),
    (rf'fusion_blocks\.(\d)\.main_unit\.conv(\d){_ENDS}', r'fuse.\1.res2.conv\2.\3'),
    (rf'fusion_blocks\.(\d)\.out_conv{_ENDS}', r'fuse.\1.out.\2'),
    (rf'project{_ENDS}', r'middle.\1'),
    (rf'(?:depth|normals|segmentation)_head{_ENDS}', r'last.\1'),
)
"""TIPSv2, below ``<task>_head.``; ``middle`` and ``last`` become the output layers."""

_UNUSED = 'fuse.0.res1.'
"""The coarsest level has none below it to be added to, yet some files hold weights for that."""


def ours_by_theirs(
    names: Iterable[str], rules: Iterable[tuple[str, str]], prefix: str = ''
) -> dict[str, str]:
    """Return what this package calls the tensors of a head, by their names below ``prefix``."""
    patterns = [(re.compile(pattern), ours) for pattern, ours in rules]
    renamed = {}
    for name in names:
        if not name.startswith(prefix):
            continue
        for pattern, ours in patterns:
            match = pattern.fullmatch(name[len(prefix):])
            if match and not match.expand(ours).startswith(_UNUSED):
                renamed[name] = match.expand(ours)
    return renamed
