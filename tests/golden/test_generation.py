"""The published figures of TinyGSM (Liu et al. 2023), recomputed: tokens, dollars, epochs, overlaps.

Formulas: the golden test G14 of the described system.
"""

import numpy as np
import pytest

from winnow.budget import Allowance, plan_visits
from winnow.generation.asking import with_programs
from winnow.generation.card import dollars_per_million, percent_words, tokens_per_pair
from winnow.generation.harvest import Candidate, Harvest
from winnow.generation.prompts import END
from winnow.generation.teachers.interface import Answer
from winnow.generation.teachers.meter import price
from winnow.pool.hygiene.contamination import percent
from winnow.recipe import SyntheticRecipe

PAIRS, TOKENS, DOLLARS = 12.3e6, 1.8e9, 3600
QUESTIONS = 11.0e6


def test_g14_tokens_of_a_pair():
    assert round(tokens_per_pair(TOKENS, PAIRS), 1) == 146.3


def test_g14_dollars():
    assert dollars_per_million(DOLLARS, TOKENS) == pytest.approx(2.00)
    assert price(0, TOKENS, per_million_prompt=0, per_million_completion=2.00) == pytest.approx(DOLLARS)


def test_g14_epochs():
    thousandth = int(PAIRS / 1000)
    ones = np.ones(thousandth, dtype=np.int64)
    allowed = Allowance("visits", 20_000 * 1024 / 1000)
    plan = plan_visits(ones, ones.astype(float), allowed=allowed, global_batch_size=1024, seed=0)
    assert round(plan.epochs, 2) == 1.67
    assert plan.steps == 20


def test_g14_overlaps_with_the_test_set():
    assert percent_words(22, QUESTIONS) == "0.0002 %"
    assert percent_words(38e3, QUESTIONS) == "0.35 %"
    assert percent(38_000, int(QUESTIONS)) == 0.35


def test_g14_candidates_for_a_verifier():
    recipe = SyntheticRecipe(examples=9, majority_of=48)
    questions, asked = 3, []

    def ask(requests):
        asked.extend(requests)
        return [Answer(request.key, f"result = 1\n{END}") for request in requests]

    candidates = [Candidate(f"0/{place}", "reworded", "s", "How many?", "") for place in range(questions)]
    with_programs(recipe, candidates, ask, Harvest(recipe))
    assert len({request.id for request in asked}) == 48 * questions
    assert len(asked) * 7473 / questions == 358_704
