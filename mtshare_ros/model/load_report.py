"""What became of the tensors of a file that a training starts from, in words."""

from dataclasses import dataclass
import re
from typing import Iterable, Iterator


@dataclass(frozen=True)
class LoadReport:
    """
    Which tensors of the network were filled, and which tensors of the file were left out.

    ``by_chance`` are those of the network that the file has nothing for; branches begin equal to
    the base task and are not among them. ``notes`` say what else differs from the file's network.
    """

    loaded: tuple[str, ...]
    left_out: tuple[str, ...]
    by_chance: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


_MEANINGS = (
    (r'position\.table', 'learnt positions, which this network does not have '
     '(architecture.position); what the blocks know of places has to be learnt anew'),
    (r'prefix\.tokens', 'class and register tokens, of which this network has none or another '
     'number (architecture.class_token, register_tokens); the blocks learnt to attend to them'),
    (r'(.*\.)?mask_token', 'what stood for hidden patches in the training of the source'),
    (r'.*\.(q_norm|k_norm)\..*', 'norms of queries and keys, which these blocks do not '
     'have; their attention is another one'),
    (r'blocks\..*', 'parts of blocks that this network has not, or in another shape'),
    (r'((neck|head\.conv\d|decode_head|(depth|normals|segmentation)_head|decoder|(in|out)put_'
     r'adapters)\.|decoder_).*', 'heads and decoders of the source; mtshare import makes a model '
     'of those that give maps'),
    (r'(head|head_dist|fc_norm|attn_pool)\..*', 'the classifier, which nothing here needs'),
    (r'heads\..*', 'decode heads of other tasks, or for other classes'),
    (r'branches\..*', 'delta weights of other sub-tasks, or of blocks that are shared here'),
    (r'(patch_embed|stem)\..*', 'the way from pixels to tokens, which is another one here '
     '(architecture.stem)'),
    (r'norm(_pre)?\..*', 'a norm that this network has not, or in another width'),
)
"""What it means to leave a tensor out, by its whole name; the first that fits counts."""


def explain(report: LoadReport, source: str) -> str:
    """
    Say what was read from a file, what was left out and what that means, and what is by chance.

    One line for each kind of tensor, after a first one.
    """
    count = len(report.loaded)
    head = (f'{source}: {count} of {count + len(report.left_out)} tensors were read'
            + ('' if report.left_out or report.by_chance or report.notes else
               ', which is all of the network'))
    return '\n'.join((head, *_left_out(report.left_out), *_by_chance(report.by_chance),
                      *(f'  differs: {note}' for note in report.notes)))


def _left_out(names: Iterable[str]) -> Iterator[str]:
    kinds: dict[str, list[str]] = {}
    for name in names:
        kinds.setdefault(_meaning_of(name), []).append(name)
    for meaning, found in kinds.items():
        yield f'  left out: {_some(found)}: {meaning}'


def _by_chance(names: tuple[str, ...]) -> Iterator[str]:
    parts = dict.fromkeys('.'.join(name.split('.')[:2]) if name.startswith(('heads.', 'blocks.'))
                          else name.split('.')[0] for name in names)
    if parts:
        yield f'  begins by chance: {", ".join(parts)}'


def _meaning_of(name: str) -> str:
    return next((meaning for pattern, meaning in _MEANINGS if re.fullmatch(pattern, name)),
                'nothing of that name is here')


def _some(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f'{names[0]} and {len(names) - 1} more'
