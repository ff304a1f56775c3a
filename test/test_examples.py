"""The examples of the documentation: commands are understood, code runs, files are accepted."""

import os
import re
import shlex
import subprocess
import sys

from doc_pages import command_lines, examples
import pytest
import yaml

MTSHARE = [(example, line) for example, line in command_lines()
           if re.match(r'mtshare |torchrun .* mtshare_ros\.cli\.main ', line)]
PARAMETER_SETS = [(example, *words) for example, line in command_lines()
                  for words in re.findall(r'^ros2 param set /\S*_node (\S+) (\S+)', line)]


def arguments_of(line):
    """Return the words behind ``mtshare``, which torchrun starts by its module."""
    words = shlex.split(line, comments=True)
    program = 'mtshare' if words[0] == 'mtshare' else 'mtshare_ros.cli.main'
    return words[words.index(program) + 1:]


def words_left(context):
    """Return what a group of commands has not read; Click renamed where it keeps the first."""
    first = getattr(context, '_protected_args', None) or getattr(context, 'protected_args', ())
    return [*first, *context.args]


@pytest.fixture
def perception_table():
    """Import the node's parameters, which need the message packages."""
    pytest.importorskip('sensor_msgs', reason='ROS 2 is neither sourced nor installed as wheels')
    return pytest.importorskip('mtshare_ros.nodes.perception_parameters').PERCEPTION_PARAMETERS


@pytest.mark.parametrize('example, line', MTSHARE, ids=map(str, MTSHARE))
def test_a_command_and_its_options_are_understood(example, line):
    pytest.importorskip('typer', reason='the command line needs the extra [cli]')
    import typer

    from mtshare_ros.cli.app import app

    command, words = typer.main.get_command(app), arguments_of(line)
    context = command.make_context('mtshare', list(words))
    # parsing reads every word and checks every value, and calls nothing
    while hasattr(command, 'resolve_command'):
        name, command, words = command.resolve_command(context, words_left(context))
        context = command.make_context(name, list(words), parent=context)


@pytest.mark.parametrize('example', examples('bash'), ids=str)
def test_the_shell_reads_an_example(example):
    text = re.sub(r'<[^<>\n]+>', 'placeholder', example.text)
    result = subprocess.run(['bash', '-n'], input=text, capture_output=True, text=True,
                            check=False)

    assert not result.stderr, result.stderr


@pytest.mark.parametrize('example', examples('python'), ids=str)
def test_a_python_example_runs(example, tmp_path):
    if 'import rclpy' in example.text:
        pytest.importorskip('rclpy', reason='ROS 2 is neither sourced nor installed as wheels')
    (tmp_path / 'example.py').write_text(example.text)

    # imported, so that a node is defined but not spun
    result = subprocess.run([sys.executable, '-c', 'import example'], cwd=tmp_path, check=False,
                            capture_output=True, text=True,
                            env={**os.environ, 'OMP_NUM_THREADS': '1'})

    assert result.returncode == 0, result.stderr


def yaml_examples(key):
    """Return the YAML examples that have a key at their top."""
    return [example for example in examples('yaml') if f'\n{key}:' in f'\n{example.text}']


@pytest.mark.parametrize('example', examples('yaml'), ids=str)
def test_an_example_is_yaml(example):
    # two files side by side in one block are for the eye only
    if not re.search(r'^#.*# ', example.text, re.MULTILINE):
        assert yaml.safe_load(example.text)


@pytest.mark.parametrize('example', yaml_examples('stages'), ids=str)
def test_a_recipe_is_accepted(example, tmp_path):
    from mtshare_ros.training.recipe import load_recipe, runs_of

    (tmp_path / 'recipe.yaml').write_text(example.text)

    assert runs_of(load_recipe(tmp_path / 'recipe.yaml'), 'all')


@pytest.mark.parametrize('example', yaml_examples('/**'), ids=str)
def test_a_parameter_file_is_accepted(example, perception_table):
    values = yaml.safe_load(example.text)['/**']['ros__parameters']

    assert set(values) <= {spec.name for spec in perception_table}
    assert perception_table.problem(values) == ''


@pytest.mark.parametrize('example, name, text', PARAMETER_SETS, ids=map(str, PARAMETER_SETS))
def test_a_parameter_can_be_set_so(example, name, text, perception_table):
    assert name in perception_table
    assert perception_table[name].problem(yaml.safe_load(text)) == ''
    assert not perception_table[name].read_only


def test_the_pages_have_examples_of_every_kind():
    assert MTSHARE and PARAMETER_SETS and examples('python')
    assert yaml_examples('stages') and yaml_examples('/**')
