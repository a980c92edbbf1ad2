"""A made-up gallery."""

from pathlib import Path

import pytest

from lightning_pose.cli.main import main
from tests.unit.evaluation.gallery.made_up import MadeUp, add_videos, make_results


@pytest.fixture
def results(tmp_path: Path) -> MadeUp:
    """Made-up results, without a gallery."""
    return make_results(tmp_path)


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> MadeUp:
    """Made-up results and their gallery, which tests must not change."""
    made = make_results(tmp_path_factory.mktemp("gallery"), ind=30, ood=60)
    assert main([*made.arguments(), *add_videos(made), "--clips", "2", "--clip_seconds", "1"]) == 0
    return made
