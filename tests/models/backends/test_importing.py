import importlib
import sys

import pytest

from models.backends.importing import with_all, without


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Returns the name of a package that can be imported."""
    (tmp_path / "a_package").mkdir()
    (tmp_path / "a_package" / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    yield "a_package"
    sys.modules.pop("a_package", None)


def test_a_package_that_is_not_wanted_is_as_if_it_were_not_installed(package):
    before = list(sys.meta_path)
    with without(package), pytest.raises(ModuleNotFoundError, match="a_package is not imported"):
        importlib.import_module(package)
    assert sys.meta_path == before
    assert package not in sys.modules
    assert importlib.import_module(package)


def test_a_package_that_is_imported_already_stays(package):
    module = importlib.import_module(package)
    with without(package):
        assert importlib.import_module(package) is module


def test_other_packages_are_imported(package):
    with without("another_package"):
        assert importlib.import_module(package)


def test_what_needs_a_package_that_is_not_wanted_can_be_let_import_it(package):
    before = list(sys.meta_path)
    with without(package):
        with with_all():
            importlib.import_module(package)
        del sys.modules[package]
        with pytest.raises(ModuleNotFoundError):
            importlib.import_module(package)
    assert sys.meta_path == before
