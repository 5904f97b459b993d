"""The text a tiny base model is pretrained on: true sums, recaps that repeat, no worked answers."""

import re
from random import Random

import pytest

from winnow.errors import RecipeError
from winnow.generation.families import FAMILIES
from winnow.generation.passages import RECAPS, draw_passage, generate_text
from winnow.generation.words import NAMES

SUM = re.compile(r"(\d+) ([-+*/]) (\d+) = (\d+)")


def test_same_arguments_give_the_same_text_and_seeds_differ() -> None:
    first = generate_text(documents=50, seed=1)
    assert first == generate_text(documents=50, seed=1)
    assert first != generate_text(documents=50, seed=2)
    assert len(first) == 50


def test_every_sum_is_true() -> None:
    sums = SUM.findall("\n".join(generate_text(documents=2000, seed=0)))
    assert len(sums) > 2000
    for left, sign, right, result in sums:
        assert eval(f"{left} {sign} {right}") == int(result)


def test_recaps_tell_every_number_again() -> None:
    numbers = re.findall(r"\d+", draw_passage(RECAPS, Random(0), largest_number=50))
    assert numbers
    assert all(numbers.count(number) >= 2 for number in numbers)


def test_text_has_the_words_of_the_problems_but_not_their_format() -> None:
    text = "\n".join(generate_text(documents=3000, seed=0))
    assert all(name in text for name in NAMES)
    assert "####" not in text
    assert "\nAnswer:" not in text
    assert not any(wording.split("? ")[-1] in text for wording in FAMILIES["subtraction"].wordings)


def test_largest_number_bounds_the_numbers() -> None:
    text = "\n".join(generate_text(documents=1000, seed=0, largest_number=6))
    assert max(map(int, re.findall(r"\d+", text))) == 12


def test_a_negative_number_of_documents_is_refused() -> None:
    with pytest.raises(RecipeError, match="documents is -1; it must be 0 or more"):
        generate_text(documents=-1, seed=0)
