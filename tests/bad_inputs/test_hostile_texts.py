"""Names that data bring stay text wherever winnow writes them: cards, tables, pages, terminals, error lines."""

import io
import json
import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from rich.console import Console
from ruamel.yaml import YAML

sys.path.append(str(Path(__file__).parents[1] / "report"))
from test_publishing import publishable

import winnow
from bad_inputs_support import assert_one_line
from winnow.analysis.find import find
from winnow.cli import shared
from winnow.cli.bars import Bars
from winnow.cli.tables import pool_lines
from winnow.errors import DataError, one_line, visible
from winnow.findings import Table
from winnow.generation.card import card as generation_card
from winnow.report.card import model_card
from winnow.report.compared_figures import curves_figure
from winnow.report.items import read_items
from winnow.report.page import StudyPage, html_page
from winnow.report.tables import markdown_file
from winnow.report.terminal import render_terminal
from winnow.store import read_json, write_json
from winnow.text.markup import code, escaped, fenced, front_matter, literal, yaml_text
from winnow.verbs import publish as publishing

LETTERS = "<script>alert(1)</script>|`x` [a](javascript:alert(1)) **b** _c_ ~~d~~ <img src=x> &lt; :x: [/red]"
HOSTILE = f"{LETTERS}\n# e\r\n\n- f\x1b[31m\x9b\u202e\u2028\x00{'`' * 3}"
NAMES = {
    "tag": "<script>x</script>", "comment": "<!-- x", "cell": "a | b", "code": "`a`", "fence": "```\nx", "line": "a\nb",
    "heading": "# a", "setext": "a\n===", "list": "- a", "numbers": "1. a", "quote": "> a", "rule": "---",
    "link": "[a](b)",
    "reference": "[a][b]", "definition": "[a]: b", "image": "![a](b)", "emphasis": "*a* __b__", "struck": "~~a~~",
    "entity": "&lt;b&gt;", "escape": "\x1b[31ma", "other escape": "\x9b31ma", "bell": "\a", "direction": "\u202ea",
    "isolate": "\u2066a", "separator": "a\u2028b", "null": "\0", "half": "\ud800", "backslash": "a\\", "blank": "    a",
    "all": HOSTILE,
}  # fmt: skip
MARKDOWN = MarkdownIt("commonmark").enable(["table", "strikethrough"])
MARKDOWN.validateLink = lambda url: True


def tokens_of(text):
    found = []
    for token in MARKDOWN.parse(text):
        found += [token, *(token.children or [])]
    return found


def kinds_of(text):
    """Kinds of what stands in a piece of Markdown; text is `inline`, `text` and `paragraph`."""
    plain = {"inline", "text", "paragraph_open", "paragraph_close", "text_special", "softbreak"}
    return {token.type for token in tokens_of(text)} - plain


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_text_stays_text_in_markdown(name):
    assert kinds_of(escaped(name)) == set()
    assert escaped(name).isprintable()
    assert kinds_of(code(name)) <= {"code_inline"}
    table = f"| a | b |\n| --- | --- |\n| {escaped(name)} | {code(name)} |\n"
    assert [token.type for token in MARKDOWN.parse(table)].count("td_open") == 2
    assert kinds_of(fenced(name, "yaml")) == {"fence"}
    assert [token.type for token in MARKDOWN.parse(f"```python\nx = {literal(name)}\n```\n")] == ["fence"]
    assert eval(literal(name)) == name  # noqa: S307


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_front_matter_is_read_back(name):
    tree = {"a": name, "b": [name, {"c": name}], "d": name.replace("\ud800", "")}
    text = front_matter(tree)
    body = re.fullmatch(r"---\n(.*?\n)---\n", text, re.DOTALL)[1]
    if "\ud800" not in name:
        assert YAML(typ="safe", pure=True).load(body) == tree
    assert not re.search("^---", body, re.MULTILINE) and "<script" not in body and "`" not in body
    assert body.replace("\n", "").isprintable()
    assert kinds_of(fenced(yaml_text(tree), "yaml")) == {"fence"}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
def test_text_stays_text_on_a_terminal(name, capsys):
    assert visible(name).isprintable() and str(DataError(f"row {name}")).isprintable()
    shared.print_lines([name])
    shared.print_json({name: [name]})
    out = capsys.readouterr().out
    assert out.replace("\n", "").isprintable() and len(out.splitlines()) == 6
    assert json.loads(out.split("\n", 1)[1]) == {name: [name]}


