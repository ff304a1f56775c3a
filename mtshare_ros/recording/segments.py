"""The segments of a recording: what a file of the new bag is computed from."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Segment:
    """
    Consecutive images of a recording, and the other messages before each of them.

    ``number`` counts segments from 0. ``first_image`` is the number of its first image in the
    recording, decodable or not; ``images`` how many it holds, None to the recording's end.
    ``position`` is the number of messages of the input before it. ``names_classes`` says that its
    first frame comes with the message of the classes' names, which a bag holds once.
    """

    number: int = 0
    first_image: int = 0
    images: int | None = None
    position: int = 0
    names_classes: bool = True
