"""Answers found in outputs: the corpus of hand-checked cases, and lm-eval's filters on real worked answers."""

import gzip
import json
import re
from itertools import islice

import pytest
from extraction_cases import CASES

from tests_support import SHARED
from winnow.text.answers import extract_answer, extract_declared_answer, is_correct, normalise_answer

GSM8K = SHARED / "data" / "gsm8k" / "test.jsonl.gz"
SMALL = SHARED / "models" / "stories15M"
SHOT = "Question: Tom has 3 eggs and buys 4. How many eggs has he?\nAnswer: 3 + 4 = 7\n#### 7"


def test_the_corpus_is_large_and_repeats_nothing():
    assert len(CASES) >= 320
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


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.skipif(not (GSM8K.is_file() and SMALL.is_dir()), reason=f"{GSM8K} or {SMALL} is not there")
def test_outputs_of_a_model_are_read_as_lm_eval_reads_them(outputs):
    """Judged against the reference alike, and the same number wherever both find one."""
    judge, strict, flexible = lm_eval_judge("strict-match"), *map(lm_eval_finder, ("strict-match", "flexible-extract"))
    for output, answer in outputs["Answer:"] + outputs["Answer: ####"]:
        expected = normalise_answer(answer.rpartition("####")[2])
        assert judge(output, answer) == (extract_declared_answer(output, options=0) == expected)
    declared = [(extract_declared_answer(output, options=0), strict(output)) for output, _ in outputs["Answer: ####"]]
    written = [(extract_answer(output, options=0), flexible(output)) for output, _ in outputs["Answer:"]]
    for pairs in (declared, written):
        numbers = [(ours, normalise_answer(theirs.strip(".,"))) for ours, theirs in pairs if has_digits(ours, theirs)]
        assert len(numbers) >= 5
        assert [pair for pair in numbers if pair[0] != pair[1]] == []


def has_digits(ours, theirs):
    """Whether both found a number; lm-eval's flexible filter also takes "..." for one."""
    return bool(re.fullmatch(r"-?[0-9.]+", ours or "") and re.search(r"\d", theirs))


@pytest.fixture(scope="module")
def outputs():
    """What stories15M writes after 50 problems, of its own accord and after a `####`: (output, reference) each."""
    pytest.importorskip("lm_eval")
    from lm_eval.api.instance import Instance
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from winnow.evaluation.benchmarks.backend import Backend

    lm = Backend(AutoModelForCausalLM.from_pretrained(SMALL).eval(), AutoTokenizer.from_pretrained(SMALL))
    with gzip.open(GSM8K, "rt", encoding="utf-8") as lines:
        problems = [json.loads(line) for line in islice(lines, 50)]
    found = {}
    for begun in ("Answer:", "Answer: ####"):
        prompts = [f"{SHOT}\n\nQuestion: {problem['question'][-240:]}\n{begun}" for problem in problems]
        settings = {"until": ["Question:"], "max_gen_toks": 32}
        asked = [Instance("generate_until", {}, (prompt, settings), at) for at, prompt in enumerate(prompts)]
        told = zip(lm.generate_until(asked), problems, strict=True)
        found[begun] = [(f"{begun[8:]} {text}", problem["answer"]) for text, problem in told]
    return found


def lm_eval_finder(name):
    """What one of the filters of lm-eval's GSM8K task finds in an output."""
    from lm_eval.filters.extraction import RegexFilter

    from winnow.evaluation.benchmarks.tasks import config_of

    (config,) = config_of("gsm8k")
    (steps,) = [each["filter"] for each in config["filter_list"] if each["name"] == name]
    regex = RegexFilter(**{key: value for key, value in steps[0].items() if key != "function"})
    return lambda output: regex.apply([[output]], [{}])[0][0]


def lm_eval_judge(name):
    """Whether lm-eval's GSM8K task, with one of its filters, takes an output for right."""
    from lm_eval.api.metrics import exact_match_fn

    from winnow.evaluation.benchmarks.tasks import config_of

    (config,) = config_of("gsm8k")
    find = lm_eval_finder(name)
    options = {key: value for key, value in config["metric_list"][0].items() if key.startswith(("ignore", "regexes"))}

    def judge(output, answer):
        return bool(exact_match_fn(predictions=[find(output)], references=[answer], **options)["exact_match"])

    return judge
