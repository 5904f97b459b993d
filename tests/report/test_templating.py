"""What pages and cards print of trainings, tables and arms: alike in one word, else each value with its arms."""

import csv
import io
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from winnow.findings import ArmFacts, Factor, Table
from winnow.recipe import TrainingRecipe
from winnow.report.styles import BLACK, COLOURS, DARK, GREY, LINES, arm_styles, dark, in_figure
from winnow.report.tables import cells_of, csv_text, for_people, markdown, rows_for_people
from winnow.report.templating import adapter_settings, environment, settings_of, where
from winnow.report.terminal import _halves, _shortened, _within, aligned

light = settings(max_examples=40, deadline=None)
FULL = TrainingRecipe(method="full", learning_rate=2e-4, per_device_batch_size=4, gradient_accumulation_steps=2)
LORA = FULL.model_copy(update={"method": "lora", "learning_rate": 1e-3})


def test_a_setting_that_all_arms_have_stands_alone_and_others_with_their_arms():
    rows = dict(settings_of([("a", FULL), ("b", LORA), ("c", FULL)], devices=3))
    assert rows["method"] == "full (a, c); lora (b)" and rows["learning rate"] == "0.0002 (a, c); 0.001 (b)"
    assert rows["examples per step"] == "24" and rows["precision"] == FULL.precision
    assert dict(settings_of([("a", FULL)], devices=1))["method"] == "full"


def test_adapters_are_told_of_the_arms_that_have_them():
    wide = LORA.model_copy(update={"lora": LORA.lora.model_copy(update={"r": 64, "use_dora": True})})
    assert adapter_settings([("a", FULL)]) == []
    rows = dict(adapter_settings([("a", FULL), ("b", LORA), ("c", wide)]))
    assert rows["r"] == f"{LORA.lora.r} (b); 64 (c)" and rows["bias"] == "none"
    assert rows["use_dora"] == "true (c)", "which b has not, and so it is not said of both"
    given_modules = LORA.model_copy(update={"lora": LORA.lora.model_copy(update={"target_modules": ("q", "v")})})
    assert dict(adapter_settings([("b", given_modules)]))["target_modules"] == "q, v"
    other = LORA.model_copy(update={"peft": {"peft_type": "IA3", "init": True}})
    assert adapter_settings([("b", other)]) == [("peft_type", "IA3"), ("init", "True")]


TABLE = Table(
    "savings", "Savings", (
        {"arm": "a", "axis": "flops", "loss_difference": 0.5, "loss_difference_low": 0.25, "loss_difference_high": 0.75,
         "baseline": "full", "note": ""},
        {"arm": "b|c", "axis": "tokens", "loss_difference": None, "loss_difference_low": None,
         "loss_difference_high": None, "baseline": "full", "note": ""},
    ), "See *there*.",
)  # fmt: skip


def test_rows_of_one_value_lose_its_column():
    kept = where(TABLE, "axis", "flops")
    assert [row["arm"] for row in kept.rows] == ["a"] and "axis" not in kept.rows[0] and len(TABLE.rows[0]) == 7
    empty = Table("savings", "Savings", (), columns=("arm", "axis"))
    assert where(empty, "axis", "flops").columns == ("arm",) and where(TABLE, "axis", "no").rows == ()


def test_people_see_no_inputs_no_empty_notes_and_the_csv_everything():
    heads, cells = for_people(TABLE)
    assert heads == ["arm", "axis", "loss difference"] and cells[0][2] == "+0.5000 [+0.2500, +0.7500]"
    rows = list(csv.DictReader(io.StringIO(csv_text(TABLE))))
    assert [list(row) for row in rows] == [list(TABLE.rows[0])] * 2
    assert rows[0]["loss_difference_low"] == "0.25" and rows[1]["loss_difference"] == ""
    told = Table("savings", "s", ({"arm": "a", "note": "!"}, {"arm": "b", "note": ""}))
    assert for_people(told)[0] == ["arm", "note"]


def test_every_cell_has_its_unrounded_number_beside_its_text():
    heads, cells = cells_of(TABLE)
    assert [[cell.value for cell in line] for line in cells] == [[None, None, 0.5], [None, None, None]]
    assert [[cell.text for cell in line] for line in cells] == for_people(TABLE)[1] and len(heads) == 3
    assert cells_of(Table("t", "t", ({"yes": True, "num": 3},)))[1][0][0].value is None, "a truth is no number"


def test_a_column_of_a_factor_that_no_arm_has_is_left_out():
    rows = ({"arm": "a", "rank": None, "rate": 0.5}, {"arm": "b", "rank": None, "rate": None})
    assert list(rows_for_people(Table("t", "t", rows, levels=("rank", "rate")))[0]) == ["arm", "rate"]
    assert list(rows_for_people(Table("t", "t", rows))[0]) == ["arm", "rank", "rate"]


