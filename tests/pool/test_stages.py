import json
import random
from collections import Counter

import pyarrow.parquet as pq
import pytest

from winnow import parts
from winnow.errors import DataError, RecipeError
from winnow.pool.stages import make_corpus, make_tests
from winnow.pool.tokenizer import make_tokenizer
from winnow.recipe import SourceRecipe, TokenizerRecipe
from winnow.records import Context
from winnow.store import hash_tree
from winnow.text.examples import POOL_SCHEMA, read_examples
from winnow.text.tokenizers import load_tokenizer, tokenizer_of

ROWS = [
    (f"{name} has {n} {thing}?", f"So {n} + 1 = <<{n}+1={n + 1}>>{n + 1}\n#### {n + 1}")
    for name in ("Tom", "Ann", "Ben", "Eve")
    for thing in ("eggs", "nuts", "cups")
    for n in (1, 2, 3, 4, 5)
]
TESTS = [("tom has 1 EGGS", "#### 2"), ("Zoe has 9 pens?", "#### 10")]


def problem(question, planted=None, answer="5"):
    return {"question": question, "rationale": "2 + 3 = 5", "answer": answer, "family": "sum", "planted": planted}


def generated_source(name):
    return SourceRecipe(name=name, licence="CC0-1.0", problems={"examples": 9})


def statistics_of(stored):
    return json.loads((stored.folder / "statistics.json").read_text())


def ids_of(stored, *names):
    return [each.id for name in names for each in read_examples(stored.folder / f"{name}.parquet")]


def test_a_pool_is_cleaned_split_and_counted(run_pool, source):
    rows = [*ROWS, ("", "#### 5"), ("no answer", "####")]
    pool, outcome = run_pool(
        [source("toy", rows, limit=50)], [source("test", TESTS)], target={"per_source": {"toy": 4}}
    )
    train = pq.read_table(pool.folder / "train.parquet")
    found = statistics_of(pool)
    row = found["sources"][0]
    assert train.schema == POOL_SCHEMA
    assert (row["read"], row["removed_overlaps"], row["dropped"], row["target"]) == (62, 1, 2, 4)
    assert row["dropped_by_reason"] == {"no answer": 1, "no question": 1}
    assert row["read"] == sum(
        row[key] for key in ("removed_overlaps", "dropped", "left_out", "examples", "validation", "target")
    )
    assert found["removed_overlaps"] == {"toy": {"test": 1}}
    assert found["examples"] == len(train) == outcome.numbers["examples"]
    lengths = [
        len(p) + len(c)
        for p, c in zip(*(train[key].to_pylist() for key in ("prompt_ids", "completion_ids")), strict=True)
    ]
    assert found["tokens"] == sum(lengths) == outcome.numbers["tokens"]
    assert (outcome.outputs, outcome.logs) == (
        ("train.parquet", "validation.parquet", "target.parquet"),
        ("statistics.json",),
    )
    assert outcome.costs["pool"].seconds > 0


def test_no_example_is_in_two_splits_and_files_are_sorted(run_pool, source):
    pool, _ = run_pool([source("toy", ROWS)], [source("test", TESTS)], target={"per_source": {"toy": 4}})
    names = ("train", "validation", "target")
    assert len(set(ids_of(pool, *names))) == len(ids_of(pool, *names)) == len(ROWS) - 1
    assert all(ids_of(pool, name) == sorted(ids_of(pool, name)) for name in names)


def test_the_order_of_the_rows_does_not_matter(run_pool, source):
    rows = [*ROWS, ROWS[7], ROWS[7]]
    shuffled = random.Random(0).sample(rows, len(rows))
    files = [
        hash_tree(
            run_pool([source("toy", each)], [source("test", TESTS)], sample=40, name=name)[0].folder, ["train.parquet"]
        )
        for name, each in (("one", rows), ("two", shuffled))
    ]
    assert files[0] == files[1]


def test_sample_and_completion_follow_the_recipe(run_pool, source):
    pool, outcome = run_pool([source("toy", ROWS)], [source("test", TESTS)], sample=30, completion="answer")
    assert outcome.numbers["examples"] + outcome.numbers["validation_examples"] == 30
    assert {each.completion for each in read_examples(pool.folder / "train.parquet")} <= {
        f" #### {n}" for n in range(9)
    }


def test_planted_noise_stays_in_train(run_pool, generated, source):
    rows = [
        problem(f"{name} has {n} {thing}", planted)
        for thing in ("eggs", "nuts", "cups", "pens")
        for name, planted in (("Tom", None), ("Ann", "wrong_answer"), ("Eve", "off_topic"))
        for n in (1, 2)
    ]
    inputs = {"generated.toy": generated("toy", rows)}
    pool, _ = run_pool([generated_source("toy")], [source("test", TESTS)], inputs, validation_fraction=0.5)
    assert {each.planted for each in read_examples(pool.folder / "validation.parquet")} == {None}
    assert statistics_of(pool)["planted"] == {"off_topic": 8, "wrong_answer": 8}
    assert statistics_of(pool)["sources"][0]["format"] == "problems"


