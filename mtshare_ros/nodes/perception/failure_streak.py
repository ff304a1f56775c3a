"""When failures stop being accidents: frames that failed one after the other."""

from mtshare_ros.inference.device import is_out_of_memory

ERROR_AFTER = 5
"""Frames in a row that fail before the diagnostics speak of an error."""
GIVE_UP_AFTER = 3
"""Frames in a row that run out of memory before the node deactivates itself."""


class FailureStreak:
    """
    Counts the frames of one camera that failed since the last one that did not.

    ``hopeless`` says why the node should stop trying. It stays once it holds, even where a frame
    succeeds before somebody asks; it is empty before.
    """

    def __init__(self) -> None:
        self._failed = 0
        self._out_of_memory = 0
        self._last = ''
        self.hopeless = ''

    def note(self, error: Exception) -> None:
        """Count a frame that failed."""
        self._failed += 1
        self._out_of_memory = self._out_of_memory + 1 if is_out_of_memory(error) else 0
        self._last = str(error) or repr(error)
        if self._out_of_memory >= GIVE_UP_AFTER:
            self.hopeless = (
                f'the device ran out of memory {self._out_of_memory} frames in a row '
                f'({self._last}); free memory, choose a smaller input_size or fewer cameras, then '
                f'activate again'
            )

    def end(self) -> None:
        """Note a frame that was published."""
        self._failed = self._out_of_memory = 0

    @property
    def error(self) -> str:
        """What is to be said of a streak that is long enough, otherwise an empty text."""
        if self._failed < ERROR_AFTER:
            return ''
        return f'{self._failed} frames in a row failed, the last one with: {self._last}'
