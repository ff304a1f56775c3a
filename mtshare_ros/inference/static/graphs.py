"""Work of fixed shapes as a CUDA graph, and copies between the host and a device."""

from typing import Callable, Mapping

import numpy as np
import torch

Work = Callable[[], None]


class GraphPool:
    """
    The memory in which the graphs of one camera keep what lies between their operators.

    They share it, because one runs after the other and nothing in it outlives a run. On a device
    without graphs, and after ``give_up``, work is called as it is.
    """

    def __init__(self, device: torch.device, *, enabled: bool = True) -> None:
        self.device = device
        self.fault = ''
        self._enabled = enabled and device.type == 'cuda'
        if self._enabled:
            self._handle = torch.cuda.graph_pool_handle()
            # the one that captures use by themselves is of whichever GPU captured first
            self._stream = torch.cuda.Stream(device)

    @property
    def captures(self) -> bool:
        """Whether work is captured."""
        return self._enabled

    def give_up(self, fault: str) -> None:
        """Capture nothing from now on; ``fault`` says why."""
        self._enabled, self.fault = False, fault

    def capture(self, work: Work) -> torch.cuda.CUDAGraph:
        """Return work that ran before as a graph; raises RuntimeError for what cannot be one."""
        graph = torch.cuda.CUDAGraph()
        # other threads, such as those of other cameras, may allocate memory meanwhile
        with torch.cuda.graph(graph, pool=self._handle, stream=self._stream,
                              capture_error_mode='thread_local'):
            work()
        return graph


class Captured:
    """
    Work that reads and writes the same buffers every time.

    The first call runs it operator by operator, which makes what is made once; the second captures
    it as a graph; from then on the graph is replayed. What the work reads from Python is frozen
    into the graph, so whatever changes from call to call must lie in a tensor.
    """

    def __init__(self, work: Work, pool: GraphPool) -> None:
        self._work, self._pool = work, pool
        self._graph: torch.cuda.CUDAGraph | None = None
        self._ran = False

    @property
    def is_graph(self) -> bool:
        """Whether the next call replays a graph."""
        return self._graph is not None

    def __call__(self) -> None:
        """Do the work on the device's current stream."""
        if self._graph is None and self._ran and self._pool.captures:
            self._try_to_capture()
        if self._graph is None:
            self._work()
            self._ran = True
        else:
            self._graph.replay()

    def _try_to_capture(self) -> None:
        try:
            self._graph = self._pool.capture(self._work)
        except torch.cuda.OutOfMemoryError:
            raise
        except RuntimeError as error:
            self._pool.give_up(str(error).splitlines()[0])


class Upload:
    """
    Fills buffers of a device, on CUDA out of pinned memory and on a stream of its own.

    What is launched on the current stream after ``send`` finds the new values, what was launched
    before it the old ones. The values may be changed as soon as ``send`` returns.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device) if device.type == 'cuda' else None

    def send(self, values: np.ndarray, buffer: torch.Tensor) -> None:
        """Copy an array, of whatever strides, into a buffer of its shape and dtype."""
        if self._stream is None:
            buffer.copy_(torch.from_numpy(np.ascontiguousarray(values)))
            return
        # memory of the frame's own: PyTorch hands it out again when the device has read it
        pinned = torch.empty(buffer.shape, dtype=buffer.dtype, pin_memory=True)
        np.copyto(pinned.numpy(), values, casting='no')
        current = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            buffer.copy_(pinned, non_blocking=True)
        current.wait_stream(self._stream)


class Download:
    """
    Copies tensors to fresh arrays; on CUDA on a stream of its own, with one wait for all of them.

    There the arrays lie in the pinned memory that the device wrote. Whole tensors come although
    little of them changed: the host would have to copy what it kept of the others for the caller,
    which takes it longer than the device, but for links slower than the host's own memory.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device) if device.type == 'cuda' else None
        self.end: torch.cuda.Event | None = None
        """Passed when the last tensors had come; None on the CPU."""

    def fetch(self, tensors: Mapping[str, torch.Tensor]) -> dict[str, np.ndarray]:
        """Return what the tensors hold once all work is done that the current stream was given."""
        if self._stream is None:
            return {name: _fresh(tensor, pinned=False).copy_(tensor).numpy()
                    for name, tensor in tensors.items()}
        copies = {name: _fresh(tensor, pinned=True) for name, tensor in tensors.items()}
        self._stream.wait_stream(torch.cuda.current_stream(self._device))
        with torch.cuda.stream(self._stream):
            for name, tensor in tensors.items():
                copies[name].copy_(tensor, non_blocking=True)
        self.end = torch.cuda.Event(enable_timing=True)
        self.end.record(self._stream)
        self.end.synchronize()
        return {name: copy.numpy() for name, copy in copies.items()}


def _fresh(tensor: torch.Tensor, *, pinned: bool) -> torch.Tensor:
    return torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=pinned)
