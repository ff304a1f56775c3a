"""Heads of any kind on all cells of a view that moves."""

from dataclasses import replace
from typing import Mapping, Sequence

import torch

from mtshare_ros.sharing.cache import CameraState
from mtshare_ros.sharing.dirty_cells import DirtyCells
from mtshare_ros.sharing.encoder import EncoderRunner
from mtshare_ros.sharing.head import HeadRunner, HeadUpdate


class WholeHeads:
    """Decodes the whole view: what heads keep of their cells lies elsewhere in the next one."""

    def __init__(self, runners: Mapping[str, HeadRunner]) -> None:
        self._runners = runners

    def run(
        self, camera: CameraState, encoder: EncoderRunner, tasks: Sequence[str],
        rows: torch.Tensor, cells: torch.Tensor,
    ) -> dict[str, HeadUpdate]:
        """
        Renew the raw outputs of tasks; return those of ``cells`` (n,) as what differs.

        ``rows`` (N,) is the row of the encoder's buffers that stands for each cell of the view.
        """
        whole, updates = DirtyCells(camera.stem), {}
        for task in tasks:
            inputs = encoder.head_inputs(camera.encoder, task, camera.stem)
            seen = tuple(tap.index_select(0, rows) for tap in inputs.taps)
            update = self._runners[task].update(
                camera.heads[task], replace(inputs, taps=seen), whole, ())
            updates[task] = HeadUpdate(cells, update.macs)
        return updates
