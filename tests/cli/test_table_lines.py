"""Tables of the command line: every value in its place, hostile names in one line, and what is empty said as empty."""

import re
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winnow.cli.tables import (
    CONTAMINATION_RULES,
    comparison_lines,
    hygiene_lines,
    marked_licence,
    pool_lines,
    selection_lines,
    selector_lines,
    table_lines,
)
from winnow.findings import Table
from winnow.text.printing import NONE

words = st.text("abcxyz09_.", min_size=1, max_size=30)


def cells(line):
    """Columns stand two blanks apart at least."""
    return re.split(r"\s{2,}", line.strip())


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 14).flatmap(lambda width: st.lists(st.lists(words, min_size=width, max_size=width), max_size=4)))
def test_every_cell_is_printed_whole_in_its_column(rows):
    heads = [f"h{place}" for place in range(len(rows[0]) if rows else 3)]
    lines = table_lines(heads, rows)
    assert cells(lines[0]) == heads and [cells(line) for line in lines[2:]] == rows
    assert len(lines) == 2 + len(rows)


def test_the_first_column_stands_on_the_left_and_numbers_on_the_right():
    head, _, first, second = table_lines(["arm", "examples"], [["a", "1"], ["long_name", "1,000"]])
    assert head.index("arm") == first.index("a") == second.index("long_name")
    assert head.endswith("examples") and len(first) == len(second) == len(head)


@pytest.mark.parametrize("name", ["a\nb", "[red]a[/red]", "\x1b[31ma", ":smile:", "a\tb", "\u202eab"])
def test_a_name_is_text_in_one_line(name):
    lines = table_lines(["arm", name], [[name, "1"]])
    assert len(lines) == 3 and all(line.isprintable() for line in lines)
    assert "smile" not in name or ":smile:" in lines[2]
    assert "red" not in name or "[red]a[/red]" in lines[2]


def source(name, reasons=(), **more):
    counts = {"read": 1200, "removed_overlaps": 3, "dropped": 5, "truncated": 7, "examples": 1000, "validation": 11,
              "target": 13}  # fmt: skip
    made = {"name": name, "licence": "MIT", **counts, "mean_tokens": 31.25, "share": 0.125}
    return made | {"dropped_by_reason": dict(reasons)} | more


def statistics(*sources):
    return {"sources": sources, "removed_overlaps_total": 1234, "examples": 4321, "tokens": 98765}


def test_a_pool_tells_each_source_and_why_rows_were_dropped():
    empty = source("empty", {"no answer": 2}, licence="CC-BY-NC-4.0", mean_tokens=None, share=0.0)
    lines = pool_lines(statistics(source("a", {"no answer": 1, "no text": 4}), empty))
    assert cells(lines[2]) == ["a", "MIT", "1,200", "3", "5", "7", "1,000", "11", "13", "31.2", "12.5%"]
    assert cells(lines[3])[1] == "CC-BY-NC-4.0 (non-commercial)" and cells(lines[3])[-2:] == ["0.0", "0.0%"]
    assert lines[4].startswith("4,321 examples to train on, 98,765 tokens; 1,234 rows removed because their question")
    assert lines[5:] == ["dropped: 4 with no text, 3 with no answer"], "sources together, the most frequent first"
    assert len(pool_lines(statistics(source("a")))) == 4, "nothing dropped, no line"


@pytest.mark.parametrize(("licence", "is_marked"), [
    ("MIT", False), ("CC-BY-NC-4.0", True), ("cc-by-nc-sa-4.0", True), ("Apache-2.0", False), ("unknown", False),
])  # fmt: skip
def test_a_licence_that_forbids_commerce_is_marked(licence, is_marked):
    assert marked_licence(licence) == (f"{licence} (non-commercial)" if is_marked else licence)


def hygiene(found):
    rules = dict.fromkeys(CONTAMINATION_RULES, found) | {f"{rule}_percent": 1.5 for rule in CONTAMINATION_RULES}
    copies = {"source": "a", "examples": 10, "exact": 1, "near": 2, "masked": 3, "questions_asked_again": 4}
    text = {"name": "a", "read": 10, "words": 2500, "mean_words": 250.0, "latex_share": 0.5,
            "languages": {"en": 0.5, "de": 0.25, "fr": 0.2, "nl": 0.05}}  # fmt: skip
    return {
        "contamination": [{"source": "a", "set": "t", "items": 50, **rules}],
        "duplicates": [copies],
        "sources": [text],
    }


