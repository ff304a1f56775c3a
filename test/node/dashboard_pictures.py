"""
Pictures of the dashboard for the documentation, and what the dashboard costs.

Run it as ``python test/node/dashboard_pictures.py --rate 7``: it starts ``mtshare demo`` with the
arguments given, looks at its dashboard for a minute, writes docs/images/dashboard_*.png and prints
rates and processor use.
"""

from contextlib import contextmanager
import io
from pathlib import Path
import re
import signal
import sys
import time

from browser import Browser, NARROW, WIDE
from PIL import Image
import psutil

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / 'docs' / 'images'
WATCHED_S = 65.0
COLORS = 256


@contextmanager
def demo(arguments):
    """Run the demo until the block ends; the value is its process and its address."""
    command = [sys.executable, '-m', 'mtshare_ros.cli.main', 'demo', '--duration', '0', *arguments]
    process = psutil.Popen(command, cwd=ROOT, stdout=-1, text=True)
    try:
        url = next(found.group(1) for line in process.stdout
                   if (found := re.search(r'dashboard: (\S+)', line)))
        next(line for line in process.stdout if 'inference' in line)
        yield process, url
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)


def dashboard_of(process):
    """Return the process of the dashboard among the children of the demo."""
    return next(child for child in process.children(recursive=True)
                if 'mtshare_ros.nodes.dashboard.node' in child.cmdline())


def processor_percent(process, seconds, while_waiting=time.sleep):
    """Return the share of one core that a process used for a while."""
    before = sum(process.cpu_times()[:2])
    while_waiting(seconds)
    return 100 * (sum(process.cpu_times()[:2]) - before) / seconds


def save(browser, name):
    """Save what the browser shows in few colours: a page of documentation is read, not kept."""
    picture = Image.open(io.BytesIO(browser.driver.get_screenshot_as_png())).convert('RGB')
    path = FOLDER / name
    palette = picture.quantize(COLORS, kmeans=2)
    picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(
        path, optimize=True)
    print(f'wrote {path.relative_to(ROOT)}, {path.stat().st_size / 1e3:.0f} kB')


def main():
    with demo(sys.argv[1:]) as (process, url):
        dashboard = dashboard_of(process)
        print(f'dashboard without a page: {processor_percent(dashboard, 10.0):.1f} % of a core')
        browser = Browser(WIDE)
        try:
            browser.open(url)
            used = processor_percent(dashboard, WATCHED_S)
            rates = browser.run(
                'return [...document.querySelectorAll("figure")].map((figure) => '
                'figure.dataset.view + " " + figure.querySelector(".rate").textContent)')
            print(f'dashboard with one page: {used:.1f} % of a core; pictures: {", ".join(rates)}')
            save(browser, 'dashboard_wide.png')
            browser.resize(NARROW)
            time.sleep(2.0)
            save(browser, 'dashboard_narrow.png')
        finally:
            browser.close()


if __name__ == '__main__':
    main()
