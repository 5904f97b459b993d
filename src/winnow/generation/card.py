"""The card of a synthetic source: how it was made, what was left out and why, what it cost, what it may leak."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from winnow.credentials import masked
from winnow.generation.teachers.meter import MILLION
from winnow.text import markup
from winnow.text.markup import code, escaped, fenced, yaml_text

SIZES = ((1e3, "n<1K"), (1e4, "1K<n<10K"), (1e5, "10K<n<100K"), (1e6, "100K<n<1M"), (1e7, "1M<n<10M"))
KINDS = {
    "one_step": "in one step, question and program",
    "reworded": "as a variant, then a program",
    "irrelevant": "as a variant with irrelevant facts, then a program",
    "program": "a program for a question",
}


def tokens_per_pair(tokens: float, pairs: float) -> float:
    """What the teacher read and wrote for each pair that is kept."""
    return tokens / pairs


def dollars_per_million(dollars: float, tokens: float) -> float:
    """Mean price of a million tokens."""
    return dollars / tokens * MILLION if tokens else 0.0


def percent_words(part: float, whole: float) -> str:
    """Percent of a whole, to two significant digits: 0.0002 %."""
    digits = f"{100 * part / whole:.2g}"
    return f"{float(digits):.10f}".rstrip("0").rstrip(".") + " %"


def card(facts: Mapping[str, Any], *, path: str) -> str:
    """The card as Markdown with its front matter; `path` is where the rows stand."""
    settings = facts["settings"]
    teacher = settings["teacher"]
    lines = [
        markup.front_matter(metadata(facts)).rstrip(),
        f"# {escaped(facts['name'])}: {facts['rows']:,} synthetic word problems with programs",
        "",
        f"Written by {teacher_words(teacher)} at temperature {settings['temperature']:g}, from "
        f"{seed_words(facts['seeds'])}. {facts['questions']:,} different questions. "
        f"{ran_words(settings)} Answers were not checked in any other way: what the teacher got wrong is wrong here.",
        "",
        "A recipe reads it as",
        "",
        fenced(yaml_text([source(facts, path)]), "yaml").rstrip(),
        "",
        "## What came back",
        "",
        table(["prompt", "asked for", "well-formed", "rows"], kind_rows(facts)),
        "## What was left out",
        "",
        reasons_table(facts),
        *repeats(facts),
        "## Evaluation items in it",
        "",
        "Items of each evaluation set that stand in these questions, by four rules (equal question; more than half "
        "of its words in runs of eight; a run of thirteen words, and of eight, without numbers). The pool leaves out "
        "rows with an equal question in any case. "
        f"{row_words(facts, 'shared_13')} a run of thirteen words with an item, {row_words(facts, 'shared_8')} one of "
        "eight.",
        "",
        table(
            ["set", "items", "equal question", "covered", "13-gram", "8-gram"],
            [
                [each["set"], each["items"], *(each[rule] for rule in ("equal_question", "covered_8", "shared_13",
                                                                      "shared_8"))]
                for each in facts["contamination"]
            ],
        ),
        "## What it cost",
        "",
        *cost_lines(facts),
        "",
        "## Files",
        "",
        "`rows.parquet`: the problems. `answers.jsonl.gz`: every request and answer as it was. `generation.json`: all "
        "of these numbers.",
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def metadata(facts: Mapping[str, Any]) -> dict[str, Any]:
    """The card's front matter."""
    size = next((name for limit, name in SIZES if facts["rows"] < limit), "n>10M")
    return {
        "license": str(facts["licence"]).lower(), "tags": ["synthetic", "winnow"], "size_categories": [size],
        "configs": [{"config_name": "default", "data_files": "rows.parquet"}],
    }  # fmt: skip


def source(facts: Mapping[str, Any], path: str) -> dict[str, Any]:
    """What a recipe says to read it."""
    fields = {"question": "question", "rationale": "rationale", "answer": "answer"}
    return {
        "name": facts["name"], "licence": facts["licence"], "path": path, "format": "fields", "fields": fields,
    }  # fmt: skip


