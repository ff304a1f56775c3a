"""A headless Chromium that looks at the dashboard as a person would."""

import json
import os
from pathlib import Path
import shutil

import pytest
from waiting import wait_until

WIDE, NARROW = (1440, 900), (390, 844)


def require_browser():
    """Skip the tests of a module where there is no browser; fail where there has to be one."""
    missing = [name for name in ('chromium', 'chromedriver') if shutil.which(name) is None]
    try:
        import selenium  # noqa: F401
    except ImportError:
        missing.append('selenium')
    if missing and os.environ.get('CI') == 'true':
        raise RuntimeError(f'{" and ".join(missing)} are missing: run tools/install_browser.sh')
    if missing:
        pytest.skip(f'{" and ".join(missing)} are not installed: tools/install_browser.sh',
                    allow_module_level=True)


class Browser:
    """
    One window; CSS selectors name what is looked at or clicked.

    ``idle`` is called again and again while something is waited for.
    """

    def __init__(self, size=WIDE, idle=lambda: None):
        from selenium.webdriver import Chrome, ChromeOptions, ChromeService

        options = ChromeOptions()
        options.binary_location = shutil.which('chromium')
        for word in ('headless=new', 'no-sandbox', 'disable-dev-shm-usage', 'disable-gpu',
                     'hide-scrollbars', 'disable-background-networking'):
            options.add_argument(f'--{word}')
        options.set_capability('goog:loggingPrefs', {'performance': 'ALL', 'browser': 'ALL'})
        self._idle = idle
        self.driver = Chrome(options, ChromeService(shutil.which('chromedriver')))
        self.resize(size)

    def resize(self, size):
        """Make the page so large, as a phone's screen would; a window has a smallest width."""
        width, height = size
        self.driver.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', {
            'width': width, 'height': height, 'deviceScaleFactor': 1, 'mobile': False})

    def open(self, url):
        self.driver.get(url)

    def close(self):
        self.driver.quit()

    def run(self, script, *arguments):
        """Return what a JavaScript returns."""
        return self.driver.execute_script(script, *arguments)

    def text(self, selector):
        """Return the text of an element, '' where there is none."""
        return self.run(
            'return document.querySelector(arguments[0])?.textContent ?? ""', selector)

    def value(self, selector):
        """Return the value of an input, a checkbox as a bool."""
        return self.run('const e = document.querySelector(arguments[0]);'
                        'return e && (e.type === "checkbox" ? e.checked : e.value)', selector)

    def count(self, selector):
        return self.run('return document.querySelectorAll(arguments[0]).length', selector)

    def click(self, selector):
        self.driver.find_element('css selector', selector).click()

    def enter(self, selector, text):
        """Type into a field and leave it."""
        from selenium.webdriver.common.keys import Keys

        field = self.driver.find_element('css selector', selector)
        field.send_keys(Keys.CONTROL, 'a')
        field.send_keys(text, Keys.TAB)

    def drag(self, selector, value):
        """Move a slider, with the event of a hand on it: pointers are too coarse for a value."""
        self.run('const e = document.querySelector(arguments[0]); e.value = arguments[1];'
                 'e.dispatchEvent(new Event("input"))', selector, value)

    def wait(self, condition, what):
        """Poll until the condition holds."""
        def holds():
            self._idle()
            return condition()

        wait_until(holds, what, lambda: f'the page says: {self.text("body")[:400]}'
                                        f' {self.complaints()}')

    def wait_for_text(self, selector, text):
        self.wait(lambda: text in self.text(selector), f'{text!r} in {selector}')

    def picture(self, view):
        """Return which picture a view shows: every one has an address of its own."""
        return self.run('const e = document.querySelector(arguments[0]);'
                        'return e?.classList.contains("shown") ? e.src : ""',
                        f'[data-view={view}] img')

    def wait_for_new_picture(self, view):
        before = self.picture(view)
        self.wait(lambda: self.picture(view) not in ('', before), f'a new picture of {view}')

    def requested_urls(self):
        """Return every address that the page asked for, sockets included."""
        messages = [json.loads(entry['message'])['message']
                    for entry in self.driver.get_log('performance')]
        asked = {message['params']['request']['url'] for message in messages
                 if message['method'] == 'Network.requestWillBeSent'}
        sockets = {message['params']['url'] for message in messages
                   if message['method'] == 'Network.webSocketCreated'}
        return asked | sockets

    def complaints(self):
        """Return the errors of the page's own code."""
        return [entry['message'] for entry in self.driver.get_log('browser')]

    def overflows(self):
        """Tell whether the page is wider than the window."""
        return self.run('const e = document.documentElement;'
                        'return e.scrollWidth > e.clientWidth')

    def save_screenshot(self, path: Path):
        self.driver.save_screenshot(str(path))
