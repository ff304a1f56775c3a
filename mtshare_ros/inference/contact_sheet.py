"""A contact sheet: one row per frame, with its image and its true and predicted maps."""

from dataclasses import dataclass
from typing import NamedTuple, Sequence

import numpy as np

from mtshare_ros.errors import import_extra
from mtshare_ros.inference.colorize import (
    color_depth,
    color_disparity,
    color_mask,
    color_normals,
    depth_palette,
)
from mtshare_ros.tasks import LabelSet

WIDTH = 1800
"""Pixels of a sheet by default; its text stays readable when shown 1400 pixels wide."""

_BACKGROUND = (22, 24, 29)
_TEXT = (236, 238, 242)
_FAINT = (156, 162, 174)

_MASK_ALPHA = 0.75
"""Opacity of the class colours over the image."""

_TITLES = ('semantic', 'depth', 'normals', 'edges')


@dataclass(frozen=True)
class SheetMaps:
    """
    The maps of one frame, each (H, W), or None where there is none.

    ``mask`` holds uint8 class ids, ``depth`` metres, ``normals`` (H, W, 3) unit vectors, ``edges``
    bool or uint8 probability x 255. ``disparity`` is shown in place of a depth that is relative.
    """

    mask: np.ndarray | None = None
    depth: np.ndarray | None = None
    normals: np.ndarray | None = None
    edges: np.ndarray | None = None
    disparity: np.ndarray | None = None


@dataclass(frozen=True)
class SheetRow:
    """
    One frame: its (H, W, 3) uint8 RGB image, its true maps and its predicted maps.

    ``shown`` is another such picture, shown in place of the image.
    """

    image: np.ndarray
    truth: SheetMaps
    found: SheetMaps
    shown: np.ndarray | None = None


def draw_contact_sheet(
    rows: Sequence[SheetRow], labels: LabelSet, *, width: int = WIDTH
) -> np.ndarray:
    """
    Return the sheet as (H, width, 3) uint8 RGB.

    A map that is None leaves its cell empty; where no row has a true map, there are no columns
    for them. Raises ValueError where there are no rows and MissingExtraError where Pillow is not
    installed.
    """
    if not rows:
        raise ValueError('a contact sheet needs at least one row')
    height, image_width = rows[0].image.shape[:2]
    truth = any(values is not None for row in rows for values in vars(row.truth).values())
    layout = _Layout.of_width(width, height / image_width, pair=2 if truth else 1)
    classes = _classes_in_view(rows, len(labels))
    legend_top = layout.top_of(len(rows))
    lines = -(-len(classes) // layout.columns)
    canvas = _Canvas(width, legend_top + layout.px(20 + 22 * lines + 44))
    depth_range = common_depth_range(rows)
    _draw_titles(canvas, layout)
    for number, row in enumerate(rows):
        pictures = _pictures(row, layout.pair, labels.palette(), depth_range)
        for column, picture in enumerate(pictures):
            if picture is not None:
                canvas.paste(picture, layout.cell(number, column))
    for place, number in enumerate(classes):
        line, column = divmod(place, layout.columns)
        left, top = layout.left_of(column), legend_top + layout.px(14 + 22 * line)
        side = layout.px(13)
        canvas.fill(_Box(left, top, side, side), labels.colors[number])
        canvas.text(left + layout.px(19), top + layout.px(6), labels.names[number], side, _TEXT)
    _draw_depth_scale(canvas, layout, canvas.height - layout.px(34), depth_range)
    return canvas.pixels()


def common_depth_range(rows: Sequence[SheetRow]) -> tuple[float, float]:
    """Return (near, far) in metres for the depth colours of all rows, from true depths if any."""
    maps = [row.truth.depth for row in rows if row.truth.depth is not None]
    maps = maps or [row.found.depth for row in rows if row.found.depth is not None]
    values = np.concatenate([depth[np.isfinite(depth)] for depth in maps] or [np.zeros(0)])
    if values.size == 0:
        return 0.5, 8.0
    near, far = np.percentile(values, (1, 99))
    return float(near), float(max(far, near + 0.1))


class _Box(NamedTuple):
    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True)
