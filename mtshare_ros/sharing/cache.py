"""What the network remembers of one camera."""

from dataclasses import dataclass

import torch

from mtshare_ros.errors import ConfigError
from mtshare_ros.sharing.backlog import StaleTokens
from mtshare_ros.sharing.change import ChangeState
from mtshare_ros.sharing.encoder import TransformerState
from mtshare_ros.sharing.head import HeadState
from mtshare_ros.sharing.memory import tensor_bytes
from mtshare_ros.sharing.stem import StemState

FIRST_FRAME = 'first frame'


@dataclass
class CameraState:
    """
    Buffers for a grid of N patches and a kind of block, allocated once.

    ``ages`` (1 + T, N) int32 counts the frames since a patch ran ungated through everything: first
    through the shared blocks, then for each of the network's T tasks through its head.
    ``encoders`` and ``outputs`` hold what each encoder and each head has still to catch up with.
    """

    grid: tuple[int, int]
    kind: str
    change: ChangeState
    stem: StemState
    transformer: TransformerState
    heads: dict[str, HeadState]
    ages: torch.Tensor
    encoders: StaleTokens
    outputs: StaleTokens
    frame: int = 0

    def start_anew(self) -> None:
        """Let nothing build on what was computed so far."""
        self.frame = 0
        self.encoders.freeze_all()
        self.outputs.freeze_all()

    def nbytes(self) -> dict[str, int]:
        """Return the bytes by task, and what all tasks share as ``shared``."""
        shared = (self.change.nbytes + self.stem.nbytes + self.transformer.nbytes
                  + tensor_bytes(self.ages) + self.encoders.nbytes + self.outputs.nbytes)
        return {'shared': shared, **{task: state.nbytes for task, state in self.heads.items()}}


class ActivationCache:
    """
    The memory of one camera, handed to every run of the network; the network has none.

    After ``reset`` the next frame is computed as if it were the first.
    """

    def __init__(self) -> None:
        self.state: CameraState | None = None
        self._reason = FIRST_FRAME

    @property
    def reset_reason(self) -> str:
        """Why the next frame starts anew; empty where it builds on the last one."""
        return self._reason

    @property
    def camera(self) -> CameraState:
        """The buffers; raises ConfigError before the first frame."""
        if self.state is None:
            raise ConfigError('the cache has seen no frame yet; call infer with it first')
        return self.state

    def reset(self, reason: str) -> None:
        """Forget the camera; the reason stands in the next frame's statistics."""
        self._reason = reason

    def release(self, reason: str) -> None:
        """Forget the camera and let its buffers go; the next frame allocates them anew."""
        self.state = None
        self.reset(reason)

    def started(self) -> None:
        """Note that a frame was computed from nothing."""
        self._reason = ''

    def nbytes(self) -> dict[str, int]:
        """Return the bytes by task, and what all tasks share as ``shared``."""
        return {} if self.state is None else self.state.nbytes()
