"""Messages that are each wrong in another way fill neither the log nor the memory."""

from mtshare_ros.nodes.notices import MOST_SUBJECTS, Notices


class Paper:
    """A stand-in for the logger of a node, which cannot be read back."""

    def __init__(self):
        self.lines = []

    def warning(self, text):
        self.lines.append(text)


def test_beyond_a_number_of_faults_it_is_said_once_that_no_more_are_told():
    paper = Paper()
    notices = Notices(paper, repeat_after_s=10.0, clock=lambda: 0.0)

    for number in range(1000):
        notices.warn(f'fault {number}', f'fault {number}')

    assert len(paper.lines) == MOST_SUBJECTS + 1
    assert f'more than {MOST_SUBJECTS} different faults' in paper.lines[-1]


def test_after_a_while_faults_are_told_again():
    paper, moment = Paper(), [0.0]
    notices = Notices(paper, repeat_after_s=10.0, clock=lambda: moment[0])
    for number in range(1000):
        notices.warn(f'fault {number}', f'fault {number}')

    moment[0] = 10.0
    notices.warn('another', 'another')

    assert paper.lines[-1] == 'another'


def test_what_was_said_long_ago_is_forgotten():
    moment = [0.0]
    notices = Notices(Paper(), repeat_after_s=10.0, clock=lambda: moment[0])

    for number in range(1000):
        moment[0] = 20.0 * number
        notices.warn(f'fault {number}', 'text')

    assert len(notices._logged_at) == 1
