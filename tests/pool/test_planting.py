from collections import Counter

import pyarrow.parquet as pq
import pytest

from winnow.errors import DataError, RecipeError
from winnow.pool.planting import plant, swap_last_mention
from winnow.recipe import PlantRecipe
from winnow.recipe.file import parse_recipe
from winnow.text.answers import normalise_answer, written_answer
from winnow.text.examples import build_example, number_repeats, read_examples

THINGS = ("eggs", "nuts", "cups", "pens", "hats")
ROWS = [
    (f"{name} has {n} {thing}. How many with one more?", f"There are {n} + 1 = {n + 1} {thing}.\n#### {n + 1}")
    for name in ("Tom", "Ann")
    for thing in THINGS
    for n in range(1, 13)
]
TALK = [(f"Who wrote book {n}?", f"It was author {n}.\n#### author {n}") for n in range(60)]
NOISE = {"wrong_answers": 0.1, "copies": 0.2, "copied_rows": 4, "off_topic": 0.1}


def problems(source, number, *, options=()):
    letters = "ABCDE"
    return [
        build_example(
            source,
            f"{source}: what is {n} + {n}?",
            answer=letters[n % len(options)] if options else str(2 * n),
            rationale=f"twice {n} is {2 * n}"
            + (f" . answer : {letters[n % len(options)].lower()} ." if options else ""),
            options=options,
        )
        for n in range(number)
    ]


def talk(number):
    return [build_example("chat", f"who is number {n}?", answer=f"name {n}") for n in range(number)]


def planted(rows, others=(), **asked):
    taken = [each.id for each in rows]
    return plant(rows, PlantRecipe.model_construct(**asked), others, completion="rationale", taken=taken)


@pytest.mark.parametrize(
    ("rationale", "old", "new", "expected"),
    [
        ("48 / 2 = 24 in May. 48 + 24 = 72 clips.", "72", "9", "48 / 2 = 24 in May. 48 + 24 = 9 clips."),
        ("72 first, and 72 at last", "72", "9", "72 first, and 9 at last"),
        ("it costs $1,080.00.", "1080", "12", "it costs $12."),
        ("720 is not the answer", "72", "9", "720 is not the answer"),
        ("5 ^ 4 = 625 ways . answer : c .", "C", "A", "5 ^ 4 = 625 ways . answer : a ."),
        ("a cat . so the answer is a because a is right", "A", "D", "a cat . so the answer is d because a is right"),
        ("hence (B)", "B", "E", "hence (E)"),
        ("a = b + c", "A", "D", "a = b + c"),
        ("Genghis had many. So Yes.", "yes", "no", "Genghis had many. So no."),
        ("", "5", "6", ""),
    ],
)
def test_the_last_mention_of_an_answer_is_swapped(rationale, old, new, expected):
    assert swap_last_mention(rationale, old, new) == expected


def test_each_source_keeps_its_size_and_the_shares_are_exact():
    rows = [*problems("sums", 60), *problems("choices", 40, options=("1", "2", "3"))]
    noisy = planted(rows, talk(30), wrong_answers=0.1, copies=0.2, copied_rows=5, off_topic=0.15, seed=1)
    assert Counter(each.source for each in noisy) == {"sums": 60, "choices": 40}
    assert Counter(each.planted for each in noisy) == {None: 55, "wrong_answer": 10, "copy": 20, "off_topic": 15}
    assert [each.id for each in noisy] == sorted({each.id for each in noisy})
    clean = {each.id: each for each in rows}
    assert all(clean[each.id] == each for each in noisy if each.planted is None)
    assert not any(each.id in clean for each in noisy if each.planted)


def test_wrong_answers_are_plausible_and_said_twice():
    rows = [*problems("sums", 60), *problems("choices", 40, options=("1", "2", "3"))]
    right = {each.prompt: each for each in rows}
    noisy = [each for each in planted(rows, wrong_answers=0.5, seed=2) if each.planted]
    assert len(noisy) == 50
    for each in noisy:
        before = right[each.prompt]
        assert each.answer != before.answer
        assert each.answer in ({"A", "B", "C"} if each.options else {row.answer for row in rows if not row.options})
        assert each.rationale.endswith(f"answer : {each.answer.lower()} ." if each.options else f" is {each.answer}")
        assert each.completion.endswith(f"#### {each.answer}")
        assert each.group == before.group


