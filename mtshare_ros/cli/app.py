"""The commands of ``mtshare``, imported only when they are called."""

from copy import copy
import errno
from importlib import import_module
import re
from textwrap import wrap
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from mtshare_ros import __version__
from mtshare_ros.errors import MtshareError

COMMANDS = {
    'demo': 'Show the node at work, with a simulated camera or a video.',
    'bag': 'Compute the maps of a recorded bag, without ROS.',
    'run': 'Compute the maps of images, a video or a camera, into files.',
    'fleet': 'Compute the maps of thousands of recordings, on many workers.',
    'bench': 'Measure how fast this machine is.',
    'soak': 'Inject faults into the real node, and check that it keeps its promises.',
    'evaluate': 'Measure how good a model is, against the truth.',
    'calibrate': 'Find thresholds for sharing that keep a stated output error.',
    'train': 'Train a model.',
    'render': 'Render clips and training frames of procedural rooms.',
    'real': 'Show and measure models on photographs and videos of the real world.',
    'report': 'Write a page with the metrics of the networks of a recipe.',
    'import': 'Make a model of public weights: DINOv2 and its heads, Depth Anything, TIPSv2.',
    'export': 'Write a model as an ONNX file, for TensorRT and other runtimes.',
    'models': 'List, verify, describe, add and remove models.',
}
"""Sub-commands with their lines in the overview; each is in the module of its name."""

_MODULES = {'import': 'import_model'}
"""Modules of commands whose name is a keyword of Python."""

HELP = """
Semantic, depth, normal and edge maps from one camera, as a ROS 2 node.

\b
Begin with  mtshare demo
With ROS 2  ros2 launch mtshare_ros perception.launch.py image:=/camera/image
Its models  mtshare models list
Recordings  mtshare bag IN OUT, mtshare run VIDEO --output DIR
Thousands   mtshare fleet FOLDER --output DIR
How good    mtshare evaluate default --dataset rooms --split test
How fast    mtshare bench
How robust  mtshare soak
Import      mtshare import FOLDER --output my.safetensors
TensorRT    mtshare export default --output dense.onnx
Your model  mtshare train --help, mtshare calibrate --help
Its report  mtshare report --help

Every command has a help with examples: mtshare COMMAND --help. Where it measures something,
--json FILE writes the results. They go to standard output, progress and errors to standard error.

\b
Exit codes:   0  done
              1  an error that the message explains, a check that failed,
                 or an input that is damaged or not complete
              2  wrong usage
            130  interrupted

With mtshare --install-completion, once, the TAB key completes commands, options, and the names
of models and tasks.
"""

_GLUE = '\0'
"""Replaces a space at which an example must not be broken."""


_ADVICE = {
    errno.ENOSPC: 'free some and begin again',
    errno.EACCES: 'change its permissions, or give another path',
    errno.EROFS: 'give a path that can be written',
}
"""What to do about errors of the operating system."""


class CommandGroup(TyperGroup):
    """Imports a command's module when it is needed, and prints errors in one line each."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the order they are shown."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import and return one command, or None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        name = _MODULES.get(cmd_name, cmd_name)
        module = import_module(f'mtshare_ros.cli.{name}')
        commands = getattr(module, 'app', None)
        if commands is None:
            commands = new_app()
            epilog = examples(getattr(module, 'EXAMPLES', ''))
            commands.command(cmd_name, epilog=epilog)(getattr(module, name))
        return typer.main.get_command(commands)

    def shell_complete(self, ctx: Any, incomplete: str) -> list[Any]:
        """Return the completions of a command's name, without importing the commands."""
        names: dict[str, Any] = {
            name: TyperCommand(name, short_help=text) for name, text in COMMANDS.items()}
        context = copy(ctx)
        context.command = TyperGroup(name=self.name, commands=names, params=self.params)
        return context.command.shell_complete(context, incomplete)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the overview without importing the commands."""
        with formatter.section('Commands'):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: Any) -> Any:
        """Run a command; errors of this package are printed without a traceback."""
        try:
            return super().invoke(ctx)
        except MtshareError as error:
            typer.echo(f'mtshare: error: {error}', err=True)
            raise typer.Exit(1) from None
        except OSError as error:
            if error.errno in (None, errno.EPIPE):
                raise
            where = error.filename or 'the output'
            advice = _ADVICE.get(error.errno, 'check the path')
            typer.echo(f'mtshare: error: {where}: {error.strerror}; {advice}', err=True)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            typer.echo('mtshare: interrupted', err=True)
            raise typer.Exit(130) from None


def new_app(*, add_completion: bool = False, **options: Any) -> typer.Typer:
    """Return an empty set of commands, with the settings that all sets have."""
    return typer.Typer(
        add_completion=add_completion, pretty_exceptions_enable=False, rich_markup_mode=None,
        context_settings={'help_option_names': ['-h', '--help'], 'max_content_width': 100},
        **options)


def examples(text: str) -> str:
    """Return examples as the end of a command's help, long lines continued with a backslash."""
    lines = [_continued(line) for line in text.strip().splitlines()]
    return '\n'.join(['\b', 'Examples:', *lines]) if lines else ''


def _continued(line: str) -> str:
    """Return a line of the shell, broken before options to fit into 80 columns."""
    parts = wrap(re.sub(' (?!-)', _GLUE, line), 74, initial_indent='  ',
                 subsequent_indent='      ', break_long_words=False, break_on_hyphens=False)
    return ' \\\n'.join(parts).replace(_GLUE, ' ')


app = new_app(cls=CommandGroup, no_args_is_help=True, add_completion=True)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f'mtshare_ros {__version__}')
        raise typer.Exit()


@app.callback(help=HELP)
def _overview(
    version: Annotated[bool, typer.Option(
        '--version', callback=_print_version, is_eager=True,
        help='Print the version and end.')] = False,
) -> None:
    """Handle the options before a command."""
