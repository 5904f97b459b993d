"""From a teacher's answer to problems, by markers; what does not fit is counted by reason, never guessed at.

parsed = parse_problems("Ann has 3 eggs ...\n[[program]]\neggs = 3\nresult = eggs\n[[end]]")
parsed.problems      # [("Ann has 3 eggs ...", "eggs = 3\nresult = eggs")]
parsed.malformed     # Counter(): reason -> how many
"""

import ast
import re
from collections import Counter
from dataclasses import dataclass, field

from winnow.generation.prompts import END, PROGRAM

RESULT = "result"
"""The variable that a program leaves its number in."""

MARKED = re.compile(rf"(?:{re.escape(END)}\s*)+")
LABEL = re.compile(
    r"[*#_]*+\s*+(?:(?:problem|question|variant)\b[\s*_]*+\d*+|\d{1,3}(?=\s*[.):]))\s*+[.):]++(?=[\s*_]|$)[\s*_]*+",
    re.IGNORECASE,
)
"""Numbering that teachers add although they were asked not to: `3.`, `Problem 3:`, `**Question:**`."""
FENCE = "```"
OPENING = re.compile(r"```[\w-]*[ \t]*\n")
MAX_CHARACTERS = 20_000
"""Longer pieces are no word problems."""


@dataclass
class Parsed:
    """What an answer holds."""

    problems: list[tuple[str, str]] = field(default_factory=list)
    """Question and program; one of them is empty where only the other was asked for."""
    malformed: Counter[str] = field(default_factory=Counter)
    """Reason -> pieces of the answer that are of no use."""


def parse_problems(text: str) -> Parsed:
    """Questions with programs, from the answer to a `one_step` prompt."""
    parsed = Parsed()
    for piece in _pieces(text, parsed):
        parts = piece.split(PROGRAM)
        if len(parts) != 2:
            parsed.malformed["no program marker" if len(parts) == 1 else "several program markers"] += 1
            continue
        question, program = clean_question(parts[0]), clean_program(parts[1])
        fault = fault_of_question(question) or fault_of_program(program)
        _enter(parsed, question, program, fault)
    return parsed


def parse_questions(text: str) -> Parsed:
    """Questions, from the answer to a `reworded` or `irrelevant` prompt."""
    parsed = Parsed()
    for piece in _pieces(text, parsed):
        question = clean_question(piece)
        _enter(parsed, question, "", fault_of_question(question))
    return parsed


def parse_program(text: str) -> Parsed:
    """One program, from the answer to a `program` prompt; what stands after its end marker is left out."""
    parsed = Parsed()
    before, marker, _ = text.partition(END)
    if not marker:
        parsed.malformed["cut off before its end marker" if text.strip() else "empty answer"] += 1
        return parsed
    program = clean_program(before)
    _enter(parsed, "", program, fault_of_program(program))
    return parsed


def _pieces(text: str, parsed: Parsed) -> list[str]:
    """What stands before each end marker; text after the last one was cut off."""
    *pieces, rest = MARKED.split(text.replace("\r\n", "\n"))
    if rest.strip():
        parsed.malformed["cut off before its end marker"] += 1
    elif not pieces:
        parsed.malformed["empty answer"] += 1
    return pieces


def _enter(parsed: Parsed, question: str, program: str, fault: str | None) -> None:
    if fault:
        parsed.malformed[fault] += 1
    else:
        parsed.problems.append((question, program))


def clean_question(text: str) -> str:
    """The question in one paragraph, without numbering."""
    text, place = text.lstrip(), 0
    while label := LABEL.match(text, place):
        place = label.end()
    return " ".join(text[place:].split())


def clean_program(text: str) -> str:
    """The program without a code fence around it, and without the lines that print its result."""
    program = text.replace("\r\n", "\n").strip("\n")
    fenced, opening = program.strip(), OPENING.match(program.lstrip())
    if opening and fenced.endswith(FENCE) and len(fenced) >= opening.end() + len(FENCE):
        program = fenced[opening.end() : -len(FENCE)].rstrip()
    lines = program.strip("\n").expandtabs(4).splitlines()
    while lines and (not lines[-1].strip() or re.match(r"print\s*\(", lines[-1])):
        lines.pop()
    return "\n".join(line.rstrip() for line in lines)


def fault_of_question(question: str) -> str | None:
    """Why a text is no question; None where it may be one."""
    if not question:
        return "no question"
    if "```" in question or PROGRAM in question:
        return "a question that holds code"
    return "too long" if len(question) > MAX_CHARACTERS else None


def fault_of_program(program: str) -> str | None:
    """Why a text is no program that ends in a plain assignment to `result`; None where it is one."""
    if not program:
        return "no program"
    if len(program) > MAX_CHARACTERS:
        return "too long"
    try:
        last = ast.parse(program).body[-1:]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return "a program that is no Python"
    targets = [each for line in last if isinstance(line, ast.Assign) for each in line.targets]
    is_assigned = any(isinstance(each, ast.Name) and each.id == RESULT for each in targets)
    return None if is_assigned else "no assignment to result at the end"
