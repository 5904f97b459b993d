"""Answers found in outputs: the corpus of hand-checked cases, and lm-eval's filters on real worked answers."""

import gzip
import json

import pytest
from extraction_cases import CASES

from tests_support import SHARED
from winnow.text.answers import extract_answer, extract_declared_answer, is_correct

GSM8K = SHARED / "data" / "gsm8k" / "test.jsonl.gz"


def test_the_corpus_is_large_and_repeats_nothing():
    assert len(CASES) >= 150
    assert len({(output, options) for output, options, *_ in CASES}) == len(CASES)


@pytest.mark.parametrize(("output", "options", "strict", "flexible"), CASES)
def test_answers_are_found(output, options, strict, flexible):
    assert extract_declared_answer(output, options=options) == strict
    assert extract_answer(output, options=options) == flexible


@pytest.mark.skipif(not GSM8K.is_file(), reason=f"{GSM8K} is not there")
@pytest.mark.parametrize("name", ["strict-match", "flexible-extract"])
def test_real_worked_answers_are_judged_as_lm_eval_judges_them(name):
    """Each worked answer of GSM8K as an output to its own question and to the next one's."""
    pytest.importorskip("lm_eval")
    judge = lm_eval_judge(name)
    with gzip.open(GSM8K, "rt", encoding="utf-8") as lines:
        answers = [json.loads(line)["answer"] for line in lines][:400]
    told = answers if name == "strict-match" else [answer.replace("####", "The answer is") for answer in answers]
    pairs = [(told[at], answers[to]) for at in range(len(answers)) for to in (at, (at + 1) % len(answers))]
    ours = [is_correct(output, answer.rpartition("####")[2], options=0) for output, answer in pairs]
    theirs = [judge(output, answer) for output, answer in pairs]
    assert sum(theirs) >= len(answers) * 0.98
    assert [pair for pair, a, b in zip(pairs, ours, theirs, strict=True) if a != b] == []


def lm_eval_judge(name):
    """Whether lm-eval's GSM8K task, with one of its filters, takes an output for right."""
    from lm_eval.api.metrics import exact_match_fn
    from lm_eval.filters.extraction import RegexFilter

    from winnow.evaluation.benchmarks.tasks import config_of

    (config,) = config_of("gsm8k")
    (steps,) = [each["filter"] for each in config["filter_list"] if each["name"] == name]
    find = RegexFilter(**{key: value for key, value in steps[0].items() if key != "function"})
    options = {key: value for key, value in config["metric_list"][0].items() if key.startswith(("ignore", "regexes"))}

    def judge(output, answer):
        ((found,),) = find.apply([[output]], [{}])
        return bool(exact_match_fn(predictions=[found], references=[answer], **options)["exact_match"])

    return judge
