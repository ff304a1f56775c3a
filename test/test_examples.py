"""The examples of the documentation: commands are understood, code runs, files are accepted."""

import re
import shlex
import subprocess
import warnings

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
    table = pytest.importorskip('mtshare_ros.nodes.perception.parameter_table')
    return table.PERCEPTION_PARAMETERS


def understand(command, words):
    """Parse the words of a command; this reads every word, checks every value, calls nothing."""
    context = command.make_context('mtshare', list(words))
    while hasattr(command, 'resolve_command'):
        name, command, words = command.resolve_command(context, words_left(context))
        context = command.make_context(name, list(words), parent=context)


def test_every_command_and_its_options_are_understood():
    typer = pytest.importorskip('typer', reason='the command line needs the extra [cli]')
    from mtshare_ros.cli.app import app

    command = typer.main.get_command(app)
    for example, line in MTSHARE:
        try:
            understand(command, arguments_of(line))
        except Exception as error:
            pytest.fail(f'{example}: {line}: {error}')


def test_the_shell_reads_every_example():
    for example in examples('bash'):
        text = re.sub(r'<[^<>\n]+>', 'placeholder', example.text)
        result = subprocess.run(['bash', '-n'], input=text, capture_output=True, text=True,
                                check=False)

        assert not result.stderr, f'{example}: {result.stderr}'


def write_shards(folder, model):
    """Write the shards of two recordings in both formats."""
    pytest.importorskip('webdataset', reason='fleets need the extra [fleet]')
    from shard_files import infer, make_context, make_frames, SHARD_FORMATS, write_shard

    from mtshare_ros.inference.engine import Engine

    folder.mkdir(parents=True)
    engine, frames = Engine.load(str(model), device='cpu'), make_frames(3)
    predictions = infer(engine, frames)
    for name in ('monday', 'tuesday'):
        for kind, ending in SHARD_FORMATS.items():
            write_shard(kind, folder / f'{name}-00000{ending}', frames, predictions,
                        make_context(engine, name=name))


@pytest.mark.parametrize('example', examples('python'), ids=str)
def test_a_python_example_runs(example, tmp_path, monkeypatch, tiny_model):
    image_module = pytest.importorskip('PIL.Image', reason='pictures need Pillow')
    image_module.new('RGB', (320, 240), 'grey').save(tmp_path / 'photo.jpg')
    if 'maps/shards' in example.text:
        write_shards(tmp_path / 'maps/shards', tiny_model)
    monkeypatch.chdir(tmp_path)
    if 'import rclpy' in example.text:
        pytest.importorskip('rclpy', reason='ROS 2 is neither sourced nor installed as wheels')

    # under another name than __main__, so that a node is defined but not spun
    warnings.simplefilter('error')
    if 'import webdataset' in example.text:  # which leaves the closing of files to Python
        warnings.simplefilter('ignore', ResourceWarning)
    exec(compile(example.text, str(example), 'exec'), {'__name__': 'example'})  # noqa: S102


def yaml_examples(key):
    """Return the YAML examples that have a key at their top."""
    return [example for example in examples('yaml') if f'\n{key}:' in f'\n{example.text}']


def test_every_yaml_example_is_yaml():
    for example in examples('yaml'):
        # two files side by side in one block are for the eye only
        if not re.search(r'^#.*# ', example.text, re.MULTILINE):
            assert yaml.safe_load(example.text), example


def test_every_recipe_is_accepted(tmp_path):
    from mtshare_ros.training.recipe import load_recipe, runs_of

    for example in yaml_examples('stages'):
        (tmp_path / 'recipe.yaml').write_text(example.text)

        assert runs_of(load_recipe(tmp_path / 'recipe.yaml'), 'all'), example


def test_every_parameter_file_is_accepted(perception_table):
    for example in yaml_examples('/**'):
        values = yaml.safe_load(example.text)['/**']['ros__parameters']
        values.pop('qos_overrides', None)  # of ROS itself, for the topics of its graph

        assert set(values) <= {spec.name for spec in perception_table}, example
        assert perception_table.problem(values) == '', example


def test_every_parameter_can_be_set_as_it_is_shown(perception_table):
    for example, name, text in PARAMETER_SETS:
        assert name in perception_table, example
        assert perception_table[name].problem(yaml.safe_load(text)) == '', example
        assert not perception_table[name].read_only, example


def test_the_pages_have_examples_of_every_kind():
    assert MTSHARE and PARAMETER_SETS and examples('python')
    assert yaml_examples('stages') and yaml_examples('/**')