@pytest.mark.parametrize(("too_long", "kept"), [("truncate", 59), ("drop", 58)])
def test_long_examples_are_cut_or_dropped_and_counted(run_pool, source, too_long, kept):
    rows = [*ROWS[1:], ("Too long a story?", "x " * 200 + "\n#### 5"), ("What? " * 99, "#### 5")]
    pool, outcome = run_pool([source("toy", rows)], [source("test", TESTS)], max_tokens=120, too_long=too_long)
    found = statistics_of(pool)
    assert found["examples"] + found["validation_examples"] == kept + 1
    assert found["truncated"] == outcome.numbers["truncated"] == (too_long == "truncate")
    assert found["sources"][0]["dropped_by_reason"]["a prompt that fills max_tokens"] == 1


def test_long_examples_can_be_an_error(run_pool, source):
    rows = [*ROWS, ("Too long a story?", "x " * 200 + "\n#### 5")]
    with pytest.raises(DataError, match="is longer than pool.max_tokens = 120; raise it"):
        run_pool([source("toy", rows)], [source("test", TESTS)], max_tokens=120, too_long="error")


def test_a_target_of_ones_own_leaves_the_pool_and_the_tests(run_pool, source):
    own = source("own", [("Ann has 2 cups?", "#### 3"), TESTS[1], ("New?", "#### 1")])
    pool, _ = run_pool([source("toy", ROWS)], [source("test", TESTS)], target={"source": own})
    assert {each.question for each in read_examples(pool.folder / "target.parquet")} == {"Ann has 2 cups?", "New?"}
    assert "Ann has 2 cups?" not in {each.question for each in read_examples(pool.folder / "train.parquet")}
    assert statistics_of(pool)["target_examples"] == 2
    assert statistics_of(pool)["sources"][0]["left_out"] == 1


def test_an_empty_pool_is_refused(run_pool, source):
    with pytest.raises(DataError, match="the pool is empty"):
        run_pool([source("toy", TESTS)], [source("test", TESTS)])
    with pytest.raises(DataError, match="gives no examples: 1 with no answer"):
        run_pool([source("toy", [("How many?", "")])], [source("test", TESTS)])
    with pytest.raises(RecipeError, match="two sources named 'toy'"):
        run_pool([source("toy", ROWS)] * 2, [source("test", TESTS)])


def test_evaluation_sets_come_with_their_levels(stored, source, generated):
    sets = (
        source("one", [*TESTS, ("And?", "#### 10"), ("bad", "####")]),
        source("two", TESTS[:1]),
        generated_source("three"),
    )
    inputs = {
        "generated.three": generated("three", [problem("Which? Options: (A) 1 (B) 2", answer="A"), problem("How?")])
    }
    tests = stored("tests")
    outcome = make_tests(parts.TestsPart(sets=sets), inputs, Context(tests.folder))
    found = statistics_of(tests)
    assert found["sets"]["one"] == {
        "licence": "MIT", "format": "gsm8k", "read": 4, "dropped": 1, "dropped_by_reason": {"no answer": 1}, "items": 3,
        "multiple_choice_share": 0.0, "constant_answer": "10", "constant_level": 2 / 3, "random_level": 0.0,
    }  # fmt: skip
    assert found["shared"] == [{"sets": ["one", "two"], "questions": 1}]
    assert outcome.numbers == {"items": 6, "sets": {"one": 3, "two": 1, "three": 2}}
    assert Counter(each.source for each in read_examples(tests.folder / "tests.parquet")) == {
        "one": 3,
        "two": 1,
        "three": 2,
    }


def test_multiple_choice_has_a_random_level(stored, tmp_path):
    row = {"question": "Which?", "options": ["A)1", "B)2", "C)3", "D)4"], "rationale": "", "correct": "D"}
    (tmp_path / "aqua.jsonl").write_text(json.dumps(row) + "\n" + json.dumps(row | {"correct": "E"}))
    aqua = SourceRecipe(name="aqua", licence="Apache-2.0", path=str(tmp_path / "aqua.jsonl"), format="aqua_rat")
    make_tests(parts.TestsPart(sets=(aqua,)), {}, Context(stored("tests").folder))
    found = statistics_of(stored("tests"))["sets"]["aqua"]
    assert (found["random_level"], found["constant_answer"], found["multiple_choice_share"]) == (0.25, "D", 1.0)
    assert found["dropped_by_reason"] == {"an answer that is none of the options": 1}


def test_what_limit_leaves_out_of_an_evaluation_set_is_removed_all_the_same(run_pool, source):
    tests = [(question, "#### 1") for question in ("Tom has 1 eggs?", "Ann has 2 nuts?", "Ben has 3 cups?")]
    limited = run_pool([source("train", ROWS)], [source("test", tests, limit=1)], name="limited")
    whole = run_pool([source("train", ROWS)], [source("test", tests)], name="whole")
    assert limited[1].numbers["removed_overlaps_total"] == whole[1].numbers["removed_overlaps_total"] == 3
    assert (limited[0].folder / "train.parquet").read_bytes() == (whole[0].folder / "train.parquet").read_bytes()


