"""Whatever bytes a bag holds, it is read as far as it goes or refused; nothing else happens."""

import random

import numpy as np
import pytest

pytest.importorskip('rosbags', reason='bags need the extra [bags]')
pytest.importorskip('mcap', reason='bags need the extra [bags]')
zstandard = pytest.importorskip('zstandard', reason='bags need the extra [bags]')

from bag_files import (  # noqa: E402
    IMAGE,
    image_message,
    Row,
    START_NS,
    STORE,
    to_cdr,
    write_database,
    write_mcap,
)
from mcap.writer import IndexType  # noqa: E402

from mtshare_ros.errors import RecordingError  # noqa: E402
from mtshare_ros.recording.bag import Bag  # noqa: E402

TRIALS = 100
MESSAGES = [(IMAGE, START_NS + number, image_message(np.full((8, 8, 3), number, np.uint8),
                                                     START_NS + number)) for number in range(12)]
KIND = 'sensor_msgs/msg/Image'
ROWS = [Row(topic, time_ns, to_cdr(message), KIND, STORE.generate_msgdef(KIND, ros_version=2)[0])
        for topic, time_ns, message in MESSAGES]
LAYOUTS = {
    'chunks': {'chunk_size': 500}, 'no chunks': {'use_chunking': False},
    'no index': {'chunk_size': 500, 'index_types': IndexType.NONE, 'use_statistics': False},
}


def whole_files(folder, kind):
    """Return name: bytes of the files of a whole bag."""
    if kind in LAYOUTS:
        write_mcap(folder / 'drive.mcap', ROWS, **LAYOUTS[kind])
    else:
        write_database(folder / 'drive.db3', MESSAGES, log=kind == 'log')
    files = {path.name: path.read_bytes() for path in folder.iterdir()
             if not path.name.endswith('-shm')}
    if kind == 'packed':
        return {f'{name}.zstd': zstandard.compress(data) for name, data in files.items()}
    return files


def spoil(data, chance):
    """Cut bytes, change some, or take some out."""
    spoilt = bytearray(data)
    place = chance.randrange(len(data))
    way = chance.random()
    if way < 0.3:
        del spoilt[place:]
    elif way < 0.4:
        del spoilt[place:place + chance.randrange(1000)]
    else:
        for _ in range(chance.choice((1, 1, 3, 20))):
            spoilt[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(spoilt)


@pytest.mark.parametrize('kind', [*LAYOUTS, 'database', 'log', 'packed'])
def test_a_spoilt_bag_is_read_or_refused(tmp_path, kind):
    files = whole_files(tmp_path, kind)
    for seed in range(TRIALS):
        chance = random.Random(seed)
        name = chance.choice(sorted(files))
        folder = tmp_path / str(seed)
        folder.mkdir()
        for other, data in files.items():
            (folder / other).write_bytes(spoil(data, chance) if other == name else data)
        try:
            with Bag(folder) as bag:
                found = list(bag.messages({topic.name for topic in bag.topics}))
        except RecordingError as error:
            assert 'nothing can be read from it' in str(error), seed
        else:
            assert len(found) <= len(MESSAGES), seed
