"""The teacher that needs no model: the built-in families of problems, in the form that prompts ask for.

It writes new problems whatever question it is shown. Its answers depend on the request's id and the seed alone, so
that a request for a program finds the question that it wrote itself.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from random import Random

from winnow.generation.families import ALL_FAMILIES, EASY_FAMILIES
from winnow.generation.family import Family, Problem, draw_problem
from winnow.generation.parsing import RESULT
from winnow.generation.problems import find_family
from winnow.generation.prompts import END, PROGRAM
from winnow.generation.teachers.interface import Answer, Request, Tell
from winnow.generation.words import NAMES, PLACES, THINGS
from winnow.recipe import BuiltInTeacherRecipe

IRRELEVANT = (
    "The {place} next door opened {number} years ago.",
    "{name}, who is {number} years old, is not at home today.",
    "It is {number} miles to the {place}.",
    "{name} saw {number} {thing} on the way and left them there.",
    "The {thing} in the window cost {number} dollars and nobody bought them.",
)
"""Facts that change no answer: other people, other places, nothing given or taken."""


class BuiltInTeacher:
    """Problems of the built-in families; costs nothing but time."""

    def __init__(self, recipe: BuiltInTeacherRecipe, *, seed: int) -> None:
        """Raises RecipeError for an unknown family."""
        named = {"all": ALL_FAMILIES, "easy": EASY_FAMILIES}
        names = named[recipe.families] if isinstance(recipe.families, str) else recipe.families
        self.families: list[Family] = [find_family(name) for name in names]
        self.largest_number, self.seed = recipe.largest_number, seed

    def ask(self, requests: Sequence[Request], tell: Tell) -> None:
        """Answer each request in turn."""
        for request in requests:
            text = self._write(request)
            tell(Answer(request.key, text, finish_reason="stop"))

    def _write(self, request: Request) -> str:
        if request.kind == "program":
            parent, place = request.id.split("/")[:2]
            # What is told of the parent's problems beside their question is the same whichever kind it was.
            return f"{self._problems(parent, int(place) + 1, is_irrelevant=False)[int(place)].program}\n{END}\n"
        problems = self._problems(request.id, request.count, is_irrelevant=request.kind == "irrelevant")
        if request.kind == "one_step":
            return "".join(f"{each.question}\n{PROGRAM}\n{each.program}\n{END}\n" for each in problems)
        return "".join(f"{each.question}\n{END}\n" for each in problems)

    def _problems(self, request_id: str, count: int, *, is_irrelevant: bool) -> list[Problem]:
        problems = []
        for place in range(count):
            random = Random(f"{self.seed}:{request_id}:{place}")
            problem = draw_problem(random.choice(self.families), random, largest_number=self.largest_number)
            program = re.sub(r"\banswer\b", RESULT, problem.program)
            question = f"{draw_fact(problem.question, random)} {problem.question}" if is_irrelevant else ""
            problems.append(replace(problem, program=program, question=question or problem.question))
        return problems


def draw_fact(question: str, random: Random) -> str:
    """A sentence with a number that has nothing to do with this question: it shares no word with it that counts."""
    unused = {key: [word for word in words if word not in question] for key, words in WORDS.items()}
    drawn: dict[str, object] = {key: random.choice(words) for key, words in unused.items()}
    return random.choice(IRRELEVANT).format(**drawn, number=random.randint(2, 40))


WORDS = {"name": NAMES, "place": PLACES, "thing": THINGS}