@pytest.fixture
def corpus(stored, source, generated, tmp_path):
    (tmp_path / "book.txt").write_text("Once upon a time.")
    sources = (
        SourceRecipe(name="book", licence="CC0-1.0", path=str(tmp_path / "book.txt"), format="text"),
        SourceRecipe(name="passages", licence="CC0-1.0", passages={"documents": 3}),
        source("toy", ROWS, limit=20),
    )
    inputs = {
        "generated.passages": generated("passages", [{"text": text} for text in ("2 + 3 = 5.", "2 + 3 = 5.", " ")]),
        "tests": stored("tests"),
    }
    make_tests(parts.TestsPart(sets=(source("test", TESTS),)), {}, Context(inputs["tests"].folder))
    outcome = make_corpus(parts.CorpusPart(sources=sources), inputs, Context(stored("corpus").folder))
    return stored("corpus"), outcome


def test_a_corpus_holds_texts_and_questions_but_no_test(corpus):
    stored, outcome = corpus
    rows = pq.read_table(stored.folder / "documents.parquet").to_pylist()
    assert outcome.numbers["sources"] == {"book": 1, "passages": 2, "toy": 20}
    assert outcome.numbers["removed_overlaps_total"] == 1
    assert [row["id"] for row in rows] == sorted({row["id"] for row in rows})
    assert "Once upon a time." in {row["text"] for row in rows}
    toy = [row["text"] for row in rows if row["source"] == "toy"]
    assert all(text.startswith("Question: ") and "\nAnswer: So " in text and "#### " in text for text in toy)
    assert not any("Tom has 1 eggs" in text for text in toy)


def test_a_tokenizer_is_trained_on_the_corpus(corpus, stored):
    part = parts.TokenizerPart(tokenizer=TokenizerRecipe(vocab_size=280), context_tokens=64)
    outcome = make_tokenizer(part, {"corpus": corpus[0]}, Context(stored("tokenizer").folder))
    assert (outcome.outputs, outcome.numbers) == (("tokenizer",), {"vocab_size": 280})
    assert (
        tokenizer_of(stored("tokenizer")).decode(
            load_tokenizer(stored("tokenizer").folder / "tokenizer")("Tom")["input_ids"]
        )
        == "Tom"
    )


def test_a_model_artifact_names_its_tokenizer(stored, tokenizer):
    reference = {"model": str(tokenizer.folder / "tokenizer"), "revision": None}
    (stored("model").folder / "model.json").write_text(json.dumps(reference))
    assert tokenizer_of(stored("model")).get_vocab() == tokenizer_of(tokenizer).get_vocab()


def test_what_validates_a_target_of_the_pool_is_a_part_of_the_validation_split(run_pool, source):
    """Nothing else of the pool changes."""
    asked = {"target": {"per_source": {"toy": 4}}, "validation_fraction": 0.3}
    both = [source("toy", ROWS), source("other", [(f"Bob sees {n} cars?", "#### 1") for n in range(40)])]
    plain, _ = run_pool(both, [source("test", TESTS)], name="plain", **asked)
    pool, outcome = run_pool(both, [source("test", TESTS)], validates_target=True, **asked)
    held = read_examples(pool.folder / "target_validation.parquet")
    validation = read_examples(pool.folder / "validation.parquet")
    assert {each.id for each in held} == {each.id for each in validation if each.source == "toy"} != set()
    assert (
        statistics_of(pool)["target_validation_examples"] == len(held)
        and "target_validation.parquet" in outcome.outputs
    )
    for name in ("train", "validation", "target"):
        assert (pool.folder / f"{name}.parquet").read_bytes() == (plain.folder / f"{name}.parquet").read_bytes()
    assert not (plain.folder / "target_validation.parquet").exists()


def test_half_of_a_targets_own_file_validates_it_and_neither_half_is_trained_on(run_pool, source):
    own = [
        (f"Kim counts {n} {thing}?", "#### 3") for n in range(4) for thing in ("bolts", "rugs", "oars", "figs", "bees")
    ]
    pool, _ = run_pool(
        [source("toy", [*ROWS, *own])], [source("test", [*TESTS, own[0]])], validates_target=True,
        target={"source": source("mine", own)},
    )  # fmt: skip
    parts = {name: read_examples(pool.folder / f"{name}.parquet") for name in ("target", "target_validation", "train")}
    asked = {name: {each.question for each in found} for name, found in parts.items()}
    assert len(parts["target"]) + len(parts["target_validation"]) == len(own) - 1, "one stands in an evaluation set"
    assert parts["target_validation"] and abs(len(parts["target"]) - len(parts["target_validation"])) <= 5
    assert not asked["target"] & asked["target_validation"]
    assert not asked["train"] & (asked["target"] | asked["target_validation"]) and own[0][0] not in asked["target"]
