"""The pages of the documentation, and what stands in them."""

from dataclasses import dataclass
from pathlib import Path
import re

ROOT = Path(__file__).resolve().parent.parent
GENERATED = ROOT / 'docs/results.md'
PAGES = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md',
         *(path for path in sorted((ROOT / 'docs').glob('*.md')) if path != GENERATED)]
"""Every page that people write; what a page without a language holds is no example."""

_FENCE = re.compile(r'^```(\w*)\n(.*?)^```$', re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Example:
    """A block of code in a page: its language, its text and the line it begins at."""

    page: str
    language: str
    text: str
    line: int

    def __str__(self) -> str:
        return f'{self.page}:{self.line}'


def prose(path: Path) -> str:
    """Return a page without its blocks of code."""
    return _FENCE.sub('', path.read_text())


def examples(language: str) -> list[Example]:
    """Return the blocks of one language in all pages."""
    return [
        Example(path.name, language, found.group(2), text[:found.start()].count('\n') + 1)
        for path in PAGES for text in [path.read_text()]
        for found in _FENCE.finditer(text) if found.group(1) == language
    ]


def command_lines() -> list[tuple[Example, str]]:
    """Return the lines of all shell examples, continued ones joined, with their example."""
    return [
        (example, line.strip())
        for example in examples('bash')
        for line in example.text.replace('\\\n', ' ').splitlines() if line.strip()
    ]


def anchors(path: Path) -> set[str]:
    """Return what ``page.md#...`` may name: the headings, as GitHub turns them into anchors."""
    headings = re.findall(r'^#+ (.+)$', path.read_text(), re.MULTILINE)
    return {re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-') for heading in headings}


def make_targets() -> set[str]:
    """Return the targets of the Makefile."""
    found = re.findall(r'^([a-z -]+):', (ROOT / 'Makefile').read_text(), re.MULTILINE)
    return set(' '.join(found).split())
