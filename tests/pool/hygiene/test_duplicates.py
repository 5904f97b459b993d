import random

import numpy as np
import pytest

from winnow.pool.hygiene.duplicates import HASHES, Sketches, find_groups, signatures
from winnow.pool.hygiene.words import split_words

WORDS = [f"{start}{end}" for start in "bcdfghjklm" for end in ("ane", "ork", "ip", "ust", "eel", "ond", "arl", "ith")]


def text(rng, words=40):
    return " ".join(str(rng.randint(2, 99)) if place % 10 == 9 else rng.choice(WORDS) for place in range(words))


def names(letter, count):
    """So many different words without digits, since numbers are all alike."""
    return [letter + str(number).translate(str.maketrans("0123456789", "abcdefghij")) for number in range(count)]


def groups(texts, **options):
    sketches = Sketches()
    sketches.add(texts)
    return find_groups(sketches, **options)


def test_problems_that_differ_in_numbers_alone_are_no_duplicates():
    pattern = "Tom has {} eggs and buys {} more at the market on a sunny day before he walks home to his mother"
    texts = [pattern.format(3, 4), pattern.format(5, 4), pattern.format("three", 4) + " today", pattern.format(3, 40)]
    found = groups(texts)
    assert found.near.tolist() == [0, 1, 0, 3]
    assert found.masked.tolist() == [0, 0, 0, 0]


def test_numbers_in_another_order_are_the_same_numbers():
    words = "one two buckets stand beside the old stone well near the garden gate where cats and dogs like to sleep"
    assert groups([f"{words} 12 15", f"{words} 15 12"]).near.tolist() == [0, 0]


def test_planted_near_duplicates_are_found_and_nothing_else():
    rng = random.Random(0)
    originals = [text(rng) for _ in range(300)]
    copies = []
    for original in originals[:100]:
        words = original.upper().split()
        words[rng.choice([1, 2, 3])] = "changed"
        copies.append("  ".join(words) + "!")
    found = groups([*originals, *copies]).near
    assert found[:300].tolist() == list(range(300))
    assert (found[300:] == np.arange(100)).mean() >= 0.99


@pytest.mark.parametrize("similarity", [0.5, 0.8])
def test_the_estimate_is_of_the_jaccard_similarity(similarity):
    shared = int(1000 * 2 * similarity / (1 + similarity))
    one, others = names("w", 1000), names("v", 1000)
    other = one[:shared] + others[shared:]
    rows = signatures(split_words([" ".join(one), " ".join(other)]).masked())
    assert abs((rows[0] == rows[1]).mean() - similarity) < 4 * (similarity * (1 - similarity) / HASHES) ** 0.5


def test_short_and_empty_texts_equal_only_themselves():
    assert groups(["a", "", "a b", "a", "?", "b a"]).near.tolist() == [0, 1, 2, 0, 1, 5]


def test_shards_and_files_change_nothing(tmp_path):
    rng = random.Random(1)
    texts = [text(rng, 12) for _ in range(60)]
    texts += texts[:20]
    whole, cut, filed = Sketches(), Sketches(), Sketches(tmp_path / "sketches")
    whole.add(texts)
    for start in range(0, 80, 7):
        cut.add(texts[start : start + 7])
        filed.add(texts[start : start + 7])
    expected = find_groups(whole)
    for other in (cut, filed):
        found = find_groups(other)
        assert found.near.tolist() == expected.near.tolist()
        assert found.masked.tolist() == expected.masked.tolist()
    assert (len(filed), expected.near[60:].tolist()) == (80, list(range(20)))


def test_nothing_has_no_groups(tmp_path):
    assert find_groups(Sketches()).near.tolist() == find_groups(Sketches(tmp_path / "s")).near.tolist() == []


def test_a_group_is_named_by_its_first_text_whatever_joins_it():
    base, new = names("w", 60), names("v", 3)
    chain = [list(base)]
    for step, word in enumerate(new, start=1):
        chain.append([*chain[-1][: 16 * step], word, *chain[-1][16 * step :]])
    texts = [" ".join(words) for words in chain]
    assert groups(texts[::-1], similarity=0.85).near.tolist() == [0, 0, 0, 0]
    assert groups([texts[3], texts[0]], similarity=0.85).near.tolist() == [0, 1]
