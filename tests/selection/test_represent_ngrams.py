import subprocess
import sys

import numpy as np
import pytest

from winnow.recipe import NgramsRecipe
from winnow.selection.ngrams import bucket_of, hashed_counts, ngrams_of


def test_words_are_small_letters_digits_or_signs():
    assert list(ngrams_of("Tom's 12 Eggs, OK?!", 1)) == ["tom", "'", "s", "12", "eggs", ",", "ok", "?!"]


def test_runs_of_one_to_n_words():
    assert list(ngrams_of("a b c", 2)) == ["a", "b", "c", "a b", "b c"]
    assert list(ngrams_of("a b", 3)) == ["a", "b", "a b"]
    assert list(ngrams_of("", 2)) == []


def test_counts_equal_a_plain_count():
    texts = ["two eggs, two nuts", "", "a nut is a nut is a nut"]
    counts = hashed_counts(texts, NgramsRecipe(n=3, buckets=13)).toarray()
    plain = np.zeros((3, 13))
    for row, text in enumerate(texts):
        for gram in ngrams_of(text, 3):
            plain[row, bucket_of(gram, 13)] += 1
    assert np.array_equal(counts, plain) and counts.dtype == np.float32
    assert counts.sum(axis=1).tolist() == [5 + 4 + 3, 0, 8 + 7 + 6]


@pytest.mark.slow
def test_buckets_are_the_same_in_every_process():
    code = "from winnow.selection.ngrams import bucket_of; print([bucket_of(g, 10_000) for g in ('tom', 'tom s')])"
    found = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True,
                       env={"PYTHONHASHSEED": seed}).stdout.strip()
        for seed in ("1", "2")
    }  # fmt: skip
    assert found == {str([bucket_of(gram, 10_000) for gram in ("tom", "tom s")])}


def test_buckets_are_filled_evenly():
    filled = np.bincount([bucket_of(f"word{i}", 100) for i in range(20_000)], minlength=100)
    assert filled.min() > 140 and filled.max() < 260
