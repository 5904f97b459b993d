"""A source written by a teacher, from questions to rows: what is kept, what is counted, what is paid, and once only."""

import gzip
import json
import random
import sys
import time

import pyarrow.parquet as pq
import pytest

from faults import Disk, Killed
from generation_support import KEY, FakeEndpoint, answer_to, endpoint_recipe, problems_for
from winnow.errors import ArtifactError, BudgetError, DataError, RecipeError, SandboxError
from winnow.generation import asking
from winnow.generation.answers import KeptAnswers
from winnow.generation.prompts import END, PROGRAM
from winnow.generation.synthetic import ANSWERS, COUNTS, ROWS, generate_synthetic
from winnow.generation.teachers import pacing
from winnow.parts import GeneratePart, asked
from winnow.recipe import SourceRecipe, SyntheticRecipe
from winnow.records import Context
from winnow.text.questions import NUMBERS


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(pacing, "FIRST_WAIT_SECONDS", 0.01)


@pytest.fixture
def make(tmp_path):
    """Make a source; gives back its outcome, rows and counts. All calls of a test share what is kept."""

    def make(recipe, name="made"):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        source = SourceRecipe(name="source", licence="CC0-1.0", synthetic=recipe)
        outcome = generate_synthetic(GeneratePart(source=source), {}, Context(folder, kept=tmp_path / "kept"))
        return outcome, pq.read_table(folder / ROWS).to_pylist(), json.loads((folder / COUNTS).read_text())

    make.folder = tmp_path
    return make


def built_in(**changes):
    usual = {"examples": 60, "irrelevant_share": 0.4, "reworded_share": 0.3, "run_programs": "none"}
    return SyntheticRecipe(**usual | changes)


def test_the_built_in_teacher_gives_right_problems_of_all_kinds(make):
    outcome, rows, counts = make(built_in(written_as="worked"))
    assert len(rows) == outcome.numbers["rows"] == counts["rows"] == 60
    assert {row["prompt_kind"] for row in rows} == {"one_step", "reworded", "irrelevant"}
    for row in rows:
        names = {}
        exec(row["program"], names)
        assert str(names["result"]) == row["answer"] == row["rationale"].rpartition(" = ")[2]
        assert NUMBERS.search(row["question"].casefold())
        assert len(row["question"]) >= 40
    kept, malformed, left_out = counts["rows"], counts["malformed"], sum(counts["left_out"].values())
    assert malformed == {}
    written = sum(counts["returned"][kind] for kind in ("one_step", "reworded", "irrelevant"))
    assert kept + left_out == written == sum(counts["asked"].values()) - counts["asked"]["program"]


def test_irrelevant_facts_change_no_answer_and_are_not_in_the_program(make):
    _, rows, _ = make(built_in(irrelevant_share=1.0, reworded_share=0, examples=40))
    assert all(row["question"].count(".") + row["question"].count("?") >= 2 for row in rows)
    for row in rows:
        fact = row["question"].split(". ")[0]
        assert NUMBERS.search(fact), fact


def test_programs_are_run_where_the_sandbox_is(make):
    pytest.importorskip("pydantic_monty")
    _, rows, counts = make(built_in(run_programs="arithmetic", written_as="function"))
    _, others, _ = make(built_in(), "worked out")
    assert counts["outcomes"] == {"ok": counts["rows"] + counts["left_out"].get("more than were wanted", 0)}
    assert [row["answer"] for row in rows] == [row["answer"] for row in others]
    assert all(row["rationale"].startswith("def solution() -> int:") for row in rows)


def test_the_same_recipe_gives_the_same_bytes_and_another_seed_other_rows(make):
    folder = make.folder
    make(built_in())
    make(built_in(), "again")
    _, rows, _ = make(built_in(seed=1), "other")
    assert (folder / "made" / ROWS).read_bytes() == (folder / "again" / ROWS).read_bytes()
    assert rows != pq.read_table(folder / "made" / ROWS).to_pylist()


