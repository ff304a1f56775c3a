"""Colours and materials: what a surface looks like, drawn at random within plausible bounds."""

import colorsys
from dataclasses import dataclass, replace

import numpy as np

Color = tuple[float, float, float]

TEXTURES = (
    'plain', 'wood', 'tile', 'fabric', 'stripe', 'brick', 'marble', 'panel', 'picture', 'books',
    'screen', 'outdoor', 'check', 'mirror',
)
TEXTURE_IDS = {name: number for number, name in enumerate(TEXTURES)}


@dataclass(frozen=True)
class Material:
    """
    A procedural texture and its two colours.

    ``scale`` multiplies the pattern's frequency, ``gloss`` is the strength of the highlight and
    ``glow`` the radiance the surface emits on its own.
    """

    color: Color
    texture: str = 'plain'
    second: Color | None = None
    scale: float = 1.0
    gloss: float = 0.05
    glow: float = 0.0

    def second_color(self) -> Color:
        """Return the pattern's second colour: a darker shade where none was chosen."""
        return shade(self.color, 0.75) if self.second is None else self.second

    def darker(self, factor: float) -> 'Material':
        """Return the same material with its colour scaled."""
        return replace(self, color=shade(self.color, factor))


def shade(color: Color, factor: float) -> Color:
    """Scale a colour, clipped to [0, 1]."""
    red, green, blue = (min(max(channel * factor, 0.0), 1.0) for channel in color)
    return red, green, blue


def any_color(
    rng: np.random.Generator,
    value: tuple[float, float] = (0.25, 0.9),
    saturation: tuple[float, float] = (0.05, 0.75),
) -> Color:
    """Draw a colour of any hue with value and saturation in the given ranges."""
    return colorsys.hsv_to_rgb(rng.random(), rng.uniform(*saturation), rng.uniform(*value))


def wood_color(rng: np.random.Generator) -> Color:
    """Draw a wood colour from pale birch to dark walnut."""
    return colorsys.hsv_to_rgb(
        rng.uniform(0.04, 0.11), rng.uniform(0.25, 0.7), rng.uniform(0.2, 0.8))


def cardboard(rng: np.random.Generator) -> Material:
    """Draw a cardboard material, sometimes printed."""
    color = colorsys.hsv_to_rgb(
        rng.uniform(0.05, 0.11), rng.uniform(0.25, 0.55), rng.uniform(0.4, 0.85))
    return Material(color, 'panel' if rng.random() < 0.3 else 'plain')


def skin_color(rng: np.random.Generator) -> Color:
    """Draw a human skin colour."""
    return colorsys.hsv_to_rgb(
        rng.uniform(0.04, 0.09), rng.uniform(0.2, 0.6), rng.uniform(0.3, 0.95))


def wood(rng: np.random.Generator) -> Material:
    """Draw a wooden material."""
    return Material(wood_color(rng), 'wood', gloss=0.12)


def wood_or_paint(rng: np.random.Generator, wooden: float = 0.65) -> Material:
    """Draw wood with the given probability, otherwise a plain painted surface."""
    if rng.random() < wooden:
        return wood(rng)
    return Material(any_color(rng, (0.5, 0.95), (0.0, 0.4)), gloss=0.15)


def cloth(rng: np.random.Generator, value: tuple[float, float] = (0.15, 0.85)) -> Material:
    """Draw a cloth: woven, striped, checked or plain."""
    texture = str(rng.choice(['fabric', 'fabric', 'plain', 'stripe', 'check']))
    color = any_color(rng, value, (0.05, 0.7))
    second = any_color(rng) if texture in ('stripe', 'check') else shade(color, 0.8)
    return Material(color, texture, second, scale=rng.uniform(1.5, 4.0))


def upholstery(rng: np.random.Generator) -> Material:
    """Draw the cover of a sofa or an armchair."""
    color = any_color(rng, (0.15, 0.85), (0.05, 0.7))
    return Material(color, str(rng.choice(['fabric', 'plain'])), shade(color, 0.8), scale=3.0)


def ceramic(rng: np.random.Generator) -> Material:
    """Draw the white of bathroom ceramics."""
    return Material(any_color(rng, (0.88, 0.98), (0.0, 0.06)), gloss=0.5)


def metal(rng: np.random.Generator) -> Material:
    """Draw a bare metal surface."""
    return Material(any_color(rng, (0.35, 0.75), (0.0, 0.12)), gloss=0.6)
