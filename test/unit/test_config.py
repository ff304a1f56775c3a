"""Configuration: what is wrong in a file is named, with what is allowed."""

from dataclasses import dataclass

import pytest

from mtshare_ros.config import from_values, load_config, override, to_values
from mtshare_ros.errors import ConfigError
from mtshare_ros.model.architecture import ArchitectureConfig


@dataclass(frozen=True)
class Inner:
    size: tuple[int, ...] = (1, 2)


@dataclass(frozen=True)
class Outer:
    name: str
    rate: float = 1.0
    inner: Inner = Inner()
    steps: tuple[Inner, ...] = ()


@dataclass(frozen=True)
class Several:
    parts: dict[str, Outer]


def test_values_survive_the_way_to_yaml_and_back():
    config = Outer('a', 0.5, Inner((3,)), (Inner(), Inner((4, 5))))
    assert from_values(Outer, to_values(config), 'memory') == config
    several = Several({'one': config, 'two': Outer('b')})
    assert from_values(Several, to_values(several), 'memory') == several


@pytest.mark.parametrize('values, named', [
    ({'nmae': 'a'}, "unknown key 'nmae'"),
    ({}, "'name' is missing"),
    ({'name': 3}, 'expected str, found 3'),
    ({'name': 'a', 'rate': True}, 'expected float, found True'),
    ({'name': 'a', 'inner': {'sise': [1]}}, "unknown key 'sise'"),
    ({'name': 'a', 'inner': {'size': 7}}, 'expected a list, found 7'),
])
def test_a_wrong_value_is_named_with_its_source(values, named):
    with pytest.raises(ConfigError) as caught:
        from_values(Outer, values, 'file.yaml')
    assert named in str(caught.value)
    assert 'file.yaml' in str(caught.value)


def test_an_integer_is_taken_for_a_float():
    assert from_values(Outer, {'name': 'a', 'rate': 2}, 'memory').rate == 2.0


def test_a_file_that_is_not_yaml_is_named(tmp_path):
    path = tmp_path / 'broken.yaml'
    path.write_text('a: [1')
    with pytest.raises(ConfigError, match='broken.yaml'):
        load_config(path, Outer)


def test_an_override_reaches_into_nested_values():
    changed = override(Outer('a'), ['inner.size=[9]', 'rate=3'])
    assert changed.inner.size == (9,)
    assert changed.rate == 3.0


def test_a_number_in_scientific_notation_is_one_with_and_without_a_point():
    assert override(Outer('a'), ['rate=5e-4']).rate == override(Outer('a'), ['rate=5.0e-4']).rate
    with pytest.raises(ConfigError, match="expected float, found 'fast'"):
        override(Outer('a'), ['rate=fast'])


def test_an_override_reaches_into_a_dict_of_configurations():
    changed = override(Several({'one': Outer('a'), 'two': Outer('b')}), ['parts.two.rate=3'])
    assert (changed.parts['one'].rate, changed.parts['two'].rate) == (Outer('a').rate, 3.0)
    with pytest.raises(ConfigError, match="'three' holds no value to change"):
        override(changed, ['parts.three.rate=3'])


def test_an_override_of_an_unknown_key_is_refused():
    with pytest.raises(ConfigError, match="unknown key 'wrong'"):
        override(Outer('a'), ['inner.wrong=1'])


@pytest.mark.parametrize('values, named', [
    ({'input_size': [250, 320]}, 'multiples of the patch size 16'),
    ({'stem': 'resnet'}, 'conv, patch'),
    ({'position': 'none'}, 'rope, rope_centred, absolute'),
    ({'embed_dim': 100, 'num_heads': 3}, 'multiple of 4 x num_heads'),
])
def test_an_impossible_architecture_is_refused(values, named):
    with pytest.raises(ConfigError, match=named):
        from_values(ArchitectureConfig, values, 'memory')
