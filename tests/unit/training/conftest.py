"""Labelled images that all tests of a module train on."""

import pytest

from tests.unit.training.squares import make_squares


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Return a folder with ten labelled images, and the labels."""
    folder = tmp_path_factory.mktemp("squares")
    return folder, make_squares(folder)
