"""``mtshare bench``."""

from dataclasses import replace
import json
import subprocess
from types import SimpleNamespace

from pretended_cuda import pretended_cuda
import pytest
from tiny import TINY

pytest.importorskip('typer', reason='the command line needs the extra [cli]')
pytest.importorskip('numba', reason='the rooms need the extra [rooms]')

from mtshare_ros.cli.bench_modes import bench_settings  # noqa: E402
from mtshare_ros.cli.options import check_one_of, read_input_size, read_list  # noqa: E402
from mtshare_ros.data.rooms.streams import STREAMS  # noqa: E402
from mtshare_ros.errors import ConfigError  # noqa: E402
from mtshare_ros.model.architecture import HeadConfig  # noqa: E402
from mtshare_ros.model.checkpoint import save_checkpoint  # noqa: E402
from mtshare_ros.model.network import build_model  # noqa: E402

QUICK = ('--input-size', '96x128', '--no-compile')
CONTENDERS = ('independent', 'shared_encoder', 'dense', 'single', 'prefix', 'temporal', 'task',
         'combined', 'hold')


@pytest.fixture(scope='module')
def comparison(
    command_in, tiny_model, tmp_path_factory
) -> tuple[dict, subprocess.CompletedProcess]:
    folder = tmp_path_factory.mktemp('bench')
    result = command_in(folder, 'bench', '--model', tiny_model, '--frames', 2, *QUICK,
                        '--json', 'bench.json')
    assert result.returncode == 0, result.stderr
    return json.loads((folder / 'bench.json').read_text()), result


@pytest.fixture(scope='module')
def parts(command_in, tiny_model, tmp_path_factory) -> tuple[dict, subprocess.CompletedProcess]:
    folder = tmp_path_factory.mktemp('system')
    result = command_in(folder, 'bench', '--system', '--model', tiny_model, '--frames', 2, *QUICK,
                        '--json', 'bench.json')
    assert result.returncode == 0, result.stderr
    return json.loads((folder / 'bench.json').read_text())['system'], result


@pytest.fixture(scope='module')
def public_model(tiny_description, tmp_path_factory):
    """Write a model of the shape of public backbones and return its path."""
    shape = replace(TINY, stem='patch', position='absolute', patch_size=14, class_token=True,
                    input_size=(84, 112), heads={
                        'semseg': HeadConfig(kind='linear', taps=(1, 2), class_token=True),
                        'depth': HeadConfig(kind='linear', encoding='disparity'),
                        'edge': HeadConfig(kind='geometry')})
    description = replace(tiny_description, architecture=shape)
    path = tmp_path_factory.mktemp('models') / 'public.safetensors'
    save_checkpoint(path, build_model(shape, description.tasks, len(description.labels)),
                    description)
    return path


@pytest.mark.parametrize('part', [('--frames', 2), ('--active', 0.2)])
def test_a_model_is_measured_at_its_own_size(command_in, public_model, tmp_path, part):
    result = command_in(tmp_path, 'bench', '--model', public_model, '--no-compile', *part,
                        '--json', 'bench.json')

    assert result.returncode == 0, result.stderr
    figures = json.loads((tmp_path / 'bench.json').read_text())
    assert figures['machine']['input_size'] == [84, 112]
    contenders = figures.get('contenders', {})
    # a relative depth is no depth in metres, and there is nothing to score it by
    assert all(set(contender['metrics']) == {'semseg', 'normals', 'edge'}
               for name, contender in contenders.items() if name in ('combined', 'hold'))


def test_a_size_of_other_patches_is_refused_with_the_nearest(command, public_model):
    result = command('bench', '--model', public_model, '--input-size', '96x128')

    assert result.returncode == 1
    assert 'has patches of 14 pixels' in result.stderr and '[98, 126]' in result.stderr


def test_every_contender_is_in_the_file_and_in_the_table(comparison):
    figures, result = comparison

    assert figures['device'] in ('cpu', 'cuda') and tuple(figures['contenders']) == CONTENDERS
    rows = [line.split() for line in result.stdout.splitlines()]
    assert all(sum(row[:1] == [contender] for row in rows) >= 2 for contender in CONTENDERS)


def test_every_contender_says_what_it_took_and_in_which_form(comparison):
    for contender in comparison[0]['contenders'].values():
        assert 0 <= contender['ms']['p50'] <= contender['ms']['p95'] <= contender['ms']['p99']
        assert contender['form']


def test_the_contenders_of_the_engine_say_what_they_computed(comparison):
    for name in ('prefix', 'temporal', 'task', 'combined'):
        contender = comparison[0]['contenders'][name]
        assert 0 <= contender['active_fraction'] <= 1 and 0 < contender['macs_fraction'] <= 1


def test_the_metrics_are_those_of_evaluate(comparison):
    metrics = comparison[0]['contenders']['combined']['metrics']

    assert set(metrics) == {'semseg', 'depth', 'normals', 'edge'}
    assert {'rmse', 'abs_rel', 'delta1', 'log_rmse', 'sq_rel'} == set(metrics['depth'])


def test_a_speed_comes_with_the_quality_at_its_size_or_says_that_nobody_knows(comparison):
    assert 'quality at 96x128 is not known; measure it: mtshare evaluate' in comparison[1].stdout
    assert comparison[0]['quality'] is None


