"""Frames of which a given share changes from one to the next."""

from typing import Iterator, Sequence

import numpy as np

from mtshare_ros.inference.engine import Engine

Frames = Sequence[np.ndarray]

_NOISE = 1.5
_PILOT_FRAMES = 8
_REFRESHED = 1 / 30
_WHOLE_ABOVE = 0.45
"""Shares above which frames are computed whole, because the lists are shorter."""


class ChangingClip:
    """
    Frames of (height, width); in each a rectangle of patches changes its brightness.

    The rectangle has ``share`` of the patches and a random place in every frame; what it changed
    stays changed. All pixels have a camera's noise.
    """

    def __init__(
        self, size: tuple[int, int], side: int, share: float, count: int, seed: int = 0
    ) -> None:
        random = np.random.default_rng(seed)
        scene = self._texture(random, size, side)
        # each frame uses other rows of one noise image, because random numbers take long to draw
        noise = random.standard_normal((2 * size[0], size[1], 3), np.float32) * _NOISE
        self.frames: list[np.ndarray] = []
        for _ in range(count):
            self._disturb(scene, side, share, random)
            top = random.integers(size[0])
            seen = scene + noise[top:top + size[0]]
            self.frames.append(seen.round().clip(0, 255).astype(np.uint8))

    def turns(self, length: int) -> Iterator[Frames]:
        """
        Yield ``length`` frames at a time without end, forwards and backwards.

        Two consecutive frames are always neighbours in the clip: a jump would change more patches.
        """
        there_and_back = [*self.frames, *self.frames[-2:0:-1]]
        place = 0
        while True:
            yield [there_and_back[(place + step) % len(there_and_back)] for step in range(length)]
            place += length

    @staticmethod
    def _texture(random: np.random.Generator, size: tuple[int, int], side: int) -> np.ndarray:
        coarse = random.integers(30, 226, (size[0] // side + 1, size[1] // side + 1, 3))
        fine = coarse.repeat(side, 0).repeat(side, 1)[:size[0], :size[1]]
        return fine.astype(np.float32)

    @staticmethod
    def _disturb(
        scene: np.ndarray, side: int, share: float, random: np.random.Generator
    ) -> None:
        rows, columns = scene.shape[0] // side, scene.shape[1] // side
        tall = min(rows, max(1, round(rows * share ** 0.5)))
        wide = min(columns, max(1, round(share * rows * columns / tall)))
        top, left = random.integers(rows - tall + 1), random.integers(columns - wide + 1)
        pixels = scene[top * side:(top + tall) * side, left * side:(left + wide) * side]
        pixels += np.where(pixels.mean((0, 1)) > 128, -1, 1) * random.uniform(40, 90)


def clip_that_enters(engine: Engine, share: float, count: int, seed: int = 0) -> ChangingClip:
    """
    Return a clip of which about ``share`` of the patches enter the network in every frame.

    Besides changed patches, those round them and those due for a refresh enter. So a few trial
    frames are computed to find the share of patches that has to change.
    """
    side = engine.description.architecture.patch_size
    if share > _WHOLE_ABOVE:
        return ChangingClip(engine.input_size, side, share, count, seed)
    drawn = max(share - _REFRESHED, 0.2 * share)
    for _ in range(3):
        pilot = ChangingClip(engine.input_size, side, drawn, _PILOT_FRAMES, seed)
        entered = _entered(engine, pilot.frames)
        if abs(entered - share) <= 0.05 * share:
            break
        drawn = min(0.98, max(0.002, drawn * (share - _REFRESHED / 2)
                              / max(entered - _REFRESHED / 2, 0.002)))
    return ChangingClip(engine.input_size, side, drawn, count, seed)


def _entered(engine: Engine, frames: Frames) -> float:
    """Return the mean share of the patches that entered the network in the last frames."""
    session = engine.new_session()
    found = [engine.infer(frame, session).stats.input_fraction for frame in frames]
    return float(np.mean(found[-5:]))
