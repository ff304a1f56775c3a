"""Loading a model for a command."""

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from mtshare_ros.inference.engine import Engine


def load_engine(
    model: str, device: str, precision: str, input_size: tuple[int, int] | None = None
) -> 'Engine':
    """Load a model and say on standard error what its user should know."""
    from mtshare_ros.inference.engine import Engine

    engine = Engine.load(model, device=device, precision=precision, input_size=input_size)
    say_notices(engine)
    return engine


def say_notices(engine: 'Engine') -> None:
    """Say on standard error what the user of a model should know, one line each."""
    for notice in filter(None, (engine.transfer_doubt, *engine.notices)):
        typer.echo(f'mtshare: {notice}', err=True)
