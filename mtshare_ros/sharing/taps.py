"""The blocks whose tokens decode heads read, and the tokens that are kept for them."""

from dataclasses import dataclass

import torch

from mtshare_ros.model.architecture import ArchitectureConfig
from mtshare_ros.model.network import MultiTaskNetwork
from mtshare_ros.sharing.active_tokens import ActiveTokens
from mtshare_ros.sharing.block import GroupedNorm
from mtshare_ros.sharing.memory import tensor_bytes
from mtshare_ros.sharing.stem import StemState


@dataclass(frozen=True)
class Tap:
    """The output of ``block``, counted from 1; ``normed``: after the transformer's final norm."""

    block: int
    normed: bool = True


@dataclass(frozen=True)
class TapState:
    """
    The outputs of blocks that heads read, of N patches, T tokens and M encoders.

    A buffer is (M x T, D) float32, or (T, D) where one serves all encoders.
    """

    patch_count: int
    token_count: int
    buffers: dict[Tap, torch.Tensor]

    @property
    def nbytes(self) -> int:
        """Bytes of the buffers."""
        return tensor_bytes(*self.buffers.values())

    def patches(self, tap: Tap, encoder: int) -> torch.Tensor:
        """Return an encoder's patches (N, D) at a tap."""
        return self._tokens(tap, encoder)[:self.patch_count]

    def prefix(self, tap: Tap, encoder: int) -> torch.Tensor:
        """Return an encoder's prefix tokens (P, D) at a tap."""
        return self._tokens(tap, encoder)[self.patch_count:]

    def _tokens(self, tap: Tap, encoder: int) -> torch.Tensor:
        buffer, count = self.buffers[tap], self.token_count
        start = encoder * count if buffer.shape[0] > count else 0
        return buffer[start:start + count]


class TapTable:
    """The taps of a network's heads, and the norms between a block and its taps."""

    def __init__(self, network: MultiTaskNetwork, encoders: tuple[str, ...]) -> None:
        self.last = Tap(network.config.depth)
        self._shared_depth, self._width = network.config.shared_depth, network.config.embed_dim
        self._of = {task: taps_of(network.config, task) for task in network.tasks}
        self._readers: dict[Tap, set[int]] = {self.last: set()}
        for task, taps in self._of.items():
            for tap in taps:
                encoder = encoders.index(network.encoder_of(task))
                self._readers.setdefault(tap, set()).add(encoder)
        self.blocks = {tap.block for tap in self._readers}
        norms = [network.final_norm(encoder) for encoder in encoders]
        self._norm, self._norms = GroupedNorm(norms), [GroupedNorm([norm]) for norm in norms]

    def of(self, task: str) -> tuple[Tap, ...]:
        """Return the taps of a task's head, in the order in which it reads them."""
        return self._of[task]

    def blocks_of(self, task: str) -> tuple[int, ...]:
        """Return the blocks whose outputs a task's head reads."""
        return tuple(dict.fromkeys(tap.block for tap in self._of[task]))

    def allocate(self, patch_count: int, token_count: int, device: torch.device) -> TapState:
        """Return empty buffers for a camera."""
        return TapState(patch_count, token_count, {
            tap: torch.zeros(self._copies(tap) * token_count, self._width, device=device)
            for tap in self._readers})

    def write(
        self, state: TapState, block: int, active: ActiveTokens, values: torch.Tensor
    ) -> None:
        """Keep the output (n, D) of a block that is one of ``blocks``."""
        for tap, buffer in state.buffers.items():
            if tap.block != block:
                continue
            if not tap.normed:
                buffer.index_copy_(0, active.index, values)
            elif len(active.counts) == len(self._norms):
                buffer.index_copy_(0, active.index, self._norm(values, active.counts))
            else:
                self._write_by_encoders(tap, buffer, active, values)

    def _write_by_encoders(
        self, tap: Tap, buffer: torch.Tensor, active: ActiveTokens, values: torch.Tensor
    ) -> None:
        """Apply the norm of each encoder whose head reads it to the output of a shared block."""
        for encoder in self._readers[tap]:
            normed = self._norms[encoder](values, active.counts)
            buffer.index_copy_(0, active.index + encoder * active.token_count, normed)

    def _copies(self, tap: Tap) -> int:
        serves_all = tap.block <= self._shared_depth and not tap.normed
        return 1 if serves_all else len(self._norms)


def taps_of(config: ArchitectureConfig, task: str) -> tuple[Tap, ...]:
    """Return the taps of a task's head in the order in which it reads them."""
    head = config.head_of(task)
    return tuple(Tap(block, head.normed) for block in config.taps_of(head))


@dataclass(frozen=True)
class HeadInputs:
    """
    The transformer's tokens at every block that a task's head taps, and the features of the stem.

    ``taps`` (N, D) float32 each are those of the patches and ``prefix`` (P, D) float32 each those
    of the class token and the registers, in the order of the head's taps; views that change with
    the next frame.
    """

    taps: tuple[torch.Tensor, ...]
    prefix: tuple[torch.Tensor, ...]
    stem: StemState

    def of_patches(self, patches: torch.Tensor) -> torch.Tensor:
        """Return the tokens of patches (n,), all taps side by side: (n, taps x D)."""
        tokens = [tap.index_select(0, patches) for tap in self.taps]
        return tokens[0] if len(tokens) == 1 else torch.cat(tokens, dim=1)

    def class_tokens(self) -> torch.Tensor:
        """Return the class token at every tap (taps, D)."""
        return torch.stack([tokens[0] for tokens in self.prefix])
