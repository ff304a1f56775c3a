"""What to do about an image that cannot be used, in the words of the tool that reads it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Hints:
    """
    The ends of sentences.

    ``largest`` says who sets the largest image, ``smaller`` what to do about a larger one,
    ``depth`` how to name another topic, ``convert`` how to get other images.
    """

    largest: str
    smaller: str
    depth: str
    convert: str


NODE_HINTS = Hints(
    largest='that the parameter max_pixels allows',
    smaller='publish a smaller image or start the node with a larger max_pixels',
    depth='remap the image to the colour topic of the camera',
    convert='set the camera driver to one of them',
)

BAG_HINTS = Hints(
    largest='that are read',
    smaller='record a smaller image',
    depth='choose the colour topic with --image-topic',
    convert='record another topic of the camera, or convert this one',
)