def test_a_letter_of_any_language_stays_as_it_is():
    name = "Größe 語 🙂 café-1.5_x (100 %) a < b a & b"
    assert visible(name) == one_line(name) == escaped(name) == name


def test_tables(tmp_path):
    rows = tuple({HOSTILE: HOSTILE, "b": 1.5} for _ in range(2))
    text = markdown_file(Table("a", HOSTILE, rows, HOSTILE))
    kinds = [token.type for token in MARKDOWN.parse(text)]
    assert kinds.count("tr_open") == 3 and kinds.count("th_open") == 2 and kinds.count("heading_open") == 1
    assert not {"html_inline", "html_block", "link_open", "image", "code_inline"} & kinds_of(text)


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A study whose machine, licences, model and versions have such names."""
    folder = publishable(tmp_path_factory.mktemp("hostile") / "s")
    yaml = YAML()
    tree = yaml.load(folder / "recipe.yaml")
    tree["machine"]["name"] = LETTERS
    tree["base"] = {"model": LETTERS}
    for source in (*tree["pool"]["sources"], *tree["evaluation"]["sets"]):
        source["licence"] = source["path"] = f"{LETTERS}\n# e\n\u202e{'`' * 3}"
    yaml.dump(tree, folder / "recipe.yaml")
    settings = read_json(folder / "study.json")
    settings["environment"] = settings.get("environment", {}) | {"peft": HOSTILE, "torch": HOSTILE}
    settings |= {
        "base_path": HOSTILE,
        "not_affordable": {"evil_0.25": HOSTILE},
        "unavailable": {"benchmark.x": HOSTILE},
    }
    write_json(folder / "study.json", settings)
    return folder


def assert_is_text(text, expected_like):
    """The card has the headings of one with plain names, and nothing of these names became more than text."""
    assert headings(text) == headings(expected_like)
    body = text.partition("\n---\n")[2]
    assert not {"html_inline", "html_block", "s_open"} & kinds_of(body)
    assert not [token for token in tokens_of(body) if token.type == "link_open" and "javascript" in token.attrs["href"]]
    assert "<script" not in text and "<img" not in text
    assert text.replace("\n", "").isprintable()


def headings(text):
    tokens = MARKDOWN.parse(text.partition("\n---\n")[2])
    return [tokens[at + 1].content for at, token in enumerate(tokens) if token.type == "heading_open"]


@pytest.mark.slow
def test_cards_of_a_study(hostile, tmp_path):
    plain = publishable(tmp_path / "plain")
    assert_is_text(model_card(find(hostile), []), model_card(find(plain), []))
    upload = publishing.build(hostile, tmp_path / "upload")
    other = publishing.build(plain, tmp_path / "other")
    for folder in ("model", "selections"):
        cards = [(built.root / folder / "README.md").read_text() for built in (upload, other)]
        assert_is_text(*cards)
    for path in upload.root.rglob("*.md"):
        assert "<script" not in path.read_text()
    assert not [each for each in publishing.check(upload).problems if "no card" in each]


def test_page_of_a_study(hostile):
    page = html_page([StudyPage(find(hostile), {}, read_items(hostile, find(hostile)))])
    assert "<script>alert" not in page and "<img src=x" not in page


@pytest.mark.slow
def test_terminal_of_a_study(hostile, command, tmp_path):
    assert render_terminal(find(hostile)).replace("\n", "").isprintable()
    status, out, _ = command("publish", hostile, "--dry-run", "--out", tmp_path / "up")
    assert out.replace("\n", "").isprintable() and status in (0, 1)


LINE = "<script>alert(1)</script>|`x` [a](javascript:alert(1)) $\\frac{ %s {{x}}"


def test_a_comparison_of_such_arms(tmp_path, command):
    rows = [
        {"arm": arm, "seed": seed, "metric": f"{LINE} loss", "value": seed + len(arm)}
        for arm in ("full", LINE) for seed in (0, 1, 2)
    ]  # fmt: skip
    found = winnow.compare(rows, baseline="full", metric=f"{LINE} loss")
    assert "<script>alert" not in found.write(tmp_path).read_text()
    for path in tmp_path.glob("*.md"):
        assert not {"html_inline", "html_block", "link_open", "code_inline"} & kinds_of(path.read_text())
    (tmp_path / "runs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    status, out, _ = command(
        "compare", tmp_path / "runs.jsonl", "--baseline", "full", "--metric", f"{LINE} loss", "--out", tmp_path / "c"
    )
    assert status == 0 and LINE in out


@pytest.mark.parametrize("name", ["$\\frac{$", "$$", "$a$", "\\$5 $", "_a", "__", "%s {x}", LINE])
@pytest.mark.slow
def test_a_figure_of_such_arms(name, tmp_path):
    rows = [
        {"arm": arm, "seed": seed, "metric": "loss", "value": seed + step, "step": step, name: step}
        for arm in ("full", name) for seed in (0, 1, 2) for step in (1, 2)
    ]  # fmt: skip
    found = winnow.compare(rows, baseline="full", cost=name)
    found.write(tmp_path)
    (legend,) = curves_figure(found.findings).legends
    assert [text.get_text().replace("\\$", "$").strip() for text in legend.get_texts()] == ["full", name]


@pytest.mark.parametrize("name", ["\x1b[31m", "a\x9b31m", "\u202eb"])
def test_escape_sequences_of_others_never_reach_the_terminal(name, command, tmp_path):
    rows = [{"arm": arm, "seed": seed, "metric": "loss", "value": seed} for arm in ("full", name) for seed in (0, 1)]
    (tmp_path / "runs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    _, out, err = command("compare", tmp_path / "runs.jsonl", "--baseline", "full", "--out", tmp_path / "c")
    assert (out + err).replace("\n", "").isprintable()
    status, _, err = command("compare", tmp_path / "runs.jsonl", "--baseline", "fll", "--out", tmp_path / "c")
    assert_one_line(status, err)


def test_the_card_of_an_export(tmp_path):
    rows = [{"prompt": f"What is {n}?", "completion": f" {n}", "site": HOSTILE[:-4]} for n in range(9)]
    chosen = winnow.select(
        rows,
        selector="random",
        size=3,
    )
    folder = chosen.export(tmp_path / "a b`c", licences=HOSTILE.replace("\0", ""))
    text = (folder / "README.md").read_text()
    plain = chosen.export(tmp_path / "plain", licences="mit")
    assert_is_text(text, (plain / "README.md").read_text())
    hostile = replace(chosen, selector=HOSTILE, options={HOSTILE: HOSTILE}, removed={HOSTILE: 3})
    assert "<script" not in (hostile.export(tmp_path / "b") / "README.md").read_text()


def test_the_card_of_a_synthetic_source():
    facts = {
        "name": HOSTILE, "licence": HOSTILE, "rows": 10, "questions": 10,
        "seeds": {"name": HOSTILE, "licence": HOSTILE},
        "settings": {
            "teacher": {"kind": "endpoint", "model": HOSTILE, "url": f"https://me:secret@host/{HOSTILE}"},
            "temperature": 1.0, "run_programs": "none", "majority_of": None,
        },
        "asked": {}, "returned": {}, "rows_by_kind": {}, "malformed": {HOSTILE: 3}, "left_out": {HOSTILE: 2},
        "near_duplicates": None, "contaminated_rows": {"shared_13": 0, "shared_8": 0},
        "contamination": [
            {"set": HOSTILE, "items": 3, "equal_question": 0, "covered_8": 0, "shared_13": 0, "shared_8": 0}
        ],
        "prompt_tokens": 1, "completion_tokens": 1, "dollars": 0.0, "flops": 1.0, "seconds": 1.0, "requests": 1,
        "attempts": 1, "lost_attempts": {HOSTILE: 1}, "lost_at_most_dollars": 0.1, "answers_with_estimated_tokens": 0,
    }  # fmt: skip
    plain = json.loads(json.dumps(facts).replace(json.dumps(HOSTILE)[1:-1], "plain"))
    card = generation_card(facts, path=HOSTILE)
    assert_is_text(card, generation_card(plain, path="plain").replace("# plain:", f"# {escaped(HOSTILE)}:"))
    assert "secret" not in card


def test_bars_and_plain_text_tables_show_brackets():
    bars = Bars()
    bars.console = Console(file=io.StringIO(), width=2000, markup=False, emoji=False)
    with bars.stage("a", "b") as progress:
        progress.update(1, 2, HOSTILE)
    said = bars.console.file.getvalue()
    assert said.replace("\n", "").isprintable() and "[/red]" in said and ":x:" in said
    row = {
        "name": "s", "licence": HOSTILE, "read": 1, "removed_overlaps": 0, "dropped": 0, "truncated": 0, "examples": 1,
        "validation": 0, "target": 0, "mean_tokens": 1.0, "share": 1.0, "dropped_by_reason": {},
    }  # fmt: skip
    lines = pool_lines({"sources": [row], "removed_overlaps_total": 0, "examples": 1, "tokens": 1})
    assert all(line.isprintable() for line in lines) and any("[/red]" in line for line in lines)
