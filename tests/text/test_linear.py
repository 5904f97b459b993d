"""What reads text takes time in proportion to it, whatever a model that has lost its way, or a hostile row, writes.

Measured at 100,000 characters: at most about 0.1 s each. The bound here allows for a slow machine; what is quadratic
takes minutes.
"""

import math
import time
from collections import deque

import pytest

from winnow.generation import parsing
from winnow.pool.cleaning import keys_by_set
from winnow.pool.hygiene.text_statistics import LATEX
from winnow.pool.hygiene.words import split_words
from winnow.pool.planting import swap_last_mention
from winnow.selection.ngrams import ngrams_of
from winnow.text import answers, questions
from winnow.text.examples import build_example

SECONDS = 0.5

READERS = {
    "normalise_answer": answers.normalise_answer,
    "extract_answer": lambda text: answers.extract_answer(text, options=0),
    "extract_letter": lambda text: answers.extract_answer(text, options=5),
    "extract_declared_answer": lambda text: answers.extract_declared_answer(text, options=0),
    "extract_declared_letter": lambda text: answers.extract_declared_answer(text, options=5),
    "answer_of_turn": answers.answer_of_turn,
    "after_marker": answers.after_marker,
    "question_key": questions.question_key,
    "near_key": questions.near_key,
    "split_options": questions.split_options,
    "build_example": lambda text: build_example("source", text, answer="5", rationale=text),
    "keys_by_set": lambda text: keys_by_set([build_example("source", text, answer="5")]),
    "parse_problems": parsing.parse_problems,
    "parse_questions": parsing.parse_questions,
    "parse_program": parsing.parse_program,
    "clean_question": parsing.clean_question,
    "clean_program": parsing.clean_program,
    "split_words": lambda text: split_words([text]),
    "latex": LATEX.search,
    "ngrams_of": lambda text: deque(ngrams_of(text, 2), maxlen=0),
    "swap_last_mention": lambda text: swap_last_mention(text, "7", "8"),
    "swap_last_letter": lambda text: swap_last_mention(text, "A", "B"),
}

REPEATED = [
    " ", "\n", "\t", ".", ". ", "$", "$ ", "{", "}", "{}", "[", "(", "( ", ")", "#", "#### ", "####\n", "#### x\n",
    "#### 1. a\n", "#### Answer\n5\n", "\\", "\\boxed{", "\\boxed ", "\\frac", "\\frac{", "\\frac1", "\\text{",
    "\\sqrt", "\\left(", "\\(", "{,}", "~", "9", "0", "1,", "1,111,", "1,111", "1 , 111 , ", "1 ", "1.", "1. ",
    "1) ", "1/", "1:", "1e", "5^", "½", "²", "5 + ", "5 = ", "x = ", "= ", "<", ",", "- ", "-", "*", "_", "\"", "'",
    "`", "```\n", "\u200b", "\xa0", "a", "a ", "A ", "A) ", "(a ", "é", "\ud800", "\x00", "answer is ",
    "answer is $", "answer: \\(", "is ", "options: ", "options: (A) ", "(A) ", "Problem 1: ", "problem ",
    "problem" + " " * 999, "**", "[[end]]", "[[end]] ", "[[program]]\n", "print(1)\n", "five ", "five and ", "<<",
    "$5 ", "$x_{", "5 apples ", "%", "!", "?", ":", "\r\n", "中",
]  # fmt: skip
AROUND = [("", ""), ("the answer is 5", "x}"), ("#### ", "x\nbelow"), ("\\boxed{", "x}")]


@pytest.mark.parametrize("characters", [5_000, pytest.param(100_000, marks=pytest.mark.long)])
@pytest.mark.parametrize("reader", READERS)
def test_time_grows_with_the_text_alone(reader, characters):
    read, slow = READERS[reader], {}
    for repeated in REPEATED:
        for before, after in AROUND:
            text = before + repeated * (characters // len(repeated)) + after
            if (taken := seconds_of(read, text)) > SECONDS:
                slow[before, repeated[:20], after] = round(taken, 2)
    assert slow == {}


def seconds_of(read, text):
    """CPU time of reading a text: the best of three where the first is slow, since a busy core is slow for a while."""
    best = math.inf
    for _ in range(3):
        started = time.process_time()
        read(text)
        best = min(best, time.process_time() - started)
        if best <= SECONDS:
            break
    return best
