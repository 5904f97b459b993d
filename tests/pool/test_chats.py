"""Conversations in a pool: read, cleaned, laid out, cut."""

import json
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from winnow.errors import DataError, RecipeError
from winnow.parts import PoolPart, asked
from winnow.pool.conversations import conversation
from winnow.pool.loading import load_examples
from winnow.recipe import PoolRecipe, SourceRecipe
from winnow.text.examples import POOL_SCHEMA, read_examples

TEMPLATE = (
    "{% for m in messages %}{{ m.role + ': ' + m.content + (eos_token if m.role == 'assistant' else '') + '\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)
NAMES = ("Tom", "Ann", "Ben", "Eve", "Kim", "Lou")
TESTS = [("Tom has 1 EGGS", "#### 2")]


def chat(*texts, system=None):
    """A conversation in which user and assistant speak in turn."""
    roles = ("user", "assistant") * len(texts)
    first = [{"role": "system", "content": system}] if system else []
    return first + [{"role": role, "content": text} for role, text in zip(roles, texts, strict=False)]


TALKS = [
    chat(f"{name} has {n} eggs.", "Yes.", "And one more?", f"{n} + 1 = {n + 1}\n#### {n + 1}")
    for name in NAMES for n in range(1, 6)
]  # fmt: skip


@pytest.fixture
def talks(tmp_path):
    """A source of these conversations; other keys go to the recipe."""

    def build(rows, name="talks", ending="jsonl", **others):
        path = tmp_path / f"{name}.{ending}"
        if ending == "parquet":
            pq.write_table(pa.table({"messages": rows}), path)
        else:
            path.write_text("".join(json.dumps({others.get("messages_field", "messages"): row}) + "\n" for row in rows))
        return SourceRecipe(**({"name": name, "licence": "MIT", "path": str(path), "format": "chat"} | others))

    return build


@pytest.fixture
def make_pool(run_pool):
    """As `run_pool`, with the chat template and a split that suits a few names."""

    def build(*args, **others):
        return run_pool(*args, **{"chat_template": TEMPLATE, "validation_fraction": 0.25} | others)

    return build


def train_rows(pool):
    return pq.read_table(pool.folder / "train.parquet").to_pylist()


def learned(tokenizer, row):
    both = row["prompt_ids"] + row["completion_ids"]
    return tokenizer.decode([token for token, hit in zip(both, row["is_target"], strict=True) if hit])


def test_every_answer_of_a_conversation_is_learned_and_the_last_is_the_completion(
    make_pool, talks, source, toy_tokenizer
):
    pool, outcome = make_pool([talks(TALKS)], [source("test", TESTS)])
    assert outcome.outputs[-1] == "chat_template.jinja"
    for row in train_rows(pool):
        last = row["messages"][-1]["content"] + "<|endoftext|>"
        assert learned(toy_tokenizer, row) == "Yes.<|endoftext|>" + last
        assert toy_tokenizer.decode(row["completion_ids"]) == last
        assert toy_tokenizer.decode(row["prompt_ids"]).endswith("user: And one more?\nassistant: ")


def test_jsonl_and_parquet_give_the_same_examples_under_the_column_that_is_named(talks):
    others = ({}, {"ending": "parquet"}, {"messages_field": "turns"})
    loaded = [load_examples(talks(TALKS, **each), {}).examples for each in others]
    assert loaded[0] == loaded[1] == loaded[2]
    first = load_examples(talks([chat("Is it 5?", "It is.\n#### 5", "Thanks", system="Be brief.")]), {}).examples[0]
    assert [role for role, _ in first.messages] == ["system", "user", "assistant"]
    assert (first.question, first.answer) == ("Is it 5?", "5")
    assert (first.prompt, first.completion) == (
        "system: Be brief.\nuser: Is it 5?\nassistant:", " It is.\n#### 5",
    )  # fmt: skip


def test_what_is_no_use_is_counted_by_its_reason(make_pool, talks, source):
    bad = [
        chat("no answer"),
        [{"role": "assistant", "content": "no question"}],
        chat("empty", " ", "more", "5"),
        [{"role": "user", "content": "a call"}, {"role": "assistant", "content": None}],
        chat("Say <|endoftext|>", "12"),
    ]
    pool, _ = make_pool([talks([*TALKS, *bad])], [source("test", TESTS)])
    found = json.loads((pool.folder / "statistics.json").read_text())["sources"][0]
    assert found["dropped_by_reason"] == {
        "a message without text": 1, "a special token in its text": 1, "no answer": 2, "no question": 1,
    }  # fmt: skip


@pytest.mark.parametrize("bad", ["hello", [{"from": "human", "value": "hi"}], [3]])
def test_what_is_no_conversation_is_refused(talks, bad):
    with pytest.raises(DataError, match=r"source 'talks' has .* format chat needs"):
        load_examples(talks([bad]), {})


def test_a_turn_that_stands_in_an_evaluation_set_removes_the_conversation(make_pool, talks, source):
    pool, _ = make_pool([talks(TALKS)], [source("test", TESTS)])
    found = json.loads((pool.folder / "statistics.json").read_text())
    assert found["removed_overlaps"] == {"talks": {"test": 1}}
    kept = read_examples(pool.folder / "train.parquet") + read_examples(pool.folder / "validation.parquet")
    assert len(kept) == len(TALKS) - 1
    assert not [each for each in kept if ("user", "Tom has 1 eggs.") in each.messages]


def test_a_conversation_in_an_evaluation_set_is_removed_from_the_pool(make_pool, talks):
    twin = [[{"role": m["role"], "content": m["content"].upper()} for m in talk] for talk in TALKS[:2]]
    pool, _ = make_pool([talks(TALKS)], [talks(twin, name="test")])
    assert json.loads((pool.folder / "statistics.json").read_text())["removed_overlaps"] == {"talks": {"test": 2}}


def test_long_conversations_are_cut_dropped_or_refused(make_pool, talks, source, toy_tokenizer):
    sources, sets = [talks(TALKS)], [source("test", TESTS)]
    whole, _ = make_pool(sources, sets)
    row = max(train_rows(whole), key=lambda row: len(row["is_target"]))
    longest = len(row["is_target"])

    cut, outcome = make_pool(sources, sets, max_tokens=longest - 1, name="cut")
    assert outcome.numbers["truncated"] > 0 == outcome.numbers["dropped"]
    same = next(other for other in train_rows(cut) if other["id"] == row["id"])
    assert same["completion_ids"] == row["completion_ids"][:-1] and same["prompt_ids"] == row["prompt_ids"]

    first_only, outcome = make_pool(sources, sets, max_tokens=len(row["prompt_ids"]) - 6, name="first")
    assert outcome.numbers["truncated"] == len(TALKS) - 1 and outcome.numbers["dropped"] == 0
    assert {learned(toy_tokenizer, each) for each in train_rows(first_only)} == {"Yes.<|endoftext|>"}

    dropped, outcome = make_pool(
        sources, sets, max_tokens=longest - 1, too_long="drop", name="dropped", validation_fraction=0.5
    )
    assert 0 < outcome.numbers["dropped"] < len(TALKS) and outcome.numbers["truncated"] == 0
    with pytest.raises(DataError, match=r"example talks:\w+ is longer than pool\.max_tokens"):
        make_pool(sources, sets, max_tokens=longest - 1, too_long="error", name="refused")
    with pytest.raises(DataError, match="the pool is empty"):
        make_pool(sources, sets, max_tokens=8, name="none")


def test_conversations_and_plain_rows_stand_in_one_pool(make_pool, talks, source):
    rows = [(f"{name} buys {n} nuts?", f"So {n}\n#### {n}") for name in NAMES for n in range(5)]
    both, _ = make_pool([source("plain", rows), talks(TALKS)], [source("test", TESTS)])
    masks = {row["source"]: row["is_target"] is None for row in train_rows(both)}
    assert masks == {"plain": True, "talks": False}
    alone, _ = make_pool([source("plain", rows)], [source("test", TESTS)], name="alone", chat_template=None)
    assert pq.read_schema(alone.folder / "train.parquet") == POOL_SCHEMA
    assert not (alone.folder / "chat_template.jinja").exists()
    tokens = {row["id"]: row["completion_ids"] for row in train_rows(both)}
    shared = [row for row in train_rows(alone) if row["id"] in tokens]
    assert shared and all(tokens[row["id"]] == row["completion_ids"] for row in shared)


def test_validation_keeps_conversations_with_the_same_questions_together(make_pool, talks, source):
    pool, _ = make_pool([talks(TALKS)], [source("test", TESTS)], validation_fraction=0.4)
    splits = [read_examples(pool.folder / f"{name}.parquet") for name in ("train", "validation")]
    names = [Counter(each.question.split()[0] for each in split) for split in splits]
    assert not names[0].keys() & names[1].keys(), "conversations of one name differ in numbers alone"


def test_a_template_is_asked_for_only_where_it_is_given(talks):
    recipe = PoolRecipe(sources=(talks(TALKS),))
    assert "chat_template" not in asked(PoolPart(pool=recipe))["pool"]
    assert "messages_field" not in asked(PoolPart(pool=recipe))["pool"]["sources"][0]
    given = recipe.model_copy(update={"chat_template": TEMPLATE})
    assert asked(PoolPart(pool=given))["pool"]["chat_template"] == TEMPLATE


def test_a_tokenizer_without_a_template_and_noise_in_conversations_are_refused(make_pool, talks, source):
    with pytest.raises(RecipeError, match="has no chat template"):
        make_pool([talks(TALKS)], [source("test", TESTS)], chat_template=None)
    with pytest.raises(ValueError, match=r"pool\.plant cannot change conversations, such as those of 'talks'"):
        PoolRecipe(sources=(talks(TALKS),), plant={"wrong_answers": 0.1})


@pytest.mark.parametrize(
    ("said", "answer", "is_open"),
    [
        ("#### Step 1: add\n3 + 4 = 7, since Tom has three eggs and buys four more of them.\n\n#### 7", "7", False),
        ("#### Step 1: add\n3 + 4 = 7\n\n#### Answer\nThe answer is \\boxed{7}.", "7", False),
        ("#### Tips\nBuy them fresh.\n\n#### Storage\nKeep eggs cool and turn them every day.", None, True),
        ("#### Step 1: boil\nPut the eggs into water for seven minutes, then into cold water.", None, True),
    ],
)
def test_headings_of_an_answer_are_no_answer(talks, said, answer, is_open):
    parts = conversation([("user", "Well?"), ("assistant", said)], talks([]))
    assert (parts.answer, parts.is_open) == (said if answer is None else answer, is_open)
