"""``mtshare models``: what ships with the package."""

from dataclasses import asdict
from functools import partial
from pathlib import Path
from textwrap import fill, indent
from typing import Annotated, Any, TYPE_CHECKING

import typer

from mtshare_ros.cli.app import examples, new_app
from mtshare_ros.cli.completion import offer_added_models
from mtshare_ros.cli.model_facts import facts_of, size_in_words
from mtshare_ros.cli.models_add import add, EXAMPLES as ADD_EXAMPLES
from mtshare_ros.cli.options import JsonOption, ModelArgument
from mtshare_ros.cli.output import check_folder, print_table, write_json

if TYPE_CHECKING:
    from mtshare_ros.model.checkpoint import Storage
    from mtshare_ros.model.manifest import Catalogue, ManifestEntry
    from mtshare_ros.model.network import MultiTaskNetwork

app = new_app(no_args_is_help=True, help="""
List, verify, describe, add and remove models, those that ship and your own.

\b
mtshare models list                 names, tasks, sizes, licences, places
mtshare models verify               compare every file with its checksum
mtshare models info default         what a model is and was trained on
mtshare models info my.safetensors  the same of a file of your own
mtshare models add real_vit_small   complete one that lacks its backbone
mtshare models remove mine          delete a model that was added
mtshare models reference            the outputs for the reference image, anew
""")

AddedModelArgument = Annotated[str, typer.Argument(
    metavar='NAME', help='A model that was added (mtshare models list).',
    autocompletion=offer_added_models)]

DELTA_NOTE = """\
share of the weights that differ from the base task's: of all weights of the encoder, shared blocks
counted, and of the linear weights of each block that is not shared\
"""


@app.command('list', epilog=examples(
    'mtshare models list\nmtshare models list --json models.json'))
def list_models(json: JsonOption = None) -> None:
    """
    List the shipped models and the added ones; the default one is marked with a star.

    The exit code is 1 where the list of the added ones is damaged.
    """
    from mtshare_ros.model.manifest import load_catalogue

    check_folder(json)
    catalogue = load_catalogue()
    default = '' if catalogue.damage else catalogue.default
    for name, manifest in catalogue:
        _print_entry(f'{name}{" *" if name == default else ""}', manifest.models[name],
                     _state(manifest.path_of(name)))
    for name, entry in catalogue.shipped.heads.items():
        if name not in catalogue.added.models:
            _print_entry(name, entry, 'not complete: its backbone does not ship; get it with: '
                                      f'mtshare models add {name}')
    if json is not None:
        write_json(json, {'default': default, 'models': {
            name: {**asdict(manifest.models[name]), 'path': str(manifest.path_of(name))}
            for name, manifest in catalogue}})
    _end_if_damaged(catalogue)


def _print_entry(title: str, entry: 'ManifestEntry', state: str) -> None:
    typer.echo(f'{title}\n    {", ".join(entry.tasks)}; {size_in_words(entry.input_size)} pixels; '
               f'labels {entry.labels}; {entry.licence}\n    {state}')
    typer.echo(indent(fill(entry.description, 76), ' ' * 4))


def _end_if_damaged(catalogue: 'Catalogue') -> None:
    if catalogue.damage:
        typer.echo(f'mtshare: error: {catalogue.damage}', err=True)
        raise typer.Exit(1)


@app.command(epilog=examples(
    'mtshare models verify\nmtshare models verify --json verified.json'))
def verify(json: JsonOption = None) -> None:
    """
    Compare every model, shipped or added, with the checksum of its manifest.

    The heads of a model whose backbone does not ship are one of them. The exit code is 1 where a
    file is missing or differs.
    """
    from mtshare_ros.errors import ModelError
    from mtshare_ros.model.manifest import find_heads, find_model, load_catalogue

    check_folder(json)
    catalogue = load_catalogue()
    files = {name: partial(find_model, name, catalogue) for name, _ in catalogue}
    files |= {f'{name}.heads': partial(find_heads, name, catalogue.shipped)
              for name in catalogue.shipped.heads}
    good: dict[str, str] = {}
    errors: dict[str, str] = {}
    for name, find in files.items():
        try:
            good[name] = find().sha256
            typer.echo(f'{name}: good, sha256 {good[name]}')
        except ModelError as error:
            errors[name] = str(error)
            typer.echo(f'mtshare: error: {error}', err=True)
    typer.echo(f'{len(good)} of {len(files)} models are good')
    if json is not None:
        write_json(json, {'good': good, 'errors': errors})
    _end_if_damaged(catalogue)
    if errors:
        raise typer.Exit(1)


@app.command(epilog=examples(
    'mtshare models info\nmtshare models info my.safetensors --json info.json'))
