"""docs/settings.md says what the code says."""

import importlib.util
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def load():
    spec = importlib.util.spec_from_file_location("make_settings", DOCS / "make_settings.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_up_to_date() -> None:
    assert (DOCS / "settings.md").read_text() == load().reference(), "run python docs/make_settings.py"


def test_every_setting_is_explained() -> None:
    from lightning_pose.settings import Settings

    rows = list(load().rows(Settings, ""))
    assert len(rows) > 50
    assert [key for key, _, _, text in rows if not text] == []
