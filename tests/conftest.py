"""What holds for all tests: nothing of them is left in the user's cache, and nothing of it is found."""

import hypothesis
import pytest

# tests run beside each other and beside other jobs: how long an example takes says nothing
hypothesis.settings.register_profile("busy", deadline=None)
hypothesis.settings.load_profile("busy")


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory):
    """Take a folder of the tests as the user's cache, in their processes too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield
