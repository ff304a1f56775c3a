"""Time the dense encoder and the update of a frame with and without PyTorch's compiler."""

from functools import partial
from typing import Callable

import torch

from gpu_check.changing_clip import ChangingClip
from gpu_check.check import captured, Check, milliseconds
from gpu_check.models import subject_of, VIT_B
from mtshare_ros.benchmark.dense_contenders import encoder_piece
from mtshare_ros.benchmark.dense_forms import FormChooser
from mtshare_ros.benchmark.dense_pieces import prepare, rotation_of
from mtshare_ros.inference.device import computing_on
from mtshare_ros.sharing.static.static_network import StaticNetwork


def measure_compiled(check: Check) -> None:
    """Record both times; on a pretended device nothing is compiled."""
    with check.trying('dense encoder'):
        _measure_encoder(check)
    with check.trying('update'):
        _measure_update(check)


def _measure_encoder(check: Check) -> None:
    """Time the dense encoder of one task in each form, called and replayed from a graph."""
    subject = subject_of(check, VIT_B)
    network = prepare(subject.checkpoint.network, check.device, torch.float16)
    grid = network.config.grid_of(subject.size)
    rotation = rotation_of(network, grid, check.device)
    count = grid[0] * grid[1] + network.config.prefix_tokens
    tokens = torch.randn(1, count, network.config.embed_dim, device=check.device).half()
    chooser = FormChooser(str(check.device), compiling=check.pretended is None)
    with computing_on(str(check.device)), torch.inference_mode():
        piece = encoder_piece(network, network.base_task, (tokens, *rotation))
        for form in chooser.forms_of(piece):
            with check.trying(f'dense encoder, {form}'):
                call = chooser.build(piece, form)
                if call is None:
                    raise RuntimeError(f'{chooser.notices}')
                _time_encoder(check, form, partial(call, *piece.arguments))


def _time_encoder(check: Check, form: str, work: Callable[[], object]) -> None:
    repeats = check.size(50, 1)
    check.add('dense encoder', form=form, ms=milliseconds(work, repeats))
    check.add('dense encoder', form=f'{form}, as a graph',
              ms=milliseconds(captured(work), repeats))


def _measure_update(check: Check) -> None:
    """Time the captured update of a frame, as it is and compiled."""
    subject = subject_of(check, VIT_B)
    engine = subject.engine()
    session = engine.new_session()
    for image in ChangingClip(subject.size, 16, 0.06, 3).frames:
        engine.infer(image, session)
    camera = session.static
    if camera is None:
        raise RuntimeError('the engine did not use the static path')
    network: StaticNetwork = camera.network
    sizes = camera.buckets(0.5)[2]
    with computing_on(engine.device), torch.inference_mode():
        camera.compute(sizes)
        repeats = check.size(50, 2)
        check.add('update', form='a graph, with its maps', patches=sizes.patches,
                  ms=milliseconds(lambda: camera.compute(sizes), repeats))
        if check.pretended is None:
            compiled = torch.compile(network.update, mode='max-autotune-no-cudagraphs')
            check.add('update', form='compiled, without its maps', patches=sizes.patches,
                      ms=milliseconds(lambda: compiled(camera.state, sizes), repeats))
