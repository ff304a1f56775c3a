"""Whether a camera stands still."""

from mtshare_ros.motion.rest import MOVING, PATIENCE, RestDetector, STILL


def observed(*shifts):
    """Return what a detector says after some frames."""
    detector = RestDetector()
    return [detector.observe(shift) for shift in shifts][-1]


def test_a_camera_stands_still_until_it_moves():
    assert observed(0.0)
    assert not observed(2 * MOVING)


def test_one_frame_without_motion_does_not_make_a_moving_camera_stand():
    assert not observed(2.0, 0.0)
    assert not observed(2.0, *[0.0] * (PATIENCE - 1))
    assert observed(2.0, *[0.0] * PATIENCE)


def test_the_patience_begins_anew_with_every_motion():
    assert not observed(2.0, *[0.0] * (PATIENCE - 1), STILL, *[0.0] * (PATIENCE - 1))


def test_a_tremble_between_the_two_limits_changes_nothing():
    between = (STILL + MOVING) / 2

    assert observed(*[between] * 10)
    assert not observed(2.0, *[between] * 10)
