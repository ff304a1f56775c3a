"""Time the transfers to the device and back, and the gate."""

from dataclasses import replace
from typing import Callable

import numpy as np
import torch

from gpu_check.changing_clip import ChangingClip
from gpu_check.check import Check, milliseconds
from gpu_check.models import LARGE, Subject, subject_of, VIT_B
from mtshare_ros.inference.device import computing_on
from mtshare_ros.inference.engine import Engine
from mtshare_ros.inference.prediction import InferenceSettings
from mtshare_ros.inference.static.graphs import Download, Upload
from mtshare_ros.sharing.plan import PlanBounds
from mtshare_ros.sharing.sharing_settings import SharingSettings

_SHARE = 0.1
_CHANNELS = 19
"""Bytes a pixel takes in the maps of four tasks."""


def measure_transfers(check: Check) -> None:
    """Time the parts of a frame outside the network, at two sizes."""
    for name in (VIT_B, LARGE)[:check.size(2, 1)]:
        subject = subject_of(check, name)
        with check.trying(f'transfers, {name}'):
            _measure_copies(check, name, subject.size)
        with check.trying(f'gate, {name}'):
            _measure_stages(check, name, subject)


def _measure_copies(check: Check, name: str, size: tuple[int, int]) -> None:
    image = torch.zeros(*size, 3, dtype=torch.uint8, device=check.device)
    maps = torch.zeros(size[0] * size[1] // 256, 256 * _CHANNELS, dtype=torch.uint8,
                       device=check.device)
    patches = torch.arange(0, maps.shape[0], round(1 / _SHARE), device=check.device)
    on_host, places = np.zeros(maps.shape, np.uint8), patches.cpu().numpy()
    frame = np.zeros((*size, 3), np.uint8)
    upload, download = Upload(check.device), Download(check.device)

    def changed_only() -> None:
        found = download.fetch({'patches': maps.index_select(0, patches)})['patches']
        # the caller owns the arrays of each frame, so unchanged patches have to be copied as well
        whole = on_host.copy()
        whole[places] = found

    ways: dict[str, Callable[[], object]] = {
        'upload, pinned': lambda: upload.send(frame, image),
        'upload, pageable': lambda: image.copy_(torch.from_numpy(frame)),
        'download, pinned, whole maps': lambda: download.fetch({'maps': maps}),
        'download, pageable, whole maps': lambda: maps.cpu(),
        'download, pinned, a tenth of the patches': changed_only,
    }
    for what, work in ways.items():
        check.add('transfer', model=name, of=what, ms=milliseconds(work, check.size(50, 2)))


def _measure_stages(check: Check, name: str, subject: Subject) -> None:
    """Time the stages of frames with few changes, and the gate alone."""
    engine = subject.engine()
    session = engine.new_session()
    engine.prepare(session)
    settings = InferenceSettings(engine.tasks, replace(SharingSettings(), policy='none'))
    stages: dict[str, list[float]] = {}
    for number, image in enumerate(ChangingClip(subject.size, 16, 0.05, check.size(40, 4)).frames):
        stats = engine.infer(image, session, settings).stats
        for stage, took in stats.stage_ms.items() if number > 1 else ():
            stages.setdefault(stage, []).append(took)
    check.add('stages', model=name, **{
        stage: float(np.median(took)) for stage, took in stages.items()})
    _measure_gate(check, name, engine, session, settings)


def _measure_gate(
    check: Check, name: str, engine: Engine, session: object, settings: InferenceSettings
) -> None:
    camera = session.static  # type: ignore[attr-defined]
    limits = PlanBounds(engine.crossover(settings.sharing).share,
                        settings.sharing.scene_cut_fraction)

    def gate() -> None:
        camera.observe(settings.sharing, limits, 1.0)
        camera.counts()

    with computing_on(engine.device), torch.inference_mode():
        check.add('gate', model=name, ms=milliseconds(gate, check.size(100, 3)))
