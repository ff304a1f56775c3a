"""What the node adds to the network is measured and shown."""

import time

from mtshare_ros.nodes.perception.frame_statistics import FrameStatistics
from mtshare_ros.nodes.perception.pipeline import Job


def test_the_overhead_of_recent_frames_is_shown():
    statistics = FrameStatistics()
    for overhead_ms in (1.0, 2.0, 6.0):
        statistics.publish(age_ms=60.0, overhead_ms=overhead_ms)

    summary = statistics.summary()

    assert (summary['overhead_ms_p50'], summary['overhead_ms_p95']) == ('2.00', '5.60')


def test_a_job_has_arrived_when_it_is_made():
    before_s = time.perf_counter()

    job = Job(message=None, outputs=(), settings=None)

    assert before_s <= job.arrived_s <= time.perf_counter()
