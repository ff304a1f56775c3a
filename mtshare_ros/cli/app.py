"""The commands of ``mtshare``, imported only when they are called."""

from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from mtshare_ros import __version__
from mtshare_ros.errors import MtshareError

COMMANDS = {
    'demo': 'Show the whole thing at work: a simulated camera through the real node.',
    'bench': 'Measure how fast this machine is.',
    'evaluate': 'Measure how good a model is, against the truth.',
    'calibrate': 'Find thresholds for sharing that keep a stated output error.',
    'train': 'Train a model.',
    'render': 'Render clips and training frames of procedural rooms.',
    'report': 'Write what the networks of a recipe reach as a page, from their figures.',
    'models': 'List, verify and describe the models that ship with the package.',
}
"""Sub-commands and what the overview says of them; each lives in the module of its name."""

HELP = """
Semantic, depth, normal and edge maps from one camera, as a ROS 2 node.

\b
Begin with            mtshare demo
Then, with ROS 2      ros2 launch mtshare_ros perception.launch.py image:=/camera/image
What ships            mtshare models list
How good it is        mtshare evaluate default --dataset rooms --split test
How fast it is        mtshare bench
Your own model        mtshare train --help
What it reaches       mtshare report --help

Every command explains itself with examples: mtshare COMMAND --help. Results go to standard
output, errors to standard error. Exit codes: 0 done, 1 an error that the message explains,
2 wrong usage, 130 interrupted.
"""


class CommandGroup(TyperGroup):
    """Finds a command's module when it is needed, and turns our errors into one line each."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names in the order they are shown."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import and return one command, or None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        module = import_module(f'mtshare_ros.cli.{cmd_name}')
        commands = getattr(module, 'app', None)
        if commands is None:
            commands = new_app()
            epilog = examples(getattr(module, 'EXAMPLES', ''))
            commands.command(cmd_name, epilog=epilog)(getattr(module, cmd_name))
        return typer.main.get_command(commands)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the overview without importing the commands."""
        with formatter.section('Commands'):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: Any) -> Any:
        """Run a command; an error of ours is printed without its traceback."""
        try:
            return super().invoke(ctx)
        except MtshareError as error:
            typer.echo(f'mtshare: error: {error}', err=True)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            typer.echo('mtshare: interrupted', err=True)
            raise typer.Exit(130) from None


def new_app(**options: Any) -> typer.Typer:
    """Return an empty set of commands that looks and fails like the others."""
    return typer.Typer(
        add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None,
        context_settings={'help_option_names': ['-h', '--help']}, **options)


def examples(text: str) -> str:
    """Return lines of examples as the end of a command's help."""
    lines = text.strip().splitlines()
    return '\n'.join(['\b', 'Examples:', *(f'  {line}' for line in lines)]) if lines else ''


app = new_app(cls=CommandGroup, no_args_is_help=True)


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
    """Take the options that stand before a command."""
