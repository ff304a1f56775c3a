"""The page about a fleet as HTML: whole, safe and small, and in a browser."""

from html.parser import HTMLParser
import math
from pathlib import Path
import sys

import pytest

from mtshare_ros.report.charts import even_marks, Histogram, log_marks, Share, ShareChart
from mtshare_ros.report.fleet_page import (
    Figure,
    FleetPage,
    Picture,
    Section,
    Table,
    write_fleet_page,
)

EVIL = '<script>document.title="taken"</script>"\'><img src=x onerror=alert(1)>&'
# the smallest JPEG file
PIXEL = bytes.fromhex(
    'ffd8ffdb004300' + '01' * 64 + 'ffc0000b080001000101011100ffc4001400010000000000000000000000'
    '0000000009ffc40014100100000000000000000000000000000000ffda0008010100003f0054dfffd9')


def page_of(*sections, **changes):
    values = {'place': '/out', 'state': 'ok', 'message': '2 recordings', 'made': 'Made today.',
              **changes}
    return FleetPage(sections=sections, **values)


def full_section(text):
    """Return a section in which every text is the same."""
    return Section(
        'all', text, (text,), (Figure(text, text, text),),
        (ShareChart(text, (Share(text, 0.6, (10, 20, 30)), Share(text, 0.4, (1, 2, 3)))),),
        (Histogram(text, text, text, [0.1, 1.0, 10.0], [3, 5], 1, 2, logarithmic=True),),
        (Table(text, (text, text), [(text, text)], frozenset((1,)), folded=True, note=text),
         Table(text, (text, 'number'), [('b', '2'), ('a', '1\N{NO-BREAK SPACE}000'), ('c', '–')],
               frozenset((1,)), sortable=True)),
        (Picture(PIXEL, text, text, text),), warning=True)


class Elements(HTMLParser):
    """Collects elements with their attributes, and the text between them."""

    def __init__(self, html):
        super().__init__()
        self.found, self.texts = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)

    def named(self, *names):
        return [attributes for tag, attributes in self.found if tag in names]


def test_every_text_is_escaped():
    html = write_fleet_page(page_of(full_section(EVIL), place=EVIL, message=EVIL, made=EVIL))

    elements = Elements(html)
    assert len(elements.named('script')) == 1
    assert not any('onerror' in attributes for _, attributes in elements.found)
    assert [picture['alt'] for picture in elements.named('img')] == [EVIL]
    assert elements.texts.count(EVIL) > 10


def test_the_page_needs_nothing_from_elsewhere():
    elements = Elements(write_fleet_page(page_of(full_section('text'))))

    addresses = [attributes[name] for _, attributes in elements.found
                 for name in ('src', 'href', 'action', 'data') if name in attributes]
    assert addresses and all(address.startswith(('#', 'data:')) for address in addresses)


def test_tables_have_headers_and_charts_and_pictures_have_texts():
    elements = Elements(write_fleet_page(page_of(full_section('text'))))

    assert all(attributes['scope'] in ('col', 'row') for attributes in elements.named('th'))
    ids = {attributes['id'] for _, attributes in elements.found if 'id' in attributes}
    assert all(chart['aria-labelledby'] in ids for chart in elements.named('svg'))
    assert all(picture['alt'] for picture in elements.named('img'))


def test_bars_are_as_long_as_their_shares_and_stay_in_the_chart():
    chart = Histogram('depth', 'm', 'pixels', [0, 1, 2, 3, 4, 5], [0, 0, 30, 10, 0])

    tall, short = chart.bars
    assert tall.height == pytest.approx(3 * short.height)
    assert tall.text == '2 to 3 m: 75.0\N{NO-BREAK SPACE}%'
    assert chart.left <= tall.left and short.left + short.width <= chart.right
    assert [mark.text for mark in chart.values] == ['1', '1.5', '2', '2.5', '3', '3.5', '4', '4.5',
                                                    '5'][::2]


def test_what_lies_beyond_the_edges_is_said():
    chart = Histogram('depth', 'm', 'pixels', [1, 2, 3], [6, 1], 2, 1)

    assert chart.beyond.replace('\N{NO-BREAK SPACE}', ' ') == (
        'Not drawn: 20.0 % below 1 m, 10.0 % above 3 m.')
    assert Histogram('depth', 'm', 'pixels', [1, 2], [1]).beyond == ''


@pytest.mark.parametrize('counts, below', [
    ([0, 0], 0), ([0, 0], 4), ([1, 0], 0), ([0, 10**15], 0)])
