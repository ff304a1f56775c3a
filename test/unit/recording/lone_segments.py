"""Segments of a recording, each computed on its own, put together to a bag."""

from dataclasses import replace

from mtshare_ros.recording.recording import open_recording
from mtshare_ros.recording.segment_run import SegmentRun
from mtshare_ros.recording.segmented_bag import file_name, write_metadata, writer_of
from mtshare_ros.recording.segments import find_segments


class File:
    """The output of one segment: a file of the new bag."""

    def __init__(self, path, storage, channels):
        self._writer = writer_of(storage)(path, storage, channels)
        self.entry, self.result, self.frames = None, None, []

    def write(self, channel, time_ns, data):
        self._writer.write(channel, time_ns, data)

    def see(self, frame, prediction):
        self.frames.append(frame.number)

    def finish(self, result):
        self._writer.close()
        self.result = result
        if self._writer.count:
            self.entry = {'file': self._writer.path.name, 'metadata': self._writer.metadata()}
        else:
            self._writer.path.unlink()

    def abandon(self):
        self._writer.abandon()
        self._writer.path.unlink()


def compute_alone(plan, engine, segment, count=1):
    """Compute a segment from a recording that is opened for it; return the last output."""
    opened = []

    def open_output(number, channels):
        path = plan.target / file_name(plan.target.name, number, plan.storage)
        # a segment may be computed again; sqlite would go on with its file
        path.unlink(missing_ok=True)
        opened.append(File(path, plan.storage, channels))
        return opened[-1]

    with open_recording(plan.source) as recording:
        SegmentRun(recording, plan, engine).run(segment, count, open_output)
    return opened[-1]


def compute_segments(plan, engine, order=reversed):
    """Write the bag of a plan from its segments, in an order; return them and their outputs."""
    plan.target.mkdir(parents=True)
    with open_recording(plan.source) as recording:
        segments = find_segments(recording, plan)
    outputs = {segment.number: compute_alone(plan, engine, segment)
               for segment in order(segments)}
    first = next((segment for segment in segments if outputs[segment.number].result.frames), None)
    if first is not None and not first.names_classes:
        outputs[first.number] = compute_alone(
            plan, engine, replace(first, names_classes=True))
    entries = [outputs[segment.number].entry for segment in segments]
    write_metadata(plan.target, [entry for entry in entries if entry is not None])
    return segments, outputs


def files_of(folder):
    """Return the bytes of the files of a bag by their names."""
    found = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert len(found) > 1
    return found
