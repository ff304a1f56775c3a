"""Small parts of recordings that need neither a bag nor a network."""

import numpy as np
import pytest

from mtshare_ros.errors import RecordingError
from mtshare_ros.image_frame import frame_to_cover
from mtshare_ros.inference.map_outputs import choose_outputs, OUTPUTS
from mtshare_ros.inference.prediction import FrameStats, Prediction
from mtshare_ros.recording.frames import RecordedFrame, RunStatistics
from mtshare_ros.recording.previews import SHEET_ROWS, SheetWriter
from mtshare_ros.recording.segmented_bag import check_identity, Journal, load_journal
from mtshare_ros.tasks import load_labels


def test_by_default_no_picture_for_people_is_written():
    assert choose_outputs(None, OUTPUTS, '--topics') == (
        'semantic/mask', 'semantic/confidence', 'semantic/label_info', 'depth/image',
        'depth/relative', 'depth/camera_info', 'normals/image', 'edges/image')


@pytest.mark.parametrize('passing', [1, SHEET_ROWS, 5 * SHEET_ROWS + 3, 1000])
def test_a_sheet_shows_frames_of_the_whole_recording(tmp_path, passing):
    sheet = SheetWriter(tmp_path / 'sheet.png', load_labels('nyu40'), lambda path, pixels: None)
    for number in range(passing):
        image = np.full((16, 16, 3), number * 255 // passing, np.uint8)
        prediction = Prediction(frame_to_cover((16, 16), (16, 16)), FrameStats(1.0), image)
        sheet.see(RecordedFrame(image, number, str(number)), prediction)

    shades = [row.image[0, 0, 0] for row in sheet.chosen()]
    assert len(shades) == min(passing, SHEET_ROWS)
    assert shades == sorted(shades) and shades[0] == 0
    assert passing == 1 or shades[-1] > 0.6 * 255


def test_the_figures_of_no_frame_are_no_numbers():
    figures = RunStatistics().values()

    assert figures['computed'] == 0
    assert np.isnan([figures['active_fraction'], figures['ms']['p95']]).all()


def test_figures_add_up_what_frames_took():
    figures = RunStatistics()
    for number in range(4):
        figures.add(FrameStats(float(number), active={'depth': (0.5,)}, macs=25, dense_macs=100,
                               reset_reason='' if number else 'new segment'))

    values = figures.values()
    assert values['ms'] == {'mean': 1.5, 'p50': 1.5, 'p95': pytest.approx(2.85)}
    assert (values['active_fraction'], values['macs_saved_percent']) == (0.5, 75)
    assert values['resets'] == {'new segment': 1}


def test_a_journal_is_what_was_saved(tmp_path):
    journal = Journal({'input': 'in'}, 7, 5, 1, [{'file': 'a.mcap', 'metadata': {}}])
    journal.save(tmp_path / 'journal.json')

    assert load_journal(tmp_path / 'journal.json') == journal


@pytest.mark.parametrize('text', ['', '{}', '{"identity": 1}', '[1]'])
def test_what_is_no_journal_is_refused_with_advice(tmp_path, text):
    (tmp_path / 'journal.json').write_text(text)

    with pytest.raises(RecordingError, match='is no journal of an unfinished bag.*remove'):
        load_journal(tmp_path / 'journal.json')


def test_another_identity_is_refused_with_the_first_difference(tmp_path):
    journal = Journal({'input': 'in', 'model': 'one'})

    check_identity(journal, {'input': 'in', 'model': 'one'}, tmp_path)
    with pytest.raises(RecordingError, match="model was 'one', now it is 'two'"):
        check_identity(journal, {'input': 'in', 'model': 'two'}, tmp_path)