def test_the_order_in_which_answers_come_changes_nothing(make):
    def slow(prompt, seed):
        time.sleep(random.Random(seed).random() / 50)
        return answer_to(prompt, seed)

    with FakeEndpoint(write=slow) as endpoint:
        _, one, _ = make(endpoint_recipe(endpoint, run_programs="none", teacher={"concurrency": 1}), "one")
    with FakeEndpoint(write=slow, faults={2: "500", 5: "cut"}) as other:
        recipe = endpoint_recipe(other, run_programs="none", teacher={"concurrency": 6})
        _, many, counts = make(recipe, "many")
    assert one == many
    assert sum(counts["lost_attempts"].values()) == 1
    assert counts["lost_at_most_dollars"] > 0
    assert counts["attempts"] == len(other.asked) == counts["requests"] + 2


def test_a_budget_ends_it_and_a_higher_one_goes_on_without_paying_twice(make):
    with FakeEndpoint() as endpoint:
        with pytest.raises(BudgetError, match=r"source 'source' has \d of 12 problems: .*none is paid twice"):
            make(endpoint_recipe(endpoint, run_programs="none", max_dollars=0.004))
        paid = len(endpoint.charged)
        outcome, rows, counts = make(endpoint_recipe(endpoint, run_programs="none"))
        assert 0 < paid < len(endpoint.charged) == len(set(endpoint.charged)) == counts["requests"]
        assert outcome.costs["generate"].dollars == pytest.approx(len(endpoint.charged) * 0.0006)
        assert outcome.costs["generate"].tokens == len(endpoint.charged) * 150
    with FakeEndpoint() as undisturbed:
        _, others, _ = make(endpoint_recipe(undisturbed, run_programs="none"), "undisturbed")
    assert rows == others


def test_attempts_that_were_cut_off_count_in_the_next_attempt_too(make):
    with FakeEndpoint(faults=dict.fromkeys(range(100), "broken")) as endpoint:
        recipe = endpoint_recipe(endpoint, run_programs="none", max_dollars=0.01, teacher={"max_attempts": 100})
        for _ in range(2):
            with pytest.raises(BudgetError, match="0 of 12 problems"):
                make(recipe)
    assert 0 < len(endpoint.charged) * 0.0006 <= 0.01


def test_more_examples_and_other_filters_ask_for_nothing_twice(make):
    with FakeEndpoint() as endpoint:
        make(endpoint_recipe(endpoint, run_programs="none", examples=6), "few")
        make(endpoint_recipe(endpoint, run_programs="none", examples=24), "many")
        assert len(endpoint.charged) == len(set(endpoint.charged))
        paid = len(endpoint.charged)
        outcome, rows, _ = make(
            endpoint_recipe(endpoint, run_programs="none", examples=24, written_as="worked"), "worked"
        )
        assert len(endpoint.charged) == paid
        assert outcome.costs["generate"].dollars == pytest.approx(paid * 0.0006), (
            "a reused answer is charged all the same"
        )
        assert all(" + " in row["rationale"] for row in rows)
        make(endpoint_recipe(endpoint, run_programs="none", examples=6, temperature=0.5), "colder")
        assert len(endpoint.charged) > paid


def test_a_line_that_a_kill_cut_short_is_asked_for_again_and_no_other(make):
    with FakeEndpoint() as endpoint:
        make(endpoint_recipe(endpoint, run_programs="none"))
        paid = len(endpoint.charged)
        (kept,) = (make.folder / "kept").glob("*.jsonl")
        whole = kept.read_bytes()
        kept.write_bytes(whole[:-20])
        make(endpoint_recipe(endpoint, run_programs="none"), "again")
        assert len(endpoint.charged) == paid + 1
        lines = kept.read_text().splitlines()
        assert len(lines) == paid
        assert all(json.loads(line) for line in lines)
        kept.write_text("{}\n" + kept.read_text())
        with pytest.raises(ArtifactError, match=r"line 1, is damaged, or no kept answer; remove the line"):
            make(endpoint_recipe(endpoint, run_programs="none"), "third")


