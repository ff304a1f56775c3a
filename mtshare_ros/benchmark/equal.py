"""How often a carried network may compute for what a rival costs."""

import math

import numpy as np

from mtshare_ros.benchmark.record import SideRecord
from mtshare_ros.benchmark.settings import LONGEST_PERIOD

TRIAL_PERIOD = 4
TRIAL_FRAMES = 32
"""Frames that costs are learnt from, and how often the carried networks compute meanwhile."""


def equal_period(carried: SideRecord, rival: SideRecord) -> int:
    """
    Return n for which computing every n-th frame costs no less than the rival does on average.

    ``carried`` are frames of which the network computed some. It is rounded down, so that they
    have the benefit of what does not divide, from 1 to LONGEST_PERIOD.
    """
    times = np.asarray(carried.milliseconds)
    computed = np.array([stats.dense for stats in carried.stats])
    between = float(times[~computed].mean())
    network = float(times[computed].mean()) - between
    spare = float(np.mean(rival.milliseconds)) - between
    if spare * LONGEST_PERIOD <= network:
        return LONGEST_PERIOD
    return max(1, math.floor(network / spare))
