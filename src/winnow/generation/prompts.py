"""What a teacher is asked: the four kinds of prompts of TinyGSM (Liu et al. 2023, section 2), in our own words.

| kind | asks for | answer |
|---|---|---|
| `one_step` (TP1) | problems like the one shown, each with a program | question, marker, program, marker; repeated |
| `reworded` (TP2) | variants of the question | question, marker; repeated |
| `irrelevant` (TP3) | variants that hold facts which do not matter | the same |
| `program` (TP4) | a program for the question | program, marker |

A teacher is asked with the same words on the same question; variety comes from its temperature alone. Whoever changes
these words raises the version of the kind `generate` in `walk.py`; answers to the old ones are then not looked at.
"""

from typing import Literal

Kind = Literal["one_step", "reworded", "irrelevant", "program"]
KINDS: tuple[Kind, ...] = ("one_step", "reworded", "irrelevant", "program")

PROGRAM, END = "[[program]]", "[[end]]"
"""Markers: after a question that a program follows, and after each problem, question or program."""

_PROGRAM_RULES = """\
The program is plain Python, several lines long and complete: nothing is left to fill in. It gives every quantity of
the story a name of its own, goes step by step, and ends with an assignment of the final number to `result`. Write no
arithmetic in comments. It reads no input and uses no files."""

PROMPTS: dict[Kind, str] = {
    "one_step": f"""\
Here is a word problem of grade-school mathematics:

{{question}}

Write {{count}} similar problems. Word each one differently from the others and from the one above. Each takes several
steps to solve and is told in at least four sentences. After each problem write its solution as a program.

{_PROGRAM_RULES}

Write each problem in exactly this form, one after the other, without numbering and with no other text:
the problem
{PROGRAM}
the program
{END}
""",
    "reworded": f"""\
Here is a word problem of grade-school mathematics:

{{question}}

Write {{count}} variants of it. Put each in other words; the scene and the quantities may change. No variant is easier
than the original: let each take more steps. Each can be understood on its own and has one answer, which is a number.
Give no hints and no solutions.

Write {END} on a line of its own after each variant. Write no numbering and no other text.
""",
    "irrelevant": f"""\
Here is a word problem of grade-school mathematics:

{{question}}

Write {{count}} variants of it that also hold facts and numbers which the answer does not depend on. Use new names and
a new scene in each. Each can be understood on its own and has one answer, which is a number. Do not say which facts
matter. Give no hints and no solutions.

Write {END} on a line of its own after each variant. Write no numbering and no other text.
""",
    "program": f"""\
Here is a word problem of grade-school mathematics:

{{question}}

Write its solution as a program. {_PROGRAM_RULES} Comments are few and hold no numbers. Where an equation has to be
solved use sympy, and where a number has to be rounded up use math.ceil. The last two lines are the assignment to
`result` and print("<<", result, ">>").

Write the program, then {END} on a line of its own, and no other text.
""",
}


def write_prompt(kind: Kind, question: str, count: int) -> str:
    """The prompt of this kind on a question; `count` problems are asked for, where more than one is."""
    return PROMPTS[kind].replace("{count}", str(count)).replace("{question}", question.strip())
