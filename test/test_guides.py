"""What the guides in docs say about the code is so."""

import ast
import re

from architecture_rules import MAY_IMPORT
from doc_pages import ROOT
import pytest

SHAPELESS = '…'
"""What stands in a quoted message for a part that differs."""
DESIGN = (ROOT / 'docs/design.md').read_text()
QUOTES = re.findall(r'\*\*"(.+?)"\*\*', (ROOT / 'docs/troubleshooting.md').read_text(), re.DOTALL)


def one_line(text):
    """Return a text with every run of white space as one space."""
    return re.sub(r'\s+', ' ', text)


def texts_of(tree):
    """Yield the texts in a module; what an f-string fills in is SHAPELESS."""
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield one_line(''.join(part.value if isinstance(part, ast.Constant) else SHAPELESS
                                   for part in node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield one_line(node.value)


@pytest.fixture(scope='module')
def texts():
    """Return every text in the package, one a line."""
    paths = [*ROOT.glob('mtshare_ros/**/*.py'), *ROOT.glob('launch/*.py')]
    return '\n'.join(text for path in paths for text in texts_of(ast.parse(path.read_text())))


def test_every_quoted_message_stands_in_the_code(texts):
    assert QUOTES and not [quote for quote in QUOTES if one_line(quote) not in texts]


def test_the_table_of_figures_is_what_the_diagnostics_show():
    pytest.importorskip('diagnostic_msgs', reason='ROS 2 is neither sourced nor installed')
    from builtin_interfaces.msg import Time

    from mtshare_ros.nodes.perception.diagnostics import (
        CameraReport,
        engine_entries,
        make_diagnostics,
        memory_entries,
        model_entries,
        NodeReport,
    )
    from mtshare_ros.nodes.perception.frame_statistics import FrameStatistics

    node = NodeReport('/node', 'active', entries={
        **model_entries(None, ''), **engine_entries(None, {}), **memory_entries(None)})
    taken_from = dict.fromkeys(('image_topic', 'image_transport'), '')
    camera = CameraReport(entries={**taken_from, **FrameStatistics().summary()})
    shown = {item.key for item in make_diagnostics(node, [camera], Time()).status[0].values}
    table = re.search(r'<!-- table: diagnostics -->\n(.*?)<!-- end -->',
                      (ROOT / 'docs/interface.md').read_text(), re.DOTALL).group(1)
    explained = {name for row in table.splitlines()
                 for name in re.findall(r'`(\w+)`', row.split('|')[1])}

    assert explained == shown


def test_the_picture_of_the_layers_is_the_rule_of_imports():
    arrows = set(re.findall(r'^    (\w+)(?:\[.*?\])? --> (\w+)', DESIGN, re.MULTILINE))

    assert arrows == {(layer, other) for layer, others in MAY_IMPORT.items() for other in others}


def names_defined_in(path):
    """Return what a module defines at its top."""
    body = ast.parse(path.read_text()).body
    named = [name for node in body
             for name in getattr(node, 'targets', [getattr(node, 'target', node)])]
    return {getattr(name, 'name', getattr(name, 'id', '')) for name in named}


def test_what_the_design_says_to_change_has_a_name_in_each_file():
    rows = re.search(r'^\| to change .*?\n\n', DESIGN, re.MULTILINE | re.DOTALL).group()
    places = re.findall(r'`(\w+)` in `([\w/]+\.py)`', rows)

    assert set(re.findall(r'`([\w/]+\.py)`', rows)) == {path for _, path in places}


def test_every_name_that_the_design_gives_is_in_its_file():
    places = re.findall(r'`(\w+)` in\s+`([\w/]+\.py)`', DESIGN)

    assert len(places) > 50
    for name, path in places:
        assert name in names_defined_in(ROOT / 'mtshare_ros' / path), (name, path)


def test_every_file_that_the_design_names_exists():
    paths = set(re.findall(r'`([a-z_]+/[\w/]+\.py)`', DESIGN))

    assert not [path for path in paths if not ((ROOT / 'mtshare_ros' / path).is_file()
                                               or (ROOT / path).is_file())]
