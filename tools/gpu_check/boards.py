"""Estimates of the time of a frame on boards that cannot be measured."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Board:
    """
    Assumptions about a GPU.

    ``node_us`` is the least time of a kernel in a graph, ``wait_us`` the time that a wait costs
    the host. ``tflops`` is the rate of half precision that products reach, ``gb_s`` the memory
    bandwidth that kernels reach; ``link_gb_s`` is that of a pinned copy between host and device.
    """

    name: str
    node_us: float
    wait_us: float
    tflops: float
    gb_s: float
    link_gb_s: float

    def words(self) -> str:
        """Return the assumptions as text."""
        return (f'{self.node_us:.3g} us a kernel, {self.wait_us:.3g} us a wait, '
                f'{self.tflops:.3g} TFLOP/s, {self.gb_s:.3g} GB/s, copies {self.link_gb_s:.3g} '
                'GB/s')


_REACHED_ARITHMETIC, _REACHED_MEMORY = 0.45, 0.75
"""Shares of the data sheets' rates: of arithmetic by small products, of memory by large copies."""

AGX_ORIN = Board('Jetson AGX Orin 64 GB', node_us=5.0, wait_us=20.0,
                 tflops=_REACHED_ARITHMETIC * 42.5, gb_s=_REACHED_MEMORY * 204.8, link_gb_s=20.0)
ORIN_NANO = Board('Jetson Orin Nano 8 GB Super', node_us=6.0, wait_us=30.0,
                  tflops=_REACHED_ARITHMETIC * 16.7, gb_s=_REACHED_MEMORY * 102.0, link_gb_s=10.0)


@dataclass(frozen=True)
class Work:
    """Work of a frame: kernels, multiply-accumulates, bytes read, bytes to and from the device."""

    kernels: int
    macs: float
    bytes: float
    transferred: float
    waits: int = 2


def estimated_ms(work: Work, board: Board) -> float:
    """
    Return the sum of launches, arithmetic, memory and transfers, in milliseconds.

    The sum is an upper estimate: nothing is assumed to overlap, and the least time of a kernel is
    added to its arithmetic.
    """
    microseconds = (
        work.kernels * board.node_us + work.waits * board.wait_us
        + 2 * work.macs / (board.tflops * 1e6) + work.bytes / (board.gb_s * 1e3)
        + work.transferred / (board.link_gb_s * 1e3))
    return microseconds / 1e3