def test_the_dense_contenders_name_their_fastest_form(comparison):
    assert 'Fastest dense form' in comparison[1].stdout
    assert 'encoder: ' in comparison[0]['contenders']['shared_encoder']['form']


def test_the_memory_of_a_camera_is_told(comparison):
    assert comparison[0]['cache_bytes']['shared'] > 0
    assert 'Memory of one camera' in comparison[1].stdout


def test_the_parts_around_the_model_are_still_measured(parts):
    figures, result = parts
    subsets = [tuple(item['tasks']) for item in figures['engine']]
    assert subsets == [('semseg',), ('depth',), ('normals',), ('edge',),
                       ('semseg', 'depth', 'normals', 'edge')]
    assert all(0 < item['total']['p50'] <= item['total']['p95'] for item in figures['engine'])
    assert figures['renderer']['frames_per_second'] > 0
    assert 'semseg+depth+normals+edge' in result.stdout


def test_messages_are_timed_where_ros_is(parts):
    pytest.importorskip('rclpy', reason='messages need ROS 2')
    figures, _ = parts
    assert all(milliseconds > 0 for milliseconds in figures['messages'].values())
    assert 'fill semantic/mask' in figures['messages']


def test_without_ros_the_rest_is_still_measured(command, tiny_model):
    result = command('bench', '--system', '--model', tiny_model, '--frames', 1, *QUICK,
                     without='rclpy')
    assert result.returncode == 0, result.stderr
    assert 'messages were not timed' in result.stdout
    assert 'semseg+depth' in result.stdout


def test_every_stream_can_be_named_alone_and_in_one_of_two_groups():
    engine = SimpleNamespace(tasks=('semseg',))
    motions = {name: bench_settings(engine, name, None, None).motions
               for name in (*STREAMS, 'all', 'moving')}

    assert all(motions[name] == (name,) for name in STREAMS)
    assert motions['all'] + motions['moving'] == tuple(STREAMS)


def test_an_unknown_motion_is_refused_with_the_groups_too(command):
    result = command('bench', '--motion', 'fly')

    assert result.returncode == 2
    words = ' '.join(result.stderr.replace('│', ' ').split())
    assert "'fly' is not one of static, pan" in words and 'drive-1, all, moving' in words


def test_a_fast_stream_says_how_fast_it_is_and_how_much_maps_flicker(
    command, tiny_model, tmp_path
):
    result = command('bench', '--model', tiny_model, '--motion', 'pan-4', '--frames', 2, *QUICK,
                     '--contenders', 'moving_fused,dense_nth', '--nth', 2, '--json', 'bench.json')

    assert result.returncode == 0, result.stderr
    assert 'of the patches change: flicker from frame to frame' in result.stdout
    assert 'dense_nth (n = 2)' in result.stdout
    figures = json.loads((tmp_path / 'bench.json').read_text())
    assert set(figures['contenders']) == {'prefix', 'moving_fused', 'dense_nth'}
    assert set(figures['stream']) == {'changed', 'pixels'}


def test_a_single_frame_is_refused_because_it_would_not_be_timed(command, tiny_model):
    result = command('bench', '--model', tiny_model, '--frames', 1, *QUICK)

    assert result.returncode == 1
    assert 'frames is 1; allowed is 2 or more' in result.stderr


def test_two_models_at_once_are_refused(command):
    result = command('bench', '--model', 'default', '--architecture', 'vit_s')

    assert result.returncode == 1
    assert '--model and --architecture exclude each other' in result.stderr


@pytest.mark.parametrize('option', [('--architecture', 'vit_s'), ('--system',)])
def test_the_node_is_measured_alone_and_with_a_model_from_a_file(command, option):
    result = command('bench', '--node', *option)

    assert result.returncode == 1
    assert f'{option[0]} and --node exclude each other' in result.stderr


@pytest.mark.parametrize('text', ['240', '240x', 'x', '240x320x3', '240x321', 'axb', '-16x32'])
def test_a_size_that_is_none_is_refused(text):
    with pytest.raises(ConfigError, match='size'):
        read_input_size(text)


def test_a_size_is_height_by_width():
    assert read_input_size('480x640') == (480, 640)


def test_an_unknown_name_in_a_list_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match="--tasks is 'combined,fast'; allowed .* combined, hold"):
        read_list('--tasks', 'combined,fast', ('combined', 'hold'))


def test_a_list_comes_in_the_usual_order():
    assert read_list('--tasks', 'hold, combined', ('combined', 'hold')) == ('combined', 'hold')


def test_options_that_exclude_each_other_are_named():
    with pytest.raises(ConfigError, match='--active and --latency-target-ms exclude'):
        check_one_of(active=0.1, latency_target_ms=50.0, system=None)


@pytest.mark.parametrize('part', [
    ('--frames', 2, '--contenders', 'dense,combined'), ('--active', 0.2)])
def test_what_is_measured_on_a_gpu_runs_there(command_in, tiny_model, tmp_path, part):
    with pretended_cuda():
        done = command_in(tmp_path, 'bench', '--model', tiny_model, *part, *QUICK,
                          '--device', 'cuda', '--json', 'bench.json')

    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / 'bench.json').read_text())['machine']['precision'] == 'float16'