def test_markdown_keeps_a_name_inside_its_cell_and_says_that_nothing_is_there():
    lines = markdown(TABLE).splitlines()
    assert lines[3].startswith(r"| b\|c | tokens |") and lines[-1] == r"See \*there\*."
    assert markdown(Table("t", "t", (), "A note.")) == "Nothing yet.\n"


words = st.text("abcd _", max_size=40)


@light
@given(st.integers(1, 6).flatmap(lambda n: st.lists(st.lists(words, min_size=n, max_size=n), min_size=1, max_size=4)))
def test_aligned_lines_have_columns_at_one_place(rows):
    lines = aligned(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    ends = [sum(widths[: place + 1]) + 2 * place for place in range(len(widths))]
    for row, line in zip(rows, lines, strict=True):
        whole = line.ljust(ends[-1])
        assert whole[: len(row[0])] == row[0]
        assert all(whole[end - len(text) : end] == text for text, end in zip(row[1:], ends[1:], strict=True))


@light
@given(st.lists(st.text("abc_", min_size=1, max_size=90), min_size=1, max_size=5), st.integers(1, 5))
def test_long_names_lose_their_middle_where_a_table_would_be_too_wide(names, columns):
    rows = [["arm", *["heading of it"] * columns], *([name, *["1.2345"] * columns] for name in names)]
    lines = _within(100, rows)
    assert len(lines) == 2 + len(names) and max(map(len, lines)) <= 100
    for name, line in zip(names, lines[2:], strict=True):
        shown = line.split(" ")[0]
        first, _, last = shown.partition("…")
        assert name == shown or (name.startswith(first) and name.endswith(last) and len(shown) < len(name))


@light
@given(st.lists(st.text("abc", min_size=1, max_size=9), min_size=1, max_size=5).map(" ".join), st.integers(2, 30))
def test_headings_are_halved_between_words_and_names_fit(text, most):
    upper, lower = _halves(text)
    assert f"{upper} {lower}".strip() == text
    best = min(
        max(len(" ".join(part)) for part in (text.split()[:at], text.split()[at:])) for at in range(len(text.split()))
    )
    assert max(len(upper), len(lower)) == best
    assert len(_shortened(text, most)) <= max(most, 0) and (len(text) > most or _shortened(text, most) == text)


def arm(name, selector, fraction, **factors):
    return ArmFacts(name, selector, fraction, None, False, (0,), factors=factors)


@pytest.mark.parametrize(("selectors", "fractions"), [(8, 4), (3, 2), (1, 4)])
def test_no_two_arms_look_the_same_as_long_as_that_can_be(selectors, fractions):
    shares = [0.1 * place for place in range(1, fractions + 1)]
    arms = [arm("full", "full", 1.0)]
    arms += [arm(f"random_{share:g}", "random", share) for share in shares]
    names = [f"s{place}" for place in range(selectors)]
    arms += [arm(f"{name}_{share:g}", name, share) for name, share in itertools.product(names, shares)]
    styles = arm_styles(arms)
    assert len(set(styles.values())) == len(arms) and styles["full"] == (BLACK, "-")
    assert {styles[f"random_{share:g}"][0] for share in shares} == {GREY}
    for name in names:
        assert len({styles[f"{name}_{share:g}"][0] for share in shares}) == 1, "one colour for one way to choose"
    for share in shares:
        assert len({styles[f"{name}_{share:g}"][1] for name in (*names, "random")}) == 1, "one dash for one fraction"


def test_levels_have_colour_and_dash_of_their_own():
    factors = [Factor("rank", ("r4", "r8"), (4, 8)), Factor("rate", ("low", "high"), ("low", "high"))]
    arms = [
        arm(f"{rank}_{rate}", "full", None, rank=rank, rate=rate) for rank in ("r4", "r8") for rate in ("low", "high")
    ]
    styles = arm_styles([*arms, arm("other", "full", None)], factors)
    assert styles["r4_high"] == (COLOURS[0], LINES[1]) and styles["r8_low"] == (COLOURS[1], LINES[0])
    assert styles["other"] == (GREY, "-")


def test_every_colour_has_one_for_a_dark_page_and_letters_too():
    assert all(colour.lower() in DARK for colour in (*COLOURS, BLACK, GREY)) and len(set(DARK.values())) == len(DARK)
    drawing = f"<style>a</style><path stroke='{COLOURS[0].lower()}'/><path stroke='#123456'/><style></style>"
    made = dark(drawing)
    assert DARK[COLOURS[0].lower()] in made and "#123456" in made and made.count("text{fill:") == 1


@pytest.mark.parametrize(("name", "drawn"), [("a$b$", r"a\$b\$"), ("_a", "\u2009_a"), ("a_b", "a_b"), ("a\nb", "a b")])
def test_a_name_in_a_figure_is_neither_formula_nor_left_out(name, drawn):
    assert in_figure(name) == drawn


@pytest.mark.parametrize(("language", "made"), [("html", "&lt;b&gt;|x"), ("markdown", r"&lt;b>\|x")])
def test_a_template_escapes_what_data_brings(language, made):
    assert environment(language).from_string("{{ name }}").render(name="<b>|x") == made
