"""``mtshare models``: what ships with the package."""

from textwrap import fill, indent

import typer

from mtshare_ros.cli.app import examples, new_app
from mtshare_ros.cli.options import ModelArgument

app = new_app(no_args_is_help=True, help="""
List, verify and describe the models that ship with the package.

\b
mtshare models list                 names, tasks, sizes, licences
mtshare models verify               compare every file with its checksum
mtshare models info default         what a model is and was trained on
mtshare models info my.safetensors  the same of a file of your own
""")


@app.command('list', epilog=examples('mtshare models list'))
def list_models() -> None:
    """List the shipped models; the default one is marked with a star."""
    from mtshare_ros.model.manifest import load_manifest

    manifest = load_manifest()
    if not manifest.models:
        typer.echo(f'no model ships with this package: {manifest.folder / "manifest.yaml"} '
                   'lists none')
    for name, entry in manifest.models.items():
        typer.echo(f'{name}{" *" if name == manifest.default else ""}')
        typer.echo(f'    {", ".join(entry.tasks)}; {_size(entry.input_size)} pixels; labels '
                   f'{entry.labels}; {entry.licence}')
        typer.echo(indent(fill(entry.description, 76), ' ' * 4))


@app.command(epilog=examples('mtshare models verify'))
def verify() -> None:
    """
    Compare every shipped model with the checksum of the manifest.

    The exit code is 1 where a file is missing or differs.
    """
    from mtshare_ros.errors import ModelError
    from mtshare_ros.model.manifest import find_model, load_manifest

    manifest = load_manifest()
    failed = 0
    for name in manifest.models:
        try:
            found = find_model(name, manifest)
            typer.echo(f'{name}: good, sha256 {found.sha256}')
        except ModelError as error:
            failed += 1
            typer.echo(f'mtshare: error: {error}', err=True)
    typer.echo(f'{len(manifest.models) - failed} of {len(manifest.models)} models are good')
    if failed:
        raise typer.Exit(1)


@app.command(epilog=examples('mtshare models info\nmtshare models info my.safetensors'))
def info(model: ModelArgument = 'default') -> None:
    """Describe one model: tasks, sizes, labels, camera, what it was trained on."""
    from mtshare_ros.model.checkpoint import load_checkpoint
    from mtshare_ros.model.manifest import find_model

    file = find_model(model)
    checkpoint = load_checkpoint(file.path)
    description, shape = checkpoint.description, checkpoint.description.architecture
    weights = sum(value.numel() for value in checkpoint.network.parameters())
    near, far = description.depth_range
    facts = {
        'file': f'{file.path} ({file.path.stat().st_size / 1e6:.1f} MB)',
        'sha256': file.sha256,
        'tasks': ', '.join(description.tasks),
        'labels': f'{description.labels.name}, {len(description.labels)} classes',
        'input': f'{_size(shape.input_size)} (width x height)',
        'network': f'{shape.depth} blocks of width {shape.embed_dim}, {shape.num_heads} heads, '
                   f'{shape.stem} stem, {shape.position} position, {weights / 1e6:.2f} M weights',
        'camera': f'trained with a focal length of {description.focal_length:.1f} pixels, depths '
                  f'{near:.1f} to {far:.1f} m',
        'trained on': description.trained_on or 'not stated',
        'calibrated': description.calibration or 'no, sharing uses default thresholds',
    }
    for name, text in facts.items():
        typer.echo(f'{name + ":":12}{text}')


def _size(size: tuple[int, ...]) -> str:
    return f'{size[1]}x{size[0]}'
