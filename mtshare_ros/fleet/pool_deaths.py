"""Why a worker died, in one line, as far as Ray and the worker's log tell."""

from pathlib import Path
import re

_TAIL_BYTES = 20_000
_CRASH = 'Fatal Python error: '


def death_of(error: Exception, logs: Path | None, pid: int | None) -> str:
    """
    Return how a worker died.

    ``error`` is Ray's; ``logs`` is the folder of a Ray on this machine, ``pid`` the worker's.
    """
    text = str(error)
    if 'creation task' in text:  # the class of workers could not be loaded
        return text.strip().splitlines()[-1]
    if 'memory' in type(error).__name__.lower() or 'running low on memory' in text:
        return 'Ray ended it, because the memory of its machine was nearly full'
    if 'node has died' in text or 'NodeDied' in type(error).__name__:
        return 'its machine is gone'
    code = re.search(r'exit code (.+?)\.?$', text.splitlines()[-1]) if text else None
    if code:
        return f'it ended with exit code {code[1]}'
    return _last_words(logs, pid) or 'it crashed or was killed, perhaps for lack of memory'


def _last_words(logs: Path | None, pid: int | None) -> str:
    """Return the crash that is in the log of a process, '' if there is none."""
    if logs is None or pid is None:
        return ''
    for path in logs.glob(f'worker-*-{pid}.err'):
        with path.open('rb') as file:
            file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
            lines = file.read().decode(errors='replace').splitlines()
        crashes = [number for number, line in enumerate(lines) if line.startswith(_CRASH)]
        if crashes:
            stack = [line.strip() for line in lines[crashes[-1]:] if line.startswith('  File')]
            return ', '.join([lines[crashes[-1]].removeprefix(_CRASH), *stack[:1]])
    return ''
