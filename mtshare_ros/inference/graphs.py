"""Work of fixed shapes as a CUDA graph: one launch in place of hundreds."""

from typing import Callable

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
