"""What a demo shows."""

from dataclasses import dataclass


@dataclass(frozen=True)
class DemoOptions:
    """
    What the demo shows and how long; ``duration_s`` 0 is until Ctrl-C.

    ``dashboard_port`` is None where there is no dashboard.
    """

    duration_s: float
    motion: str
    seed: int
    rate_hz: float
    model: str
    device: str
    ground_truth: bool
    dashboard_port: int | None
