"""The classes that the package itself offers."""

import subprocess
import sys

import pytest

import mtshare_ros


@pytest.mark.parametrize('name', mtshare_ros.__all__)
def test_a_public_class_can_be_imported_from_the_package(name):
    assert getattr(mtshare_ros, name).__name__ == name


def test_a_name_that_the_package_does_not_have_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'Motor'"):
        mtshare_ros.Motor  # noqa: B018


def test_importing_the_package_loads_no_pytorch():
    code = 'import sys, mtshare_ros; print("torch" in sys.modules, "numpy" in sys.modules)'

    found = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)

    assert found.stdout == 'False False\n', found.stderr