def test_hygiene_says_what_is_shared_and_leaves_out_what_is_not():
    lines = hygiene_lines(hygiene(2))
    assert any(cells(line) == ["a", "t", "50", *["2 (1.50 %)"] * len(CONTAMINATION_RULES)] for line in lines)
    assert any(cells(line) == ["a", "10", "1", "2", "3", "4"] for line in lines)
    assert any(cells(line) == ["a", "10", "2,500", "250.0", "50.0%", "en 50.0%, de 25.0%, fr 20.0%"] for line in lines)
    clean = hygiene_lines(hygiene(0))
    assert len(clean) == len(lines) - 1 and not any(cells(line)[:2] == ["a", "t"] for line in clean)
    assert "they stand in an evaluation set" in "\n".join(pool_lines(statistics(source("a")), hygiene(0)))


def test_selections_have_a_column_for_each_source_and_a_blank_without_a_distance():
    composition = [{"source": "web", "selected_share": 0.75, "ratio": 1.5}, {"source": "books", "selected_share": 0.25,
                                                                             "ratio": 0.5}]  # fmt: skip
    made = {"size": 2500, "mean_tokens": 40.04, "composition": composition}
    lines = selection_lines({"near": made | {"mmd_ratio": 0.333}, "full": made | {"mmd_ratio": None}})
    assert cells(lines[0])[-2:] == ["web", "books"]
    assert cells(lines[2]) == ["near", "2,500", "40.0", "0.33", "75.0% (1.50x)", "25.0% (0.50x)"]
    assert cells(lines[3]) == ["full", "2,500", "40.0", "75.0% (1.50x)", "25.0% (0.50x)"]
    assert selection_lines({})[-1].startswith("In brackets")


def test_selectors_tell_options_with_their_defaults():
    options = [
        {"name": "layer", "type": "int", "default": None, "text": "Which."},
        {"name": "path", "type": "str", "text": "Where."},
    ]
    entry = {"name": "near", "summary": "Nearest first.", "traits": "needs vectors", "options": options}
    lines = selector_lines([entry | {"kind": "selector"}, entry | {"kind": "control", "options": []}])
    assert lines == [
        "near  Nearest first.", "    needs vectors", "      layer (int; default null): Which.",
        "      path (str; required): Where.", "near  Control. Nearest first.", "    needs vectors",
    ]  # fmt: skip


def compared():
    rows = [
        {"arm": name, "examples": 100, "mean_tokens": 30.0, "mmd_root_ratio": None, "target_mmd_root_ratio": 1.234}
        for name in ("one", "two", "random")
    ]
    rows[0]["fault_share"] = 0.05
    costs = [{"passes": passes} for passes in (1.0, 0.25, 0.0)]
    overlap = [
        {"arm": "one", "other": "two", "jaccard_share": 0.3, "random_jaccard_share": 0.1},
        {"arm": "random", "other": "random", "jaccard_share": 0.2, "random_jaccard_share": 0.1},
    ]
    tables = {"selections": rows, "cost": costs, "overlap": overlap}
    return SimpleNamespace(tables={name: Table(name, name, tuple(each)) for name, each in tables.items()})


def test_a_comparison_is_a_symmetric_matrix_under_the_costs_of_each():
    lines = comparison_lines(compared())
    by_head = {cells(line)[0]: cells(line) for line in lines}
    assert by_head["one"] == ["one", "100", "30.0", NONE, "1.23", "5.0%", "1.00"]
    assert by_head["two"] == ["two", "100", "30.0", NONE, "1.23", NONE, "0.25"]
    assert by_head["1 one"] == ["1 one", "30% (10%)"] == ["1 one", *by_head["2 two"][1:]]
    assert by_head["3 random"] == ["3 random", "20% (10%)"], "the diagonal alone"
    columns = {name: line.index("%") for line in lines if (name := cells(line)[0]) in ("1 one", "2 two", "3 random")}
    assert columns["2 two"] < columns["1 one"] < columns["3 random"]
