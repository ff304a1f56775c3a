"""Numbers and pictures as the page about a fleet has them."""

from dataclasses import dataclass
import math

from mtshare_ros.errors import MtshareError
from mtshare_ros.fleet.output.layout import picture
from mtshare_ros.fleet.output.places import Place
from mtshare_ros.fleet.summary.recording_totals import RecordingTotals
from mtshare_ros.report.fleet_page import Picture


def counted(number: float) -> str:
    """Return a whole number with spaces between thousands, which break no line."""
    return f'{number:,.0f}'.replace(',', '\N{NO-BREAK SPACE}')


def written(value: float, form: str = '.1f', factor: float = 1.0) -> str:
    """Return a number in a format, a dash for NaN."""
    return format(value * factor, form) if math.isfinite(value) else '–'


def hours(seconds: float) -> str:
    """Return a time in hours, minutes or seconds."""
    if seconds >= 3600:
        text = counted(seconds / 3600) if seconds >= 360_000 else f'{seconds / 3600:.1f}'
        return f'{text} h'
    return f'{seconds / 60:.1f} min' if seconds >= 60 else f'{seconds:.1f} s'


def bytes_text(size: float) -> str:
    """Return a number of bytes in the unit that suits it, of powers of 1000."""
    units = ('B', 'kB', 'MB', 'GB', 'TB', 'PB')
    power = min(int(math.log10(max(size, 1)) / 3), len(units) - 1)
    return f'{size / 1000**power:.{int(power > 0)}f} {units[power]}'


@dataclass(frozen=True)
class PicturesOf:
    """The pictures of segments in an output; the page does without those that are not there."""

    place: Place

    def get(
        self, recording: str, segment: int, suffix: str, text: str, caption: str
    ) -> Picture | None:
        """Return a picture with its texts, None where there is none."""
        jpeg = self._read(picture(recording, segment, suffix))
        return Picture(jpeg, text, recording, caption) if jpeg else None

    def of_recording(self, recording: RecordingTotals, caption: str) -> Picture | None:
        """Return the picture of a segment from the middle of a recording, None without one."""
        if recording.middle is None:
            return None
        text = f'A frame of {recording.name} and its maps in colours'
        return self.get(recording.name, recording.middle, '', text, caption)

    def _read(self, name: str) -> bytes | None:
        """Return a file, None where there is none or it cannot be read."""
        try:
            return self.place.read_bytes(name) if self.place.size(name) else None
        except MtshareError:
            return None
