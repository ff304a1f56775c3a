"""The report of a moving camera says what the stream is like, and how much maps flicker."""

from made_up_results import every_figure, make_plan, moving_comparison, write_figures
import pytest

from mtshare_ros.report.page import write_report
from mtshare_ros.report.results import read_results


@pytest.fixture
def report(tmp_path):
    figures = every_figure()
    figures['bench']['pan'] = moving_comparison()
    plan = make_plan(contenders={'combined': 'both', 'moving': 'what is not explained'})
    return write_report(read_results(write_figures(tmp_path, figures)), plan)


def test_how_fast_the_image_moves_and_how_much_changes_stands_beside_the_figures(report):
    assert '\n**pan-4**: 3.9 pixels a frame, 96.4 % of the patches change\n' in report
    assert '\n**static**\n' in report


def test_flicker_has_a_table_where_it_was_measured(report):
    assert '| moving_fused | 0.50 | 1.25 |' in report
    assert report.count('| flicker |') == 1


def test_a_contender_whose_maps_move_along_shows_how_often_it_computes(report):
    assert '| dense_nth, n = 3 | 31.0 |' in report


def test_only_contenders_that_ran_are_explained(report):
    assert '`combined`: both' in report and 'what is not explained' not in report
