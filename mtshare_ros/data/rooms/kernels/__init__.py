"""
The compiled inner loops (numba); imported only where something is rendered.

Compiled code is cached beside the sources. A cache entry knows its own file only: after a change
here, delete ``__pycache__`` so that callers in other files are compiled again.
"""
