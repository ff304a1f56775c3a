"""From arrays of the host to buffers of a device; the host waits for neither."""

import numpy as np
import torch


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
