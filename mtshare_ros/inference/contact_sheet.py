"""A contact sheet: frames below each other, their maps beside each other, truth and prediction."""

from dataclasses import dataclass
from typing import Any, Sequence

import numpy as np

from mtshare_ros.errors import MissingExtraError
from mtshare_ros.inference.colorize import (
    color_depth,
    color_disparity,
    color_mask,
    color_normals,
    depth_palette,
)
from mtshare_ros.tasks import LabelSet

WIDTH = 1800
"""Pixels of a sheet by default; text stays readable when it is shown 1400 wide."""

_BACKGROUND = (22, 24, 29)
_TEXT = (236, 238, 242)
_FAINT = (156, 162, 174)
_ALPHA = 0.75


@dataclass(frozen=True)
class SheetMaps:
    """
    Four maps of one frame, each (H, W), or None where there is none.

    ``mask`` uint8 class ids, ``depth`` metres, ``normals`` (H, W, 3) unit vectors, ``edges`` bool
    or uint8 probability x 255. ``disparity`` stands in place of a depth that is relative.
    """

    mask: np.ndarray | None = None
    depth: np.ndarray | None = None
    normals: np.ndarray | None = None
    edges: np.ndarray | None = None
    disparity: np.ndarray | None = None


@dataclass(frozen=True)
class SheetRow:
    """
    One frame: its (H, W, 3) uint8 RGB image, what is true, and what was predicted.

    ``shown`` is another picture of that kind to show in place of the image.
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
    layout = _Layout.of_width(width, height / image_width, _has_truth(rows))
    legend = _Legend(rows, labels, layout)
    canvas = _Canvas(width, layout.top_of(len(rows)) + legend.height)
    painter = _Painter(labels.palette(), common_depth_range(rows))
    _draw_titles(canvas, layout)
    for number, row in enumerate(rows):
        for column, picture in enumerate(painter.paint(row, layout.pair)):
            if picture is not None:
                canvas.paste(picture, layout.cell(number, column))
    legend.draw(canvas, layout.top_of(len(rows)), painter.depth_range)
    return canvas.pixels()


def common_depth_range(rows: Sequence[SheetRow]) -> tuple[float, float]:
    """Return (near, far) in metres that shows the depths of all rows, the true ones if any."""
    maps = [row.truth.depth for row in rows if row.truth.depth is not None]
    maps = maps or [row.found.depth for row in rows if row.found.depth is not None]
    values = np.concatenate([depth[np.isfinite(depth)] for depth in maps] or [np.zeros(0)])
    if values.size == 0:
        return 0.5, 8.0
    near, far = np.percentile(values, (1, 99))
    return float(near), float(max(far, near + 0.1))


@dataclass(frozen=True)
class _Box:
    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True)
class _Layout:
    """Where the cells lie: the input, then pairs of truth and prediction, in pixels."""

    unit: float  # pixels of the sheet per pixel of a sheet 1400 wide
    cell_width: int
    cell_height: int
    pair: int  # columns of a map: the prediction, behind the truth where there is one

    TITLES = ('semantic', 'depth', 'normals', 'edges')

    @classmethod
    def of_width(cls, width: int, aspect: float, truth: bool) -> '_Layout':
        """Return the layout that fills a width with cells of ``aspect`` height by width."""
        unit, pair = width / 1400, 2 if truth else 1
        free = width - unit * (2 * 16 + len(cls.TITLES) * (14 + 4 * (pair - 1)))
        cell_width = int(free / (1 + pair * len(cls.TITLES)))
        return cls(unit, cell_width, round(cell_width * aspect), pair)

    @property
    def columns(self) -> int:
        """How many pictures stand in a row."""
        return 1 + self.pair * len(self.TITLES)

    def px(self, size: float) -> int:
        """Return a length given for a sheet 1400 pixels wide."""
        return round(size * self.unit)

    def left_of(self, column: int) -> int:
        """Return where a column begins; pairs stand closer together."""
        before = -(-column // self.pair)
        return self.px(16 + 14 * before + 4 * (column - before)) + column * self.cell_width

    def top_of(self, row: int) -> int:
        """Return where a row begins, or what comes below the last one."""
        return self.px(58) + row * (self.cell_height + self.px(6))

    def cell(self, row: int, column: int) -> _Box:
        """Return the place of one picture."""
        return _Box(self.left_of(column), self.top_of(row), self.cell_width, self.cell_height)


class _Painter:
    """Turns the maps of a row into pictures, all rows with the same colours."""

    def __init__(self, palette: np.ndarray, depth_range: tuple[float, float]) -> None:
        self._palette = palette
        self.depth_range = depth_range

    def paint(self, row: SheetRow, pair: int) -> list[np.ndarray | None]:
        """Return the pictures of one row in the order of the columns, ``pair`` for each map."""
        pictures: list[np.ndarray | None] = [row.image if row.shown is None else row.shown]
        for task in (self._mask, self._depth, self._normals, self._edges):
            pictures += [task(maps, row.image) for maps in (row.truth, row.found)[-pair:]]
        return pictures

    def _mask(self, maps: SheetMaps, image: np.ndarray) -> np.ndarray | None:
        if maps.mask is None:
            return None
        return color_mask(maps.mask, image, self._palette, _ALPHA)

    def _depth(self, maps: SheetMaps, image: np.ndarray) -> np.ndarray | None:
        if maps.disparity is not None:
            return color_disparity(maps.disparity)
        return None if maps.depth is None else color_depth(maps.depth, self.depth_range)

    def _normals(self, maps: SheetMaps, image: np.ndarray) -> np.ndarray | None:
        return None if maps.normals is None else color_normals(maps.normals)

    def _edges(self, maps: SheetMaps, image: np.ndarray) -> np.ndarray | None:
        if maps.edges is None:
            return None
        scale = 255 if maps.edges.dtype == np.bool_ else 1
        levels = maps.edges.astype(np.uint8) * np.uint8(scale)
        return np.repeat(levels[..., None], 3, axis=-1)


class _Legend:
    """The classes in view with their colours, most common first, and the scale of depth."""

    def __init__(self, rows: Sequence[SheetRow], labels: LabelSet, layout: _Layout) -> None:
        self._labels = labels
        self._layout = layout
        self._classes = _classes_in_view(rows, len(labels))
        self._columns = layout.columns
        lines = -(-len(self._classes) // self._columns)
        self.height = layout.px(20 + 22 * lines + 44)

    def draw(self, canvas: '_Canvas', top: int, depth_range: tuple[float, float]) -> None:
        """Draw the legend below ``top``."""
        px = self._layout.px
        for place, number in enumerate(self._classes):
            line, column = divmod(place, self._columns)
            left = self._layout.left_of(column)
            y = top + px(14 + 22 * line)
            canvas.fill(_Box(left, y, px(13), px(13)), self._labels.colors[number])
            canvas.text(left + px(19), y + px(6), self._labels.names[number], px(13), _TEXT)
        self._draw_depth_scale(canvas, top + self.height - px(34), depth_range)

    def _draw_depth_scale(
        self, canvas: '_Canvas', y: int, depth_range: tuple[float, float]
    ) -> None:
        px, left = self._layout.px, self._layout.left_of(0)
        near, far = depth_range
        bar = _Box(left + px(100), y, px(240), px(13))
        canvas.text(left, y + px(6), f'depth {near:.1f} m', px(13), _FAINT)
        canvas.paste(depth_palette()[None], bar)
        canvas.text(bar.left + bar.width + px(8), y + px(6), f'{far:.1f} m', px(13), _FAINT)
        canvas.text(
            bar.left + bar.width + px(70), y + px(6),
            'normals: floor green, facing walls blue, red to the right     '
            'edges: white is certain     black: no value', px(13), _FAINT)


class _Canvas:
    """A picture to draw on, by way of Pillow."""

    def __init__(self, width: int, height: int) -> None:
        self._pillow = _import_pillow()
        self._picture = self._pillow.Image.new('RGB', (width, height), _BACKGROUND)
        self._pen = self._pillow.ImageDraw.Draw(self._picture)

    def paste(self, pixels: np.ndarray, box: _Box) -> None:
        """Show (H, W, 3) uint8 pixels in a box, resized to it."""
        image = self._pillow.Image
        picture = image.fromarray(np.ascontiguousarray(pixels))
        resized = picture.resize((box.width, box.height), image.Resampling.BOX)
        self._picture.paste(resized, (box.left, box.top))

    def fill(self, box: _Box, color: tuple[int, int, int]) -> None:
        """Fill a box with one colour."""
        right, bottom = box.left + box.width - 1, box.top + box.height - 1
        self._pen.rectangle((box.left, box.top, right, bottom), fill=color)

    def text(
        self, left: int, middle: int, text: str, size: int, color: tuple[int, int, int]
    ) -> None:
        """Write one line that begins at ``left`` and is centred on the height ``middle``."""
        font = self._font(size)
        top, bottom = font.getbbox('Ag')[1::2]
        self._pen.text((left, middle - (top + bottom) // 2), text, fill=color, font=font)

    def pixels(self) -> np.ndarray:
        """Return what was drawn as (H, W, 3) uint8."""
        return np.array(self._picture)

    def _font(self, size: int) -> Any:
        try:
            return self._pillow.ImageFont.load_default(size)
        except TypeError:  # before Pillow 10.1 the built-in font has one size
            return self._pillow.ImageFont.load_default()


def _draw_titles(canvas: _Canvas, layout: _Layout) -> None:
    px = layout.px
    canvas.text(layout.left_of(0), px(22), 'input', px(17), _TEXT)
    for number, title in enumerate(layout.TITLES):
        first = 1 + layout.pair * number
        canvas.text(layout.left_of(first), px(22), title, px(17), _TEXT)
        for offset, kind in enumerate(('ground truth', 'predicted')[-layout.pair:]):
            canvas.text(layout.left_of(first + offset), px(44), kind, px(13), _FAINT)


def _has_truth(rows: Sequence[SheetRow]) -> bool:
    return any(values is not None for row in rows for values in vars(row.truth).values())


def _classes_in_view(rows: Sequence[SheetRow], class_count: int) -> list[int]:
    counts = np.zeros(256, np.int64)
    for row in rows:
        for maps in (row.truth, row.found):
            if maps.mask is not None:
                counts += np.bincount(maps.mask.ravel(), minlength=256)
    order = np.argsort(-counts[:class_count], kind='stable')
    return [int(number) for number in order if counts[number] > 0]


def _import_pillow() -> Any:
    try:
        import PIL
        import PIL.Image
        import PIL.ImageDraw
        import PIL.ImageFont
    except ImportError as error:
        raise MissingExtraError(
            "a contact sheet needs Pillow, which is not installed: pip install 'mtshare_ros[cli]'"
        ) from error
    return PIL