def info(model: ModelArgument = 'default', json: JsonOption = None) -> None:
    """Describe one model: tasks, sizes, labels, camera, what its sub-tasks add to the base."""
    from mtshare_ros.model.checkpoint import load_checkpoint, storage_of
    from mtshare_ros.model.manifest import find_model

    check_folder(json)
    file = find_model(model)
    checkpoint, storage = load_checkpoint(file.path), storage_of(file.path)
    facts = facts_of(file, checkpoint)
    typer.echo(f'file:       {file.path} ({_megabytes(file.path)})')
    for name, text in facts.items():
        typer.echo(f'{name + ":":12}{text}')
    deltas = _deltas(checkpoint.network)
    if deltas:
        _print_deltas(deltas)
    _print_storage(storage)
    if json is not None:
        write_json(json, {
            'file': file.path.name, **facts, 'tasks': checkpoint.network.tasks,
            'delta_weights': deltas,
            'bytes': {'file': file.path.stat().st_size, **asdict(storage),
                      'ratio': storage.ratio}})


app.command(epilog=examples(ADD_EXAMPLES))(add)


@app.command(epilog=examples('mtshare models remove real_vit_small'))
def remove(name: AddedModelArgument) -> None:
    """Delete a model that was added, with its figures; the shipped ones stay."""
    from mtshare_ros.model.manifest import load_catalogue
    from mtshare_ros.model.registration import remove_model

    for path in remove_model(name, load_catalogue()):
        typer.echo(f'deleted {path}')


@app.command(epilog=examples('mtshare models reference'))
def reference() -> None:
    """
    Write what the shipped models compute for the reference image, on the CPU in float32.

    The node compares itself with that when it is configured; needed after a model has changed. One
    whose heads alone ship is computed where it was added, else its reference stays.
    """
    from mtshare_ros.inference.engine import Engine
    from mtshare_ros.inference.reference import reference_path, write_references
    from mtshare_ros.model.checkpoint import load_checkpoint
    from mtshare_ros.model.manifest import find_model, load_catalogue

    path, catalogue = reference_path(), load_catalogue()
    heads = {entry.sha256 for entry in catalogue.shipped.heads.values()}
    added = [name for name, entry in catalogue.added.models.items() if entry.heads_sha256 in heads]
    files = [find_model(name, catalogue) for name in (*catalogue.shipped.models, *added)]
    write_references((
        Engine(load_checkpoint(file.path), device='cpu', precision='fp32', file=file)
        for file in files), path, keep=heads)
    names = ', '.join(file.name for file in files)
    typer.echo(f'{path}: {names} ({path.stat().st_size / 1e3:.0f} kB)')


def _state(path: Path) -> str:
    """Return size and calibration of a shipped file, or that something is wrong with it."""
    from mtshare_ros.errors import MtshareError
    from mtshare_ros.model.checkpoint import read_description

    try:
        calibrated = read_description(path).thresholds
    except MtshareError:
        return 'the file is missing or damaged, see mtshare models verify'
    return f'{_megabytes(path)}; {"" if calibrated else "not "}calibrated; {path}'


def _deltas(network: 'MultiTaskNetwork') -> dict[str, dict[str, Any]]:
    """Return for every sub-task with a branch how much of its weights differ from the base's."""
    from mtshare_ros.model.deltas import delta_density, delta_share_of_encoder

    return {
        task: {
            'encoder': delta_share_of_encoder(network, task),
            'blocks': {block: asdict(density) for block, density in
                       enumerate(delta_density(network, task), start=network.config.shared_depth)},
        }
        for task in network.branches
    }


def _print_deltas(deltas: dict[str, dict[str, Any]]) -> None:
    blocks = next(iter(deltas.values()))['blocks']
    print_table('Delta weights', ('part', *deltas), (
        ('encoder', *(f'{values["encoder"]:.2%}' for values in deltas.values())),
        *((f'block {number}', *(f'{values["blocks"][number]["elements"]:.2%}'
                                for values in deltas.values())) for number in blocks)))
    typer.echo(DELTA_NOTE)


def _print_storage(storage: 'Storage') -> None:
    parts = {'stem and base encoder': storage.base_bytes,
             **{f'{task}: delta weights': size for task, size in storage.delta_bytes.items()},
             'all tasks, without heads': storage.base_bytes + sum(storage.delta_bytes.values())}
    print_table('Storage', ('part', 'MB', 'of the base'), (
        *((name, f'{size / 1e6:.2f}', f'{size / storage.base_bytes:.2f}')
          for name, size in parts.items()),
        *((f'{task}: head', f'{size / 1e6:.2f}', '')
          for task, size in storage.head_bytes.items())))


def _megabytes(path: Path) -> str:
    return f'{path.stat().st_size / 1e6:.1f} MB'