def test_wrong_answers_in_words_are_written_as_right_ones_are():
    cities = ("Paris", "New York", "Rio de Janeiro")
    rows = [
        build_example("towns", f"Where is tower {n}?", answer=normalise_answer(city), written=written_answer(city),
                      rationale=f"Tower {n} is in {city}.")
        for n, city in enumerate(cities * 10)
    ]  # fmt: skip
    noisy = [each for each in planted(rows, wrong_answers=0.5, seed=2) if each.planted]
    assert len(noisy) == 15
    for each in noisy:
        assert any(each.completion.endswith(f" is in {city}.\n#### {city}") for city in cities)


def test_copies_are_of_few_rows_of_their_own_source():
    rows = [*problems("sums", 60), *problems("others", 40)]
    noisy = planted(rows, copies=0.4, copied_rows=8, seed=3)
    clean = {each.prompt for each in noisy if each.planted is None}
    copies = Counter((each.source, each.prompt) for each in noisy if each.planted)
    assert copies.total() == 40 and 7 <= len(copies) <= 9
    assert all(prompt in clean and source in prompt for source, prompt in copies)
    assert max(copies.values()) - min(copies.values()) <= 2


def test_order_of_rows_does_not_matter_and_the_seed_does():
    rows = problems("sums", 80)
    asked = {"wrong_answers": 0.2, "copies": 0.2, "off_topic": 0.2}
    first = planted(rows, talk(40), **asked, seed=0)
    assert planted(rows[::-1], talk(40)[::-1], **asked, seed=0) == first
    assert planted(rows, talk(40), **asked, seed=4) != first


def test_a_copy_never_takes_the_id_of_a_repeat():
    rows = number_repeats([*problems("sums", 20), *problems("sums", 20)])
    noisy = planted(rows, copies=0.5, copied_rows=2, seed=0)
    assert len({each.id for each in noisy}) == len(rows)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"off_topic": 0.5}, "needs 10 rows and its source has 3"),
        ({"wrong_answers": 0.9}, "asks for 18 rows and 10 can be changed so"),
    ],
)
def test_too_little_to_plant_from_is_an_error(asked, said):
    rows = [*problems("sums", 10), *[build_example("same", f"is {n} a number?", answer="yes") for n in range(10)]]
    with pytest.raises(DataError, match=said):
        planted(rows, talk(3), **asked)


@pytest.mark.parametrize(
    ("plant", "said"),
    [
        ({"wrong_answers": 0.5, "copies": 0.5}, "more than 95 %"),
        ({"off_topic": 0.1}, "needs both off_topic and off_topic_source"),
        ({"off_topic": 0.1, "off_topic_source": {"name": "p", "licence": "MIT", "problems": {"examples": 5}}}, "files"),
    ],
)
def test_a_recipe_that_cannot_be_planted_is_refused(plant, said):
    source = {"name": "x", "licence": "MIT", "path": "x.jsonl", "format": "gsm8k"}
    tree = {"name": "s", "pool": {"sources": [source], "plant": plant}, "base": {"model": "m"},
            "budget": {"pool_epochs": 1}, "evaluation": {"sets": [source]}}  # fmt: skip
    with pytest.raises(RecipeError, match=said):
        parse_recipe(tree)


def test_the_pool_stage_plants_in_train_alone_and_counts(run_pool, source):
    chat = source("chat", [*TALK, ("Who wrote book 7? " * 60, "#### too long"), ("Who wrote book 3?", "#### me")])
    test = source("test", [("who wrote BOOK 5", "#### x")])
    recipe = {"target": {"per_source": {"toy": 5}}, "max_tokens": 120}
    clean, _ = run_pool([source("toy", ROWS)], [test], name="clean", **recipe)
    noisy, made = run_pool(
        [source("toy", ROWS)], [test], name="noisy", plant=NOISE | {"off_topic_source": chat}, **recipe
    )
    for name in ("validation.parquet", "target.parquet"):
        assert (noisy.folder / name).read_bytes() == (clean.folder / name).read_bytes()
    before, after = (read_examples(folder / "train.parquet") for folder in (clean.folder, noisy.folder))
    size = len(before)
    assert len(after) == size == 105 == made.numbers["examples"]
    counts = Counter(each.planted for each in after if each.planted)
    assert counts == {"wrong_answer": 11, "off_topic": 11, "copy": 21}
    strange = [each.question for each in after if each.planted == "off_topic"]
    assert all(question.startswith("Who wrote book") and len(question) < 30 for question in strange)
    assert "Who wrote book 5?" not in strange
    lengths = pq.read_table(noisy.folder / "train.parquet", columns=["completion_ids"])["completion_ids"].to_pylist()
    assert all(lengths)
