"""
How long tests wait for what has to come: no test may fail because the machine is slow or busy.

Nothing is told about the speed of the code by these limits; they only end a test that waits for
something that never comes. A limit that the product itself has to keep is tested with a clock
that the test sets, or against a time so long that no machine needs it.
"""

import time

PATIENCE_S = 600.0
"""Many times what anything in a test takes, on a machine that is slow and busy with others."""


def wait_until(condition, what, detail=lambda: '', pause_s=0.02):
    """Poll until the condition holds; fail with what was waited for."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f'waited in vain for {what}\n{detail()}'
        time.sleep(pause_s)