def teacher_words(teacher: Mapping[str, Any]) -> str:
    """Who wrote it."""
    if teacher["kind"] == "built_in":
        return "winnow's built-in problem generator"
    where = f" at {escaped(masked(teacher['url']))}" if teacher["kind"] == "endpoint" else ""
    return f"{code(teacher['model'])}{where}"


def seed_words(seeds: Mapping[str, str] | None) -> str:
    """What it started from."""
    return (
        f"questions of {escaped(seeds['name'])} ({escaped(seeds['licence'])})"
        if seeds
        else "questions of the built-in generator"
    )


def ran_words(settings: Mapping[str, Any]) -> str:
    """Where the answers come from."""
    is_run = settings["run_programs"] != "none"
    how = "Each program was run" if is_run else "Each program, of plain assignments, was worked out"
    most = settings["majority_of"]
    return f"{how}, and its number is the answer." + (
        f" Of {most} programs for each question more than half agree, which favours easy questions." if most else ""
    )


def row_words(facts: Mapping[str, Any], rule: str) -> str:
    """How many rows a rule finds."""
    found = facts["contaminated_rows"][rule]
    return f"{found:,} rows ({percent_words(found, facts['rows'])}) share"


def kind_rows(facts: Mapping[str, Any]) -> list[list[Any]]:
    """A row for each kind of prompt that was used."""
    return [
        [words, facts["asked"][kind], facts["returned"].get(kind, 0), facts["rows_by_kind"].get(kind, "")]
        for kind, words in KINDS.items()
        if kind in facts["asked"]
    ]


def reasons_table(facts: Mapping[str, Any]) -> str:
    """Reasons and counts, malformed pieces of answers first."""
    rows = [
        *(["malformed", reason, count] for reason, count in facts["malformed"].items()),
        *(["filtered", reason, count] for reason, count in facts["left_out"].items()),
    ]
    return table(["", "reason", "problems"], rows) if rows else "Nothing.\n"


def repeats(facts: Mapping[str, Any]) -> list[str]:
    """How many near-duplicates stay in it."""
    found = facts["near_duplicates"]
    if found is None:
        return []
    return [
        f"{found['same_numbers']:,} questions nearly equal an earlier one with the same numbers, and "
        f"{found['other_numbers']:,} more are one with other numbers. They are left in.",
        "",
    ]


def cost_lines(facts: Mapping[str, Any]) -> list[str]:
    """Requests, tokens, dollars, seconds; what could have been charged without an answer."""
    tokens, rows = facts["prompt_tokens"] + facts["completion_tokens"], facts["rows"]
    lines = [
        table(
            ["requests", "attempts", "tokens read", "tokens written", "tokens per problem", "dollars",
             "dollars per million tokens", "FLOPs", "seconds"],
            [[facts["requests"], facts["attempts"], facts["prompt_tokens"], facts["completion_tokens"],
              f"{tokens_per_pair(tokens, rows):.1f}", f"{facts['dollars']:.4f}",
              f"{dollars_per_million(facts['dollars'], tokens):.2f}", f"{facts['flops']:.4g}",
              f"{facts['seconds']:.1f}"]],
        ),
    ]  # fmt: skip
    if facts["lost_attempts"]:
        reasons = ", ".join(f"{count:,} x {escaped(reason)}" for reason, count in facts["lost_attempts"].items())
        lines.append(
            f"Attempts without an answer ({reasons}) can have cost up to {facts['lost_at_most_dollars']:.4f} dollars "
            "more."
        )
    if facts["answers_with_estimated_tokens"]:
        lines.append(
            f"The teacher did not tell the tokens of {facts['answers_with_estimated_tokens']:,} answers: they are "
            "estimated at four characters each."
        )
    return [*lines, "Seconds are wall time here, answers of earlier attempts counted at their own."]


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A table in Markdown."""
    return markup.table(
        heads, ([f"{value:,}" if isinstance(value, int) else str(value) for value in row] for row in rows)
    )
