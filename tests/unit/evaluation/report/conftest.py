"""Results that are finished, which tests may change."""

import pytest

from tests.unit.evaluation.report.made_up import make_results


@pytest.fixture
def results(tmp_path):
    return make_results(tmp_path)
