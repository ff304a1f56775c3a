"""The dashboard in a real browser, beside real nodes, over real DDS."""

from contextlib import contextmanager
import signal

from browser import Browser, NARROW, require_browser, WIDE
import numpy as np
import pytest
from ros_harness import open_stage
from ros_messages import camera_image, stamped

pytest.importorskip('tornado', reason='the dashboard needs the extra [dashboard]')
pytest.importorskip('PIL', reason='the dashboard needs the extra [dashboard]')
require_browser()

PERIOD_S = 0.05
VIEWS = ('camera', 'semantic', 'depth', 'normals', 'edges', 'activity')
THRESHOLD = '[data-parameter="temporal.threshold"]'


class Screen:
    """A stage with a perception node, a camera that works by itself, and the dashboard."""

    def __init__(self, stage, model):
        self.stage = stage
        self.model = model
        self.observer = stage.observer
        self.dashboard = stage.nodes.start('dashboard_node', '-p', 'port:=0')
        self.stage.start_perception(model)
        self._publisher = self.observer.camera()
        self._image = camera_image()
        self._count = 0
        self.observer.node.create_timer(PERIOD_S, self._publish)
        self.dashboard.wait_for_output('the dashboard is at')

    @property
    def url(self):
        return self.dashboard.output.split('the dashboard is at ')[1].split()[0]

    def _publish(self):
        """Publish noise that stands still but for one corner, which no two pictures share."""
        self._count += 1
        pixels = np.frombuffer(self._image.data, np.uint8).reshape(96, 128, 3)
        pixels[:8, :8] = self._count % 256
        self._publisher.publish(stamped(self._image, self.observer.now()))

    def restart_perception(self):
        self.stage.perception = self.stage.nodes.perception(self.model)

    @contextmanager
    def browser(self, size=WIDE):
        """Open the page; while its tests wait, the observer's messages are handled."""
        browser = Browser(size, idle=lambda: self.observer.spin_for(0.05))
        try:
            browser.open(self.url)
            yield browser
        finally:
            browser.close()


@pytest.fixture(scope='module')
def screen(tmp_path_factory, tiny_model):
    with open_stage(tmp_path_factory.mktemp('dashboard')) as stage:
        yield Screen(stage, tiny_model)


@pytest.fixture
def page(screen):
    """Lend a page that shows the parameters and a picture of every view."""
    with screen.browser() as browser:
        for view in VIEWS:
            browser.wait_for_new_picture(view)
        browser.wait(lambda: browser.count(THRESHOLD), 'the parameters')
        yield browser


def figure(page, name):
    """Return a figure of the diagnostics as the page shows it, NaN where it is none."""
    try:
        return float(page.text(f'#entries [data-entry={name}]'))
    except ValueError:
        return float('nan')


def test_every_view_shows_pictures_that_change(page):
    for view in VIEWS:
        page.wait_for_new_picture(view)

    page.wait(lambda: page.count('.covered') == 0, 'every picture in the clear')
    page.wait(lambda: page.count('[data-view=semantic] .chip'), 'the classes in the picture')
    page.wait_for_text('[data-view=depth] .legend', '8.0 m')
    assert not page.complaints()


def test_the_page_asks_nobody_but_its_own_server(page, screen):
    page.wait_for_new_picture('depth')

    origin = screen.url.removeprefix('http://').rstrip('/')
    own = tuple(f'{scheme}://{origin}/' for scheme in ('http', 'blob:http', 'ws'))
    asked = page.requested_urls()
    assert f'ws://{origin}/socket' in asked
    assert not [url for url in asked if not url.startswith(own)]


def test_a_slider_changes_the_parameter_of_the_node_and_what_it_computes(page, screen):
    page.wait(lambda: figure(page, 'active_fraction') < 0.5, 'a camera at rest')

    page.enter(f'{THRESHOLD} input[type=number]', '0')

    page.wait(lambda: figure(page, 'active_fraction') > 0.6, 'everything to be computed')
    assert screen.observer.get('temporal.threshold') == 0.0
    page.drag(f'{THRESHOLD} input[type=range]', 2.5)
    page.wait(lambda: screen.observer.get('temporal.threshold') == 2.5, 'the other value')
    assert screen.observer.set(temporal__threshold=1.0).successful


def test_a_parameter_that_somebody_else_sets_moves_the_slider(page, screen):
    assert screen.observer.set(temporal__threshold=4.5).successful

    page.wait(lambda: page.value(f'{THRESHOLD} input[type=range]') == '4.5', 'the slider')

    assert page.value(f'{THRESHOLD} input[type=number]') == '4.5'
    assert screen.observer.set(temporal__threshold=1.0).successful
    page.wait(lambda: page.value(f'{THRESHOLD} input[type=number]') == '1.0', 'the way back')


def test_a_refused_value_shows_the_reason_of_the_node_and_goes_back(page, screen):
    row = '[data-parameter="temporal.max_age"]'

    page.enter(f'{row} input[type=number]', '10')

    page.wait_for_text(f'{row} .text', 'temporal.refresh_period is 30')
    assert page.value(f'{row} input[type=number]') == '90'
    assert screen.observer.get('temporal.max_age') == 90


def test_the_ranges_are_those_of_the_node(page):
    limits = page.run('const e = document.querySelector(arguments[0]);return [e.min, e.max]',
                      '[data-parameter="temporal.refresh_period"] input[type=range]')
    choices = page.run('return [...document.querySelectorAll(arguments[0])].map((e) => e.value)',
                       '[data-parameter="temporal.policy"] option')

    assert limits == ['1', '300']
    assert choices == ['round_robin', 'keyframe']


def test_the_button_resets_the_cache(page):
    page.wait(lambda: figure(page, 'resets') >= 1, 'the figures')
    resets = figure(page, 'resets')

    page.click('#reset')

    page.wait(lambda: figure(page, 'resets') > resets, 'another reset')
    page.wait_for_text('#entries [data-entry=last_reset]', 'reset_cache')


def test_a_hidden_view_is_not_computed(page):
    for view in ('semantic', 'activity', 'normals', 'edges'):
        page.click(f'[data-view={view}] .watch')

    page.wait_for_text('#entries [data-entry=computed]', 'depth')
    page.wait(lambda: page.text('#entries [data-entry=computed]') == 'depth', 'depth alone')


def test_two_browsers_show_the_same_at_once(page, screen):
    with screen.browser(NARROW) as other:
        for browser in (page, other):
            for view in VIEWS:
                browser.wait_for_new_picture(view)
        page.enter(f'{THRESHOLD} input[type=number]', '3.5')
        other.wait(lambda: other.value(f'{THRESHOLD} input[type=number]') == '3.5', 'the value')
    assert screen.observer.set(temporal__threshold=1.0).successful


@pytest.mark.parametrize('size', [WIDE, NARROW, (320, 640), (1000, 700)])
def test_no_width_makes_the_page_scroll_sideways(page, size):
    page.resize(size)

    page.wait(lambda: page.run('return innerWidth') == size[0], 'the new size')

    page.run('document.querySelectorAll("details").forEach((e) => { e.open = true; })')
    assert not page.overflows()


def test_a_node_that_is_lost_is_named_and_comes_back_by_itself(page, screen):
    screen.stage.perception.kill()
    page.wait_for_text('#level', 'LOST')
    assert 'perception_node has been silent' in page.text('#notice')
    assert page.run('return document.querySelector("#reset").disabled')

    screen.restart_perception()

    page.wait(lambda: page.text('#level') not in ('LOST', ''), 'the node')
    for view in VIEWS:
        page.wait_for_new_picture(view)
    assert page.run('return document.querySelector("#notice").hidden')


def test_nothing_is_computed_once_the_last_browser_is_closed(screen):
    with screen.browser() as page:
        page.wait_for_new_picture('depth')
    names = [f'/{topic}' for topic in ('depth/color', 'semantic/mask', 'sharing/activity')]

    screen.observer.spin_until(
        lambda: not any(screen.observer.node.count_subscribers(name) for name in names),
        'the end of the subscriptions')

    screen.observer.diagnose('idle', lambda text: 'no subscriber' in text)


def test_a_dashboard_that_restarts_is_found_again(screen):
    port = screen.url.rstrip('/').rpartition(':')[2]
    with screen.browser() as page:
        page.wait_for_new_picture('depth')
        assert screen.dashboard.end(signal.SIGTERM) == 0
        page.wait_for_text('#level', 'NO CONNECTION')

        screen.dashboard = screen.stage.nodes.start('dashboard_node', '-p', f'port:={port}')

        page.wait_for_new_picture('depth')
        page.wait(lambda: page.run('return document.querySelector("#notice").hidden'), 'peace')
    screen.dashboard.wait_for_output('the dashboard is at')