def test_charts_of_nothing_and_of_one_interval_are_drawn(counts, below):
    chart = Histogram('a', 'm', 'pixels', [0.1, 1, 10], counts, below, logarithmic=True)

    elements = Elements(write_fleet_page(page_of(Section(
        'a', 'a', histograms=(chart,), shares=(ShareChart('none', ()),)))))

    places = [attributes[name] for attributes in elements.named('rect', 'line')
              for name in ('x', 'y', 'width', 'height', 'x1', 'x2', 'y1', 'y2')
              if name in attributes]
    assert places and all(math.isfinite(float(place)) for place in places)


@pytest.mark.parametrize('low, high', [(0, 1), (0, 0.013), (0, 100), (3, 4.2), (0, 7e6)])
def test_marks_of_an_axis_are_few_round_and_inside(low, high):
    marks = even_marks(low, high)

    assert 2 <= len(marks) <= 7
    assert all(low <= mark <= high * (1 + 1e-9) for mark in marks)


@pytest.mark.parametrize('low, high', [(0.1, 100), (0.8, 3), (1.6, 4), (1e-3, 1e6)])
def test_marks_of_a_logarithmic_axis_are_few_and_inside(low, high):
    marks = log_marks(low, high)

    assert 2 <= len(marks) <= 10
    assert all(low <= mark <= high for mark in marks)


@pytest.fixture(scope='module')
def browser():
    """Return a browser, closed at the end."""
    sys.path.append(str(Path(__file__).parents[2] / 'node'))
    from browser import Browser, require_browser

    require_browser()
    opened = Browser()
    yield opened
    opened.close()


@pytest.fixture
def shown(browser, tmp_path):
    """Return a function that shows a page in the browser."""
    def show(page, size=(1440, 900)):
        path = tmp_path / 'summary.html'
        path.write_text(write_fleet_page(page), encoding='utf-8')
        browser.resize(size)
        browser.open(path.as_uri())
        return browser
    return show


def test_a_browser_runs_no_script_of_a_name(shown):
    browser = shown(page_of(full_section(EVIL), place=EVIL))

    assert browser.driver.title == f'Fleet: {EVIL}'
    assert browser.complaints() == []
    assert browser.run('return document.querySelector("img").complete')


@pytest.mark.parametrize('width', [1440, 700, 340])
def test_no_window_is_too_narrow(shown, width):
    long_name = 'drives/' + 'a_very_long_name_without_a_break' * 8
    browser = shown(page_of(full_section(long_name), place=long_name), (width, 800))

    assert not browser.overflows()


def test_a_table_is_sorted_by_its_headers_with_the_keyboard(shown):
    from selenium.webdriver.common.keys import Keys

    browser = shown(page_of(full_section('text')))

    def names():
        return browser.run('return [...document.querySelectorAll(".sortable tbody th")]'
                           '.map(cell => cell.textContent)')

    head = browser.driver.find_elements('css selector', '.sortable thead button')
    assert names() == ['b', 'a', 'c']
    head[1].send_keys(Keys.ENTER)
    assert names() == ['a', 'b', 'c']
    head[1].send_keys(Keys.ENTER)
    assert names() == ['c', 'b', 'a']
    head[0].send_keys(Keys.ENTER)
    assert names() == ['a', 'b', 'c']
    assert browser.count('.sortable th[aria-sort=ascending]') == 1


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_text_is_readable_in_the_dark_and_in_the_light(shown, scheme):
    browser = shown(page_of(full_section('text')))
    browser.driver.execute_cdp_cmd('Emulation.setEmulatedMedia', {
        'features': [{'name': 'prefers-color-scheme', 'value': scheme}]})

    colors = browser.run(
        'const style = (e) => getComputedStyle(document.querySelector(e));'
        'return [style("section").backgroundColor, style("section p").color,'
        ' style("h2").color, style("svg text").fill]')

    ground, *texts = [_luminance(color) for color in colors]
    assert (ground > 0.5) == (scheme == 'light')
    # the contrast that the accessibility guidelines of the web (WCAG) ask for
    assert all((max(ground, text) + 0.05) / (min(ground, text) + 0.05) >= 4.5 for text in texts)


def _luminance(color):
    """Return the relative luminance of a colour as CSS writes it: rgb(1, 2, 3)."""
    levels = [int(level) / 255 for level in color[4:-1].split(',')]
    linear = [level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4
              for level in levels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
