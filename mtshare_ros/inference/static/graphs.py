"""Work of fixed shapes as a CUDA graph, and copies between the host and a device."""

from typing import Callable, Mapping

import numpy as np
import torch

Work = Callable[[], None]


class GraphPool:
    """
    The memory in which the graphs of one camera keep their intermediate results.

    They share it, because they run one after the other and nothing in it outlives a run. On a
    device without graphs, and after ``give_up``, work is run without being captured.
    """

    def __init__(self, device: torch.device, *, enabled: bool = True) -> None:
        self.device = device
        self.fault = ''
        self._enabled = enabled and device.type == 'cuda'
        if self._enabled:
            self._handle = torch.cuda.graph_pool_handle()
            # the default stream of captures belongs to the GPU that captured first
            self._stream = torch.cuda.Stream(device)

    @property
    def captures(self) -> bool:
        """Whether work is captured."""
        return self._enabled

    def give_up(self, fault: str) -> None:
        """Capture nothing more; ``fault`` says why."""
        self._enabled, self.fault = False, fault

    def capture(self, work: Work) -> torch.cuda.CUDAGraph:
        """Return work that has run before as a graph; raises RuntimeError where it cannot."""
        graph = torch.cuda.CUDAGraph()
        # other threads, such as those of other cameras, may allocate memory meanwhile
        with torch.cuda.graph(graph, pool=self._handle, stream=self._stream,
                              capture_error_mode='thread_local'):
            work()
        return graph


class Captured:
    """
    Work that reads and writes the same buffers every time.

    The first call runs it operator by operator, which makes its tables; the second captures it as
    a graph; later calls replay the graph. Values that the work reads from Python are frozen into
    the graph, so what changes from call to call must be in a tensor.
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
            # right after the capture as well, because capturing does not run the work
            self._graph.replay()

    def _try_to_capture(self) -> None:
        try:
            self._graph = self._pool.capture(self._work)
        # a shortage does not mean that this work cannot be captured; the engine explains it
        except torch.cuda.OutOfMemoryError:
            raise
        except RuntimeError as error:
            self._pool.give_up(str(error).splitlines()[0])


class Upload:
    """
    Fills buffers of a device; on CUDA from pinned memory and on a stream of its own.

    Work launched on the current stream after ``send`` reads the new values, work launched before
    it the old ones; the host waits for neither. The array may be changed as soon as ``send``
    returns.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device) if device.type == 'cuda' else None

    def send(self, values: np.ndarray, buffer: torch.Tensor) -> None:
        """Copy an array, of whatever strides, into a buffer of its shape and dtype."""
        if self._stream is None:
            buffer.copy_(torch.from_numpy(np.ascontiguousarray(values)))
            return
        # new memory for every frame: PyTorch reuses it once the device has read it
        pinned = torch.empty(buffer.shape, dtype=buffer.dtype, pin_memory=True)
        # another dtype is a mistake that must not be converted silently
        np.copyto(pinned.numpy(), values, casting='no')
        current = torch.cuda.current_stream(self._device)
        # earlier work may still read the buffer
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            buffer.copy_(pinned, non_blocking=True)
        current.wait_stream(self._stream)


class Download:
    """
    Copies tensors to new arrays; on CUDA on a stream of its own, with one wait for all of them.

    On CUDA the arrays are the pinned memory that the device wrote. Tensors are copied whole
    although little of them changed: the host would otherwise have to copy the unchanged part for
    the caller, which takes it longer, except over links that are slower than its memory.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device) if device.type == 'cuda' else None
        self.end: torch.cuda.Event | None = None
        """Passed when the last tensors had come; None on the CPU."""

    def fetch(self, tensors: Mapping[str, torch.Tensor]) -> dict[str, np.ndarray]:
        """Return copies of the tensors after all work launched on the current stream."""
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
