"""What serves contributors (guide, workflow, hooks, templates, citation) names what exists."""

import re

from doc_pages import make_targets, ROOT
import yaml

from mtshare_ros import __version__


def load(path):
    """Read a YAML file of the checkout."""
    return yaml.safe_load((ROOT / path).read_text(encoding='utf-8'))


def test_every_file_that_the_guide_names_exists():
    guide = (ROOT / 'CONTRIBUTING.md').read_text(encoding='utf-8')
    folders = r'mtshare_ros|test|config|models|\.github|\.ci'
    named = set(re.findall(rf'`((?:{folders})/[\w./-]*)`', guide))

    assert len(named) > 20
    assert not [path for path in named if not (ROOT / path).exists()]


def test_every_name_of_the_code_that_the_guide_gives_is_in_its_file():
    guide = (ROOT / 'CONTRIBUTING.md').read_text(encoding='utf-8')
    pairs = re.findall(r'`(\w+)` in\s+`(mtshare_ros/[\w/]+\.py)`', guide)

    assert len(pairs) >= 10
    assert not [pair for pair in pairs if pair[0] not in (ROOT / pair[1]).read_text()]


def test_the_workflow_runs_the_commands_of_a_developer():
    jobs = load('.github/workflows/tests.yml')['jobs']
    commands = [step['run'] for step in jobs['python']['steps'] if 'run' in step]

    assert commands == ['.ci/run']
    assert set(re.search(r'^make (.+?) <', (ROOT / '.ci/run').read_text(), re.M)[1].split()
               ) <= make_targets()
    assert jobs['python']['strategy']['matrix']['python'] == ['3.10', '3.12']
    assert jobs['colcon']['strategy']['matrix']['distro'] == ['humble', 'jazzy']


def test_the_hooks_check_what_make_lint_checks():
    hooks = load('.pre-commit-config.yaml')['repos'][0]['hooks']
    makefile = (ROOT / 'Makefile').read_text()
    linters = set(re.findall(r'python -m (ruff|mypy)', makefile))

    assert linters == {'ruff', 'mypy'}
    assert linters <= {hook['id'] for hook in hooks}


def test_the_citation_is_of_this_version():
    citation = load('CITATION.cff')
    changes = (ROOT / 'CHANGELOG.rst').read_text(encoding='utf-8')

    assert citation['version'] == __version__
    assert f'{__version__} ({citation["date-released"]})' in changes



def test_who_reports_a_fault_is_asked_for_the_diagnostics():
    form = load('.github/ISSUE_TEMPLATE/bug.yml')['body']
    field, = [part for part in form if part.get('id') == 'diagnostics']

    assert '/diagnostics' in field['attributes']['description']
    assert field['validations']['required']