def test_an_answer_that_changed_by_a_bit_is_named(make):
    """Every 31st byte of the file, each by one bit: what was paid for is never made into other rows."""
    make(built_in(), "first")
    (kept,) = (make.folder / "kept").glob("*.jsonl")
    whole = kept.read_bytes()
    for place in range(0, len(whole) - 1, max(31, len(whole) // 150)):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        kept.write_bytes(damaged)
        with pytest.raises(ArtifactError, match=r"line \d+, is damaged, or no kept answer"):
            KeptAnswers(kept)
    kept.write_bytes(whole)
    assert KeptAnswers(kept).answers


@pytest.mark.parametrize("fault", ["full", "killed", "killed after", "torn"])
@pytest.mark.parametrize("at", [1, 4, 17])
def test_a_disk_that_fails_on_the_way_costs_no_row(make, monkeypatch, fault, at):
    _, rows, _ = make(built_in(), "undisturbed")
    (kept,) = (make.folder / "kept").glob("*.jsonl")
    kept.unlink()
    with monkeypatch.context() as patched, pytest.raises((OSError, Killed)):
        Disk(patched, fault, at)
        make(built_in(), "disturbed")
    answered = len(kept.read_bytes().split(b"\n")) - 1 if kept.exists() else 0
    assert answered in (at - 1, at)
    assert fault != "full" or not kept.exists() or kept.read_bytes()[-1:] in (b"", b"\n")
    _, again, _ = make(built_in(), "disturbed")
    assert again == rows


@pytest.mark.slow
def test_every_raw_answer_is_there_and_no_key_is_anywhere(make, monkeypatch):
    monkeypatch.setenv("FAKE_TEACHER_KEY", KEY)
    with FakeEndpoint(key=KEY) as endpoint:
        recipe = endpoint_recipe(endpoint, run_programs="none", teacher={"api_key_variable": "FAKE_TEACHER_KEY"})
        _, rows, _ = make(recipe)
    raw = gzip.decompress((make.folder / "made" / ANSWERS).read_bytes())
    answers = [json.loads(line) for line in raw.splitlines()]
    assert sorted((a["prompt"], a["seed"]) for a in answers) == sorted(endpoint.charged)
    assert all(answer["text"] == answer_to(answer["prompt"], answer["seed"]) for answer in answers)
    requests = {answer["id"] for answer in answers}
    assert all(row["request"].split("/")[0] in requests for row in rows)
    files = [path for path in make.folder.rglob("*") if path.is_file()]
    assert not [path for path in files if KEY.encode() in path.read_bytes()]
    assert KEY.encode() not in raw


def spoilt(prompt, seed):
    """Of every ten answers one of each fault, the rest good; faults of one problem beside good ones."""
    good = answer_to(prompt, seed)
    faults = {
        0: "", 1: good.replace(PROGRAM, ""), 2: good + "Tom has", 3: good.replace("result =", "answer ="),
        4: f"Two eggs?\n{PROGRAM}\nresult = 1 + 1\n{END}\n" + good,
        5: f"What is the name of the red hen that lives in the old barn?\n{PROGRAM}\nresult = 1 + 1\n{END}\n" + good,
    }  # fmt: skip
    return faults.get(seed % 10, good)


def test_what_is_left_out_is_counted_by_reason_and_nothing_is_lost(make):
    with FakeEndpoint(write=spoilt) as endpoint:
        recipe = endpoint_recipe(endpoint, examples=90, irrelevant_share=0, reworded_share=0, run_programs="none")
        _, rows, counts = make(recipe)
    assert len(rows) == 90
    assert set(counts["malformed"]) == {
        "empty answer", "no program marker", "cut off before its end marker", "no assignment to result at the end",
    }  # fmt: skip
    assert counts["left_out"]["shorter than 40 characters"] > 0
    assert counts["left_out"]["no numbers"] > 0
    assert counts["returned"]["one_step"] == 90 + sum(counts["left_out"].values())


def test_repeats_go_and_other_programs_for_a_question_stay_and_are_counted(make):
    def write(prompt, seed):
        program = ["result = 3 + 4", "result = 4 + 3", "result = 3 + 4"][seed % 3]
        same = f"A shop has 3 red boxes and gets 4 more. How many boxes are there?\n{PROGRAM}\n{program}\n{END}\n"
        return same + answer_to(prompt, seed)

    with FakeEndpoint(write=write) as endpoint:
        recipe = endpoint_recipe(endpoint, examples=30, irrelevant_share=0, reworded_share=0, run_programs="none")
        _, rows, counts = make(recipe)
    same = [row for row in rows if row["question"].startswith("A shop has 3 red boxes and gets 4 more.")]
    assert [row["question_count"] for row in same] == [2, 2]
    assert {row["program"] for row in same} == {"result = 3 + 4", "result = 4 + 3"}
    assert counts["left_out"]["repeat of a question with its program"] > 0
    assert counts["questions"] == 29


def test_a_majority_keeps_what_most_programs_agree_on(make):
    pytest.importorskip("pydantic_monty")

    def write(prompt, seed):
        if "Write its solution" not in prompt:
            return answer_to(prompt, seed)
        is_split = int(prompt.split("A shop has ")[1].split(" ")[0]) % 2  # odd questions get another number each time
        return f"result = {seed if is_split else 7} + 0\n{END}"

    with FakeEndpoint(write=write) as endpoint:
        recipe = endpoint_recipe(endpoint, examples=10, irrelevant_share=0, reworded_share=0, majority_of=3)
        _, rows, counts = make(recipe)
    assert all(int(row["question"].split("A shop has ")[1].split(" ")[0]) % 2 == 0 for row in rows)
    assert all(row["answer"] == "7" and row["program"] == "result = 7 + 0" for row in rows)
    assert counts["left_out"]["no majority among its programs"] > 0
    assert counts["asked"]["program"] == 2 * counts["returned"]["one_step"]


def test_programs_that_fail_are_left_out_by_outcome(make):
    pytest.importorskip("pydantic_monty")

    def write(prompt, seed):
        return answer_to(prompt, seed).replace("red + more", ["red / 0", "[red]", "red + more"][seed % 3])

    with FakeEndpoint(write=write) as endpoint:
        _, rows, counts = make(endpoint_recipe(endpoint, examples=20))
    assert counts["left_out"]["program: error"] > 0
    assert counts["left_out"]["program: non numeric"] > 0
    assert counts["outcomes"]["ok"] >= 20 == len(rows)


def test_a_teacher_that_gives_nothing_ends_it_with_the_reasons(make):
    said = r"0 of 12 problems.*nothing new \(\d+ x cut off before its end marker"
    with FakeEndpoint(write=lambda prompt, seed: "I cannot help.") as endpoint, pytest.raises(DataError, match=said):
        make(endpoint_recipe(endpoint, run_programs="none"))
    assert len(endpoint.charged) <= 3 * asking.BARREN_REQUESTS


def test_a_space_that_is_used_up_ends_it(make):
    recipe = built_in(
        examples=400, teacher={"kind": "built_in", "families": ["area"], "largest_number": 5},
        irrelevant_share=0, reworded_share=0,
    )  # fmt: skip
    with pytest.raises(DataError, match="repeat of a question with its program"):
        make(recipe)


def test_seeds_of_the_recipe_are_shown_and_named(make):
    with FakeEndpoint() as endpoint:
        _, rows, _ = make(endpoint_recipe(endpoint, run_programs="none"))
    shown = {body["messages"][0]["content"] for body in endpoint.asked}
    assert all(row["seed_id"].startswith("built_in:") for row in rows)
    assert len(shown) > 1


def test_how_it_is_asked_is_no_part_of_what_is_asked():
    def part(**changes):
        with_url = type("Endpoint", (), {"url": "http://localhost:1/v1"})
        recipe = endpoint_recipe(with_url, **changes)
        return asked(GeneratePart(source=SourceRecipe(name="s", licence="MIT", synthetic=recipe)))

    usual = part()
    assert part(max_dollars=7, max_teacher_tokens=9) == usual
    assert part(teacher={"concurrency": 2, "requests_per_minute": 5, "timeout_seconds": 9, "max_attempts": 2}) == usual
    assert part(teacher={"api_key_variable": "SOME_KEY"}) == usual
    assert part(teacher={"model": "other"}) != usual
    assert part(written_as="worked") != usual


def test_without_the_sandbox_nobody_is_paid(make, monkeypatch):
    monkeypatch.setitem(sys.modules, "pydantic_monty", None)
    with FakeEndpoint() as endpoint, pytest.raises(SandboxError, match="sandbox"):
        make(endpoint_recipe(endpoint))
    assert endpoint.asked == []


def test_an_unknown_family_is_refused(make):
    with pytest.raises(RecipeError, match="unknown family 'poetry'"):
        make(built_in(teacher={"kind": "built_in", "families": ["poetry"]}))


def test_the_fake_endpoint_writes_right_problems():
    for question, program in problems_for(5, 3):
        names = {}
        exec(program, names)
        assert str(names["result"] - names["red"]) in question