class _Layout:
    """
    Where the pictures of a sheet are: the image, then one or two columns for each map, in pixels.

    ``unit`` is the number of pixels per pixel of a sheet 1400 wide. ``pair`` is the number of
    columns of a map: the prediction, after the truth where there is one.
    """

    unit: float
    cell_width: int
    cell_height: int
    pair: int

    @classmethod
    def of_width(cls, width: int, aspect: float, pair: int) -> '_Layout':
        """Return the layout that fills a width with pictures of ``aspect`` height by width."""
        unit = width / 1400
        free = width - unit * (2 * 16 + len(_TITLES) * (14 + 4 * (pair - 1)))
        cell_width = int(free / (1 + pair * len(_TITLES)))
        return cls(unit, cell_width, round(cell_width * aspect), pair)

    @property
    def columns(self) -> int:
        """Pictures in a row."""
        return 1 + self.pair * len(_TITLES)

    def px(self, size: float) -> int:
        """Return a length given for a sheet 1400 pixels wide."""
        return round(size * self.unit)

    def left_of(self, column: int) -> int:
        """Return where a column begins; truth and prediction are closer together than maps."""
        before = -(-column // self.pair)
        return self.px(16 + 14 * before + 4 * (column - before)) + column * self.cell_width

    def top_of(self, row: int) -> int:
        """Return where a row begins, or what is below the last one."""
        return self.px(58) + row * (self.cell_height + self.px(6))

    def cell(self, row: int, column: int) -> _Box:
        """Return the place of one picture."""
        return _Box(self.left_of(column), self.top_of(row), self.cell_width, self.cell_height)


def _pictures(
    row: SheetRow, pair: int, palette: np.ndarray, depth_range: tuple[float, float]
) -> list[np.ndarray | None]:
    """Return the pictures of one row in the order of the columns, ``pair`` for each map."""
    shown = [(None if maps.mask is None else color_mask(
                  maps.mask, row.image, palette, _MASK_ALPHA),
              _depth_picture(maps, depth_range),
              None if maps.normals is None else color_normals(maps.normals), _edge_picture(maps))
             for maps in (row.truth, row.found)[-pair:]]
    maps_in_order = [picture for pictures in zip(*shown) for picture in pictures]
    return [row.image if row.shown is None else row.shown, *maps_in_order]


def _depth_picture(maps: SheetMaps, depth_range: tuple[float, float]) -> np.ndarray | None:
    if maps.disparity is not None:
        return color_disparity(maps.disparity)
    return None if maps.depth is None else color_depth(maps.depth, depth_range)


def _edge_picture(maps: SheetMaps) -> np.ndarray | None:
    if maps.edges is None:
        return None
    scale = 255 if maps.edges.dtype == np.bool_ else 1
    levels = maps.edges.astype(np.uint8) * np.uint8(scale)
    return np.repeat(levels[..., None], 3, axis=-1)


class _Canvas:
    """A picture to draw on with Pillow."""

    def __init__(self, width: int, height: int) -> None:
        self._image = import_extra('PIL.Image', 'a contact sheet', 'cli')
        self._fonts = import_extra('PIL.ImageFont', 'a contact sheet', 'cli')
        self._picture = self._image.new('RGB', (width, height), _BACKGROUND)
        self._pen = import_extra('PIL.ImageDraw', 'a contact sheet', 'cli').Draw(self._picture)
        self.height = height

    def paste(self, pixels: np.ndarray, box: _Box) -> None:
        """Show (H, W, 3) uint8 pixels in a box, resized to it."""
        picture = self._image.fromarray(np.ascontiguousarray(pixels))
        resized = picture.resize((box.width, box.height), self._image.Resampling.BOX)
        self._picture.paste(resized, (box.left, box.top))

    def fill(self, box: _Box, color: tuple[int, int, int]) -> None:
        """Fill a box with one colour."""
        right, bottom = box.left + box.width - 1, box.top + box.height - 1
        self._pen.rectangle((box.left, box.top, right, bottom), fill=color)

    def text(
        self, left: int, middle: int, text: str, size: int, color: tuple[int, int, int]
    ) -> None:
        """Write one line that begins at ``left`` and is centred on the height ``middle``."""
        try:
            font = self._fonts.load_default(size)
        except TypeError:  # before Pillow 10.1 the built-in font has one size
            font = self._fonts.load_default()
        # the extents of these letters, so that texts beside each other share a baseline
        top, bottom = font.getbbox('Ag')[1::2]
        self._pen.text((left, middle - (top + bottom) // 2), text, fill=color, font=font)

    def pixels(self) -> np.ndarray:
        """Return what was drawn as (H, W, 3) uint8."""
        return np.array(self._picture)


def _draw_titles(canvas: _Canvas, layout: _Layout) -> None:
    px = layout.px
    canvas.text(layout.left_of(0), px(22), 'input', px(17), _TEXT)
    for number, title in enumerate(_TITLES):
        first = 1 + layout.pair * number
        canvas.text(layout.left_of(first), px(22), title, px(17), _TEXT)
        for offset, kind in enumerate(('ground truth', 'predicted')[-layout.pair:]):
            canvas.text(layout.left_of(first + offset), px(44), kind, px(13), _FAINT)


def _draw_depth_scale(
    canvas: _Canvas, layout: _Layout, top: int, depth_range: tuple[float, float]
) -> None:
    px, left, (near, far) = layout.px, layout.left_of(0), depth_range
    bar = _Box(left + px(100), top, px(240), px(13))
    right, middle = bar.left + bar.width, top + px(6)
    canvas.text(left, middle, f'depth {near:.1f} m', px(13), _FAINT)
    canvas.paste(depth_palette()[None], bar)
    canvas.text(right + px(8), middle, f'{far:.1f} m', px(13), _FAINT)
    canvas.text(
        right + px(70), middle,
        'normals: floor green, facing walls blue, red to the right     '
        'edges: white is certain     black: no value', px(13), _FAINT)


def _classes_in_view(rows: Sequence[SheetRow], class_count: int) -> list[int]:
    """Return the ids of the classes in any mask, the most common first."""
    counts = np.zeros(256, np.int64)
    for row in rows:
        for maps in (row.truth, row.found):
            if maps.mask is not None:
                counts += np.bincount(maps.mask.ravel(), minlength=256)
    order = np.argsort(-counts[:class_count], kind='stable')
    return [int(number) for number in order if counts[number] > 0]
