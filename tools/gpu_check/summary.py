"""Summarise the results as text, and compare them with the targets of the package."""

from typing import Iterator, Sequence

from gpu_check.boards import AGX_ORIN, Board, estimated_ms, ORIN_NANO, Work
from gpu_check.contenders import SHARING, WHOLE
from gpu_check.models import LARGE, PUBLIC, VIT_B
from gpu_check.results import chosen, DONE, Line

NOT_MEASURED = 'not measured'

_OTHERS = {'dense': 'the fastest dense build', 'four': 'four networks'}
_TENTH, _NEVER_BELOW, _MOST_SPREAD = 0.1, 0.97, 1.3
_BARS = ((VIT_B, 'dense', 2.2), (VIT_B, 'four', 4.0), (LARGE, 'dense', 5.0),
         (PUBLIC, 'dense', 1.3))


def summarise(lines: Sequence[Line], *, pretend: bool) -> str:
    """Return the whole summary; of each step only the last run counts."""
    last = _last_run(lines)
    parts = (_heading(last, pretend), _ends(last), _judgements(last), _latency(last), _bars(last),
             _costs(last), _estimates(last))
    return '\n'.join(line for part in parts for line in part)


def all_passed(lines: Sequence[Line]) -> bool:
    """Return whether every step ended and every check passed; targets of speed do not count."""
    last = _last_run(lines)
    return all(line['end'] == DONE if line['what'] == 'end' else line.get('passed', True)
               for line in last)


def _last_run(lines: Sequence[Line]) -> list[Line]:
    """Return the lines without those of earlier runs of the same step."""
    found: dict[str, list[Line]] = {}
    ended = set()
    for line in lines:
        if line['step'] in ended:
            ended.discard(line['step'])
            found[line['step']] = []
        found.setdefault(line['step'], []).append(line)
        if line['what'] == 'end':
            ended.add(line['step'])
    return [line for step in found.values() for line in step]


def _heading(lines: list[Line], pretend: bool) -> Iterator[str]:
    if pretend:
        yield 'ON A PRETENDED GPU, with tiny models: no time below means anything.'
    for line in chosen(lines, 'constants', 'device'):
        yield f'{line["name"]}, PyTorch {line["torch"]}, CUDA {line["cuda"]}'


def _ends(lines: list[Line]) -> Iterator[str]:
    yield '\nSteps'
    for line in lines:
        if line['what'] == 'end':
            yield f'  {line["step"]}: {line["end"]}, {line["seconds"]} s'


def _judgements(lines: list[Line]) -> Iterator[str]:
    judged = [line for line in lines if 'passed' in line]
    failed = [line for line in judged if not line['passed']]
    yield f'\nChecks: {len(judged) - len(failed)} of {len(judged)} passed'
    for line in failed:
        found = {key: value for key, value in line.items()
                 if key not in ('step', 'what', 'passed', 'output')}
        yield f'  FAILED {line["step"]}, {line["what"]}: {found}'


def _latency(lines: list[Line]) -> Iterator[str]:
    yield '\nMilliseconds a frame, median / 99th percentile, everything counted'
    heading = ''
    for line in chosen(lines, 'latency', 'frame'):
        title = f'  {line["model"]}, {line["share"]:.0%} of the patches'
        if title != heading:
            heading = title
            yield title + _ratios(lines, line['model'], line['share'])
        entered = '' if line['dense'] or line['four'] else f', {line["entered"]:.1%} entered'
        yield f'    {line["contender"]}: {line["p50"]:.3f} / {line["p99"]:.3f}{entered}'


def _ratios(lines: list[Line], model: str, share: float) -> str:
    ratios = {kind: ratio_to(lines, model, share, kind) for kind in _OTHERS}
    return ''.join(f'; {ratio:.2f} times as fast as {_OTHERS[kind]}'
                   for kind, ratio in ratios.items() if ratio is not None)


def _frames(lines: list[Line], model: str, share: float) -> list[Line]:
    return [line for line in chosen(lines, 'latency', 'frame')
            if (line['model'], line['share']) == (model, share)]


def ratio_to(lines: list[Line], model: str, share: float, kind: str) -> float | None:
    """
    Return how many times faster sharing is than the fastest contender of a kind, by medians.

    ``kind`` is ``dense`` or ``four``. None where one of the two was not measured.
    """
    frames = _frames(lines, model, share)
    ours = [line['p50'] for line in frames if line['contender'] == SHARING]
    others = [line['p50'] for line in frames if line[kind]]
    return min(others) / ours[0] if ours and others else None


