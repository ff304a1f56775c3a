"""What is known of a camera's motion from one frame to the next."""

from dataclasses import dataclass

from mtshare_ros.motion.rigid import RigidMotion


@dataclass(frozen=True)
class MotionEstimate:
    """
    How the camera moved since the frame before, and how sure that is.

    ``confidence`` is 0 (nothing is known) to 1; ``source`` says in one word where it is from.
    ``scaled`` is False where the translation is no metres: without a calibration or depth only
    turns, and growing and shrinking about the middle of the view, are told apart.
    """

    motion: RigidMotion
    confidence: float
    source: str
    scaled: bool = True
