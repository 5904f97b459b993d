import numpy as np
import pytest

from winnow.errors import ArtifactError
from winnow.text.token_cache import TokenCache, dtype_for, write_cache

DOCUMENTS = [[5, 7, 0], [0], [65_535, 1, 2, 0]]


def written(folder, documents=DOCUMENTS, vocabulary=65_536):
    return write_cache(folder, iter(documents), dtype_for(vocabulary))


def test_documents_come_back_as_they_were_written(tmp_path):
    assert written(tmp_path) == (3, 8)
    cache = TokenCache.open(tmp_path)
    assert [cache.document(number).tolist() for number in range(3)] == DOCUMENTS
    assert cache.lengths.tolist() == [3, 1, 4]


def test_ids_take_two_bytes_where_the_vocabulary_allows_it_else_four(tmp_path):
    assert [dtype_for(vocabulary).itemsize for vocabulary in (270, 65_536, 65_537, 200_000)] == [2, 2, 4, 4]
    written(tmp_path, [[65_536, 199_999, 0]], vocabulary=200_000)
    assert TokenCache.open(tmp_path).document(0).tolist() == [65_536, 199_999, 0]
    assert (tmp_path / "tokens.bin").stat().st_size == 12


def test_a_cache_is_mapped_and_cannot_be_written_to(tmp_path):
    written(tmp_path)
    cache = TokenCache.open(tmp_path)
    assert isinstance(cache.tokens, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        cache.tokens[0] = 1


@pytest.mark.parametrize("bytes_left", [15, 14, 1])
def test_a_cache_cut_short_is_named(tmp_path, bytes_left):
    written(tmp_path)
    with (tmp_path / "tokens.bin").open("r+b") as file:
        file.truncate(bytes_left)
    with pytest.raises(ArtifactError, match=r"tokens\.bin has .* bytes of 16|holds no tokens"):
        TokenCache.open(tmp_path)


@pytest.mark.parametrize("name", ["tokens.bin", "documents.npy"])
def test_a_file_that_is_missing_is_told(tmp_path, name):
    written(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ArtifactError, match="holds no tokens"):
        TokenCache.open(tmp_path)
