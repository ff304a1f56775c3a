"""The page of real images, made of nothing but its file of figures and the notes beside it."""

from typing import Any, Iterator, Mapping

from mtshare_ros.report.real.map_changes import UNITS
from mtshare_ros.report.text import bullets, paragraphs, percent, table

_INTRO = """\
# Real images

What the models make of photographs and videos of the real world, on none of which this project
trained anything. Every picture and every figure comes from one command, and anybody can repeat it
with the same files: they come with packages that registries carry.\
"""

_FILES = """\
## The files

The photographs come with scikit-image (`pip install scikit-image`), the videos with the Debian
and Ubuntu package opencv-doc (`apt-get download opencv-doc && dpkg -x opencv-doc_*.deb opencv`).
This page shows pictures of those only whose licence plainly allows it; with `--all-pictures` the
command makes them all.\
"""

_MOTORCYCLE = """\
## Metres: the motorcycle

The Middlebury motorcycle comes with measured disparity, and so with depth in metres. δ1 is the
share of pixels within a factor of 1.25 of the truth, AbsRel the mean of |error| / truth. Scaled:
after all depths were multiplied by one number, which is the scale. Rank is Spearman's
correlation: are the near things nearer? A depth that is the same everywhere has, scaled, the
figures of the last line.\
"""

_SHARING = """\
## Sharing on real videos

Every frame was computed twice: whole, and with what is known of those before. *Rows* and *work*
are the shares of the rows and of the multiply-accumulates that were computed with sharing, the
first frame apart. *To dense* is how far its maps are from those of the whole computation;
*between* is how far the maps of two consecutive whole computations are from each other. Below
that, sharing costs less than waiting for one frame. *Flicker* is the change of maps from frame
to frame in those patches in which the image did not change. Milliseconds are medians of this run;
`mtshare bench` takes more care, and compares with the fastest form of a whole computation.\
"""

_UNITS = bullets((
    'classes: per cent of the pixels that have another class',
    'depth: mean of the relative difference, in per cent',
    'normals: mean angle, in degrees',
    'edges: mean difference of the probability, in per cent',
))

_CAPTION = (': the whole computation beside the image; below it the shared one, beside what was '
            'recomputed')

_HEADS = {'mask': 'classes', 'depth': 'depth', 'normals': 'normals', 'edges': 'edges'}


def write_page(results: Mapping[str, Any], notes: str = '') -> str:
    """Return the page of the figures of ``mtshare real``; ``notes`` say what the sheets show."""
    return paragraphs(
        _INTRO, f'```bash\n{results["command"]}\n```', _how(results),
        '## Photographs', _pictures(results, 'photographs'), notes.strip(),
        _MOTORCYCLE, _motorcycle_table(results), _SHARING, _UNITS,
        *_films(results), _FILES, _file_table(results)) + '\n'


def _how(results: Mapping[str, Any]) -> str:
    height, width = results['input_size']
    return (f'Maps of {width}x{height} pixels, on {results["device"]} in {results["precision"]}; '
            f'of each video the first {results["frames"]} frames. The figures lie beside this '
            f'page, [real_images.json](real_images.json).')


def _pictures(results: Mapping[str, Any], kind: str) -> str:
    caption = _CAPTION if kind in results['films'] else ''
    return paragraphs(*(
        f'![{picture["model"]}: {kind}]({picture["file"]})\n\n*{picture["model"]}{caption}*'
        for picture in results['pictures'] if picture['shows'] == kind))


def _motorcycle_table(results: Mapping[str, Any]) -> str:
    heads = ('model', 'size', 'δ1 %', 'AbsRel', 'δ1 scaled %', 'AbsRel scaled', 'scale', 'rank')
    rows = [(name, _size(score['input_size']), f'{score["delta1"]:.1f}',
             f'{score["abs_rel"]:.3f}', *_scaled(score), f'{score["rank"]:.2f}')
            for name, model in results['models'].items() for score in model['motorcycle']]
    constant = ('the same depth everywhere', '', '', '', *_scaled(results['constant']), '')
    return table(heads, [*rows, constant])


def _scaled(score: Mapping[str, Any]) -> tuple[str, str, str]:
    return (f'{score["scaled_delta1"]:.1f}', f'{score["scaled_abs_rel"]:.3f}',
            f'{score["scale"]:.2f}')


def _films(results: Mapping[str, Any]) -> Iterator[str]:
    for name, film in results['films'].items():
        figures = {model: found['films'][name] for model, found in results['models'].items()}
        yield f'### {name.capitalize()}: {film["shows"]}'
        yield _pictures(results, name)
        yield _work_table(figures)
        yield _change_table(figures)


def _work_table(figures: Mapping[str, Mapping[str, Any]]) -> str:
    heads = ('model', 'rows %', 'work %', 'unchanged image %', 'ms whole', 'ms shared')
    return table(heads, [
        (model, percent(film['rows']), percent(film['macs']), percent(film['still']),
         f'{film["ms_dense"]:.0f}', f'{film["ms_shared"]:.0f}')
        for model, film in figures.items()])


def _change_table(figures: Mapping[str, Mapping[str, Any]]) -> str:
    kinds = {'to dense': 'to_dense', 'between': 'between', 'flicker whole': 'flicker_dense',
             'flicker shared': 'flicker_shared'}
    return table(('model, map', *kinds), [
        (f'{model}, {_HEADS[name]}', *(_change(film[key].get(name), name)
                                       for key in kinds.values()))
        for model, film in figures.items() for name in UNITS if name in film['to_dense']])


def _change(value: float | None, name: str) -> str:
    unit = UNITS[name] if UNITS[name] == '°' else f' {UNITS[name]}'
    return '-' if value is None else f'{value:.2f}{unit}'


def _file_table(results: Mapping[str, Any]) -> str:
    return table(('file', 'shows', 'licence'), [
        (f'`{item["file"]}`', item['shows'], item['licence']) for item in results['files']],
        align='---')


def _size(size: list[int]) -> str:
    return f'{size[1]}x{size[0]}'
