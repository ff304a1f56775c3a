"""Made-up rows of a manifest."""

import json

from mtshare_ros.fleet.output.manifest_rows import ManifestRow


def summary_of(frames=50, classes=(90, 10), depth_bin=30, active=0.25, **changes):
    """Return the summary of a segment: ``classes`` are pixels by class id."""
    return {
        'frames': frames, 'video_us': frames * 100_000, 'us': frames * 20_000,
        'active_ppm': round(frames * active * 1e6), 'macs': frames * 30,
        'dense_macs': frames * 100, 'non_finite_frames': 0, 'ms': {'111': frames},
        'resets': {'first frame': 1}, 'non_finite': {}, 'unlabelled_pixels': 0,
        'class_pixels': {str(number): frames * count for number, count in enumerate(classes)},
        'depth_pixels': {str(depth_bin): frames * 100}, 'invalid_depth_pixels': 0, **changes}


def row_of(name, segment=0, summary=None, segments=1, **changes):
    """Return the row of a segment that is done, of a recording with so many."""
    values = summary_of() if summary is None else summary
    return ManifestRow(**{
        'source': f'/data/{name}', 'name': name, 'kind': 'bag', 'segment': segment,
        'segments': segments, 'frames': values.get('frames', 0), 'input_bytes': 1000,
        'output_bytes': 100, 'seconds': 2.0, 'summary': json.dumps(values), **changes})
