"""What the network remembers of one camera while it moves."""

from dataclasses import dataclass, replace

import torch

from mtshare_ros.sharing.cache import CameraState
from mtshare_ros.sharing.encoder import EncoderRunner, EncoderState
from mtshare_ros.sharing.moving.projected_rows import ProjectedRows
from mtshare_ros.sharing.moving.ring import RingGrid


class WorldRotations:
    """The rotations of all tokens, cells by where they stand in the world."""

    def __init__(self, encoder: EncoderRunner, state: EncoderState, ring: RingGrid) -> None:
        self._encoder, self._prefix_rows = encoder, state.prefix_rows
        self._places, self._origin = ring.places, ring.origin
        table = encoder.rotary_beyond(ring.grid, ring.places, ring.origin)
        self.table = None if table is None else encoder.rotation_table(table)

    def renew(self, ring: RingGrid) -> None:
        """Turn the rows whose place is another than before, and the prefix with the view."""
        if self.table is None or (ring.places is self._places):
            return
        rows = (ring.places != self._places).any(dim=1).nonzero()[:, 0]
        if rows.shape[0] or ring.origin != self._origin:
            places = ring.places.index_select(0, rows)
            table = self._encoder.rotary_beyond(ring.grid, places, ring.origin)
            if table is not None:
                self.table.overwrite(torch.cat((rows, self._prefix_rows)), table)
        self._places, self._origin = ring.places, ring.origin


@dataclass
class MovingState:
    """
    The buffers of a camera, ``camera``, whose view moves over the world.

    Those of the encoder, the ages and what encoders have to catch up with are in the order of the
    ``ring``'s rows; those of the stem and the heads in that of the view's cells. ``encoder`` are
    the camera's own buffers with the ``rotations`` of the world; ``projected`` is by task what
    local heads made of rows.
    """

    camera: CameraState
    encoder: EncoderState
    ring: RingGrid
    rotations: WorldRotations
    projected: dict[str, ProjectedRows]

    @property
    def nbytes(self) -> int:
        """Bytes that it takes beside the buffers of the camera."""
        return sum(rows.nbytes for rows in self.projected.values())

    @property
    def turned(self) -> CameraState:
        """The camera's buffers with the rotations of the world."""
        return replace(self.camera, encoder=self.encoder)

    def follow(self, places: torch.Tensor) -> None:
        """Let each cell have the row whose content lies nearest, see ``RingGrid.followed``."""
        followed = self.ring.followed(places)
        self.ring = followed.ring
        if not followed.copies.shape[0]:
            return
        for buffer in self.encoder.by_row():
            tokens = buffer.view(-1, self.encoder.token_count, *buffer.shape[1:])
            tokens[:, followed.copies] = tokens[:, followed.originals]
        self.camera.ages[:, followed.copies] = self.camera.ages[:, followed.originals]
        for projected in self.projected.values():
            projected.forget(followed.copies)
