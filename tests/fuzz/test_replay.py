"""What the fuzzer found is read again: it ends with a result or with the error for users."""

import pytest

from tests.fuzz.readers import CORPUS, READERS, SEEDS, read

KEPT = [path for name in READERS for path in sorted((CORPUS / name).glob("*"))]


@pytest.mark.parametrize(("name", "text"), [(name, text) for name in READERS for text in SEEDS[name]])
def test_the_seeds_are_taken(name, text) -> None:
    assert read(name, text.encode())


@pytest.mark.parametrize("name", READERS)
def test_there_is_a_corpus(name) -> None:
    assert sum(path.parent.name == name for path in KEPT) > 20


@pytest.mark.parametrize("name", READERS)
def test_the_corpus_is_read(name) -> None:
    taken = [read(name, path.read_bytes()) for path in KEPT if path.parent.name == name]
    assert any(taken) and not all(taken)
