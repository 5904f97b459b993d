"""What of a teacher's problems is kept, and the count of what is not, by reason.

Left out are texts that are no problem (too short, no numbers), programs that do not run or give no number, and repeats
of the same question with the same program. Nothing is left out for being wrong: that nobody knows. With `majority_of`
a problem stays only where more than half of its programs agree, which is known to leave the easy ones (Liu et al.
2023, section 2).
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from winnow.generation.parsing import Parsed
from winnow.generation.programs import Ran, as_function, majority_answer, run_programs, worked_steps
from winnow.generation.prompts import Kind
from winnow.generation.teachers.interface import Request
from winnow.recipe import SyntheticRecipe
from winnow.text.questions import NUMBERS

SENTENCE_END = re.compile(r"(?<![.?!])[.?!]++(?=[\"')\]]*+(?:\s|$))")
HALF = re.compile("[\ud800-\udfff]")
"""Half of a pair of UTF-16 characters: legal in JSON, and no text."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A problem with a usable question."""

    id: str
    """Request and place, such as 12/3."""
    kind: Kind
    """Of the prompt that its question comes from."""
    seed_id: str
    question: str
    program: str
    """Empty until one is written."""
    others: tuple[str, ...] = ()
    """More programs for the same question."""

    def with_programs(self, programs: Sequence[str]) -> "Candidate":
        """With these programs after the one that it has."""
        first, *others = [self.program, *programs] if self.program else programs
        return replace(self, program=first, others=tuple(others))


@dataclass(frozen=True, slots=True)
class Row:
    """A problem that is kept."""

    candidate: Candidate
    answer: str
    """The program's number."""
    rationale: str
    """What is trained on."""


@dataclass
class Harvest:
    """Rows so far, with the counts of everything that came."""

    recipe: SyntheticRecipe
    rows: list[Row] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    """Kind of prompt -> problems or programs asked for."""
    returned: Counter[str] = field(default_factory=Counter)
    """Kind of prompt -> well-formed ones that came back."""
    malformed: Counter[str] = field(default_factory=Counter)
    """Reason -> pieces of answers."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Reason -> well-formed problems."""
    outcomes: Counter[str] = field(default_factory=Counter)
    """Outcome -> programs run."""
    _seen: set[tuple[str, str]] = field(default_factory=set)

    @property
    def lacking(self) -> int:
        """Problems that are still to come."""
        return max(0, self.recipe.examples - len(self.rows))

    def count_parsed(self, request: Request, parsed: Parsed) -> None:
        """Enter what an answer held."""
        self.asked[request.kind] += request.count
        self.returned[request.kind] += len(parsed.problems)
        self.malformed.update(parsed.malformed)

    def is_of_use(self, question: str) -> bool:
        """Whether the question passes the filters; counted where it does not."""
        fault = fault_of_text(question, self.recipe)
        if fault:
            self.left_out[fault] += 1
        return fault is None

    def take(self, candidates: Sequence[Candidate]) -> None:
        """Keep of these candidates what passes, in their order, up to the number wanted."""
        fresh = self._new(candidates)
        ran = self._run([program for each in fresh for program in (each.program, *each.others)])
        at = 0
        for candidate in fresh:
            results = ran[at : at + 1 + len(candidate.others)]
            at += len(results)
            row = self._row(candidate, results)
            if isinstance(row, str):
                self.left_out[row] += 1
            elif self.lacking:
                self.rows.append(row)
            else:
                self.left_out["more than were wanted"] += 1

    def _new(self, candidates: Sequence[Candidate]) -> list[Candidate]:
        """Without repeats of a question with its program; several programs for one question stay."""
        fresh = []
        for candidate in candidates:
            key = (candidate.question.casefold(), candidate.program)
            if key in self._seen:
                self.left_out["repeat of a question with its program"] += 1
                continue
            self._seen.add(key)
            fresh.append(candidate)
        return fresh

    def _run(self, programs: list[str]) -> list[Ran]:
        ran = run_programs(programs, self.recipe.run_programs)
        self.outcomes.update(each.outcome for each in ran)
        return ran

    def _row(self, candidate: Candidate, results: Sequence[Ran]) -> Row | str:
        """The row of a candidate, or the reason why there is none."""
        answer = results[0].answer
        program = candidate.program
        if self.recipe.majority_of is not None:
            most = majority_answer([each.answer for each in results if each.outcome == "ok"], self.recipe.majority_of)
            if most is None:
                return "no majority among its programs"
            programs = (program, *candidate.others)
            answer, program = next(
                (most, text) for text, ran in zip(programs, results, strict=True) if ran.answer == most
            )
            candidate = replace(candidate, program=program)
        elif results[0].outcome != "ok":
            return f"program: {results[0].outcome.replace('_', ' ')}"
        rationale = written_as(self.recipe, candidate.question, program)
        return "no plain steps to write out" if rationale is None else Row(candidate, answer, rationale)


def written_as(recipe: SyntheticRecipe, question: str, program: str) -> str | None:
    """The form that is trained on; None where the program does not have it."""
    if recipe.written_as == "worked":
        return worked_steps(program)
    return as_function(question, program) if recipe.written_as == "function" else program


def fault_of_text(question: str, recipe: SyntheticRecipe) -> str | None:
    """Why a question is left out; None where it is not."""
    if HALF.search(question):
        return "half a character"
    if len(question) < recipe.min_characters:
        return f"shorter than {recipe.min_characters} characters"
    if num_sentences(question) < recipe.min_sentences:
        return f"fewer than {recipe.min_sentences} sentences"
    if recipe.require_numbers and not NUMBERS.search(question.casefold()):
        return "no numbers"
    return None


def num_sentences(text: str) -> int:
    """Sentences of a text; words after the last stop count as one."""
    ends = list(SENTENCE_END.finditer(text))
    rest = text[ends[-1].end() :] if ends else text
    return len(ends) + bool(rest.strip(" \"')]"))