def _bars(lines: list[Line]) -> Iterator[str]:
    yield '\nWhat is asked for'
    for model, kind, least in _BARS:
        ratio = ratio_to(lines, model, _TENTH, kind)
        yield (f'  {model}, 10 % of the patches, against {_OTHERS[kind]}: at least {least}, '
               + (NOT_MEASURED if ratio is None else f'{ratio:.2f}: {_verdict(ratio >= least)}'))
    yield from _worst_ratio(lines)
    yield from _worst_spread(lines)


def _worst_ratio(lines: list[Line]) -> Iterator[str]:
    found = {(line['model'], line['share']) for line in chosen(lines, 'latency', 'frame')}
    ratios = {place: ratio for place in found
              if (ratio := ratio_to(lines, *place, 'dense')) is not None}
    text = NOT_MEASURED
    if ratios:
        place = min(ratios, key=lambda each: ratios[each])
        text = f'{ratios[place]:.2f} ({place[0]}, {place[1]:.0%}): ' + _verdict(
            ratios[place] >= _NEVER_BELOW)
    yield f'  never slower than dense: at least {_NEVER_BELOW} everywhere, {text}'


def _worst_spread(lines: list[Line]) -> Iterator[str]:
    spreads = {(line['model'], line['share']): line['p99'] / line['p50']
               for line in chosen(lines, 'latency', 'frame') if line['contender'] == SHARING}
    text = NOT_MEASURED
    if spreads:
        place = max(spreads, key=lambda each: spreads[each])
        text = f'{spreads[place]:.2f} ({place[0]}, {place[1]:.0%}): ' + _verdict(
            spreads[place] <= _MOST_SPREAD)
    yield f'  99th percentile to median: at most {_MOST_SPREAD}, {text}'


def _verdict(holds: bool) -> str:
    return 'reached' if holds else 'MISSED'


def _costs(lines: list[Line]) -> Iterator[str]:
    yield '\nGraphs of a camera'
    for line in chosen(lines, 'graphs', 'camera'):
        yield (f'  {line["model"]}: {line["ms"]:.0f} ms, {line["mb"]:.0f} MB, of it buffers '
               f'{line["buffers_mb"]:.0f} MB; weights {line["weights_mb"]:.0f} MB')
    yield '\nViT-B at 480x640 through the compiler, milliseconds'
    for line in chosen(lines, 'compiled'):
        if 'form' in line:
            yield f'  {line["what"]}, {line["form"]}: {line["ms"]:.3f}'
    yield '\nKernels, microseconds a call, Triton / plain'
    for line in chosen(lines, 'kernels', 'operator'):
        took = ' / '.join(f'{line[name]:.1f}' if name in line else '-'
                          for name in ('kernel', 'twin'))
        yield f'  {line["model"]}, {line["operator"]}: {took}'


def _estimates(lines: list[Line]) -> Iterator[str]:
    """Return estimates for boards, and for the measured device as a test of the estimate."""
    yield '\nESTIMATES, not measurements: kernels x us + MACs / rate + bytes / bandwidth'
    boards = [board for board in (_this_board(lines), AGX_ORIN, ORIN_NANO) if board is not None]
    for board in boards:
        yield f'  {board.name}, assumed: {board.words()}'
    for line in chosen(lines, 'profile', 'kernels'):
        work = Work(line['count'], line['macs'], line['bytes'], line['transferred'])
        frame = 'whole' if line['whole'] else f'{line["entered"]:.0%} entered'
        yield (f'    {line["model"]}, {frame}, {"with" if line["triton"] else "without"} Triton, '
               f'{work.kernels} kernels: ' + ', '.join(
                   f'{board.name} {estimated_ms(work, board):.2f} ms' for board in boards)
               + _measured(lines, line))


def _measured(lines: list[Line], profiled: Line) -> str:
    """Return as text the measured time of a frame like the estimated one."""
    contender = WHOLE if profiled['whole'] else SHARING
    found = [line['p50'] for line in _frames(lines, profiled['model'], _TENTH)
             if line['contender'] == contender and profiled['triton']]
    return f'; measured on this GPU: {found[0]:.2f} ms' if found else ''


def _this_board(lines: list[Line]) -> Board | None:
    """Return the measured device as a board, None where one of its constants is missing."""
    nodes, waits, bandwidths = (chosen(lines, 'constants', what)
                                for what in ('node', 'wait', 'bandwidth'))
    products = [line for line in chosen(lines, 'constants', 'product') if line['rows'] <= 150]
    links = [line for line in chosen(lines, 'constants', 'copy')
             if line['pinned'] and line['of'] == 'maps' and line['way'] == 'down']
    if not (nodes and waits and bandwidths and products and links):
        return None
    return Board('this GPU', nodes[0]['us'], waits[0]['us'], products[-1]['tflops'],
                 bandwidths[0]['gb_s'], links[0]['gb_s'])
