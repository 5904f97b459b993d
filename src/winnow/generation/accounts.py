"""What a teacher was asked, what came back, and what it cost: for the stage's record and the card."""

import gzip
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from winnow.generation.answers import json_line
from winnow.generation.harvest import Harvest
from winnow.generation.teachers.interface import Answer, Lost, Request
from winnow.recipe import EndpointTeacherRecipe, SyntheticRecipe
from winnow.records import Cost


@dataclass
class Used:
    """The requests that the rows rest on, with their answers."""

    pairs: list[tuple[Request, Answer]] = field(default_factory=list)
    lost: list[Lost] = field(default_factory=list)
    """Attempts at these requests that came to nothing and may have been charged."""

    def add(self, requests: Sequence[Request], answers: Sequence[Answer]) -> None:
        """Enter requests that were answered."""
        self.pairs += zip(requests, answers, strict=True)

    def find_lost(self, lost: Iterable[Lost]) -> None:
        """Enter those of the lost attempts that were made at these requests."""
        keys = {answer.key for _, answer in self.pairs}
        self.lost = [each for each in lost if each.key in keys]

    def cost(self, already: set[str], recipe: SyntheticRecipe, seconds: float) -> Cost:
        """What all of it cost, whenever it was paid; answers of earlier attempts took their seconds then."""
        answers = [answer for _, answer in self.pairs]
        side_by_side = recipe.teacher.concurrency if isinstance(recipe.teacher, EndpointTeacherRecipe) else 1
        before = sum(answer.seconds for answer in answers if answer.key in already) / side_by_side
        flops, tokens = sum(each.flops for each in answers), sum(map(tokens_of, answers))
        dollars = sum(each.dollars for each in answers)
        return Cost(flops=flops, executed_flops=flops, tokens=tokens, seconds=seconds + before, dollars=dollars)


def tokens_of(answer: Answer) -> int:
    """What a teacher read and wrote for an answer."""
    return answer.prompt_tokens + answer.completion_tokens


def write_answers(path: Path, used: Used) -> None:
    """Every answer with its request, one JSON object a line."""
    with gzip.GzipFile(path, "wb", mtime=0) as file:
        for request, answer in used.pairs:
            file.write((json_line(asdict(request) | asdict(answer)) + "\n").encode())


def counts(harvest: Harvest, used: Used) -> dict[str, Any]:
    """What was asked, what came back, what was left out and why, and what it took."""
    answers = [answer for _, answer in used.pairs]
    kinds = Counter(row.candidate.kind for row in harvest.rows)
    return {
        "rows": len(harvest.rows),
        "questions": len({row.candidate.question.casefold() for row in harvest.rows}),
        "rows_by_kind": dict(kinds),
        "requests_by_kind": dict(Counter(request.kind for request, _ in used.pairs)),
        "asked": dict(harvest.asked),
        "returned": dict(harvest.returned),
        "malformed": dict(harvest.malformed.most_common()),
        "left_out": dict(harvest.left_out.most_common()),
        "outcomes": dict(harvest.outcomes.most_common()),
        "requests": len(answers),
        "finish_reasons": dict(Counter(answer.finish_reason for answer in answers)),
        "attempts": sum(answer.attempts for answer in answers),
        "prompt_tokens": sum(answer.prompt_tokens for answer in answers),
        "completion_tokens": sum(answer.completion_tokens for answer in answers),
        "answers_with_estimated_tokens": sum(answer.is_estimated for answer in answers),
        "dollars": sum(answer.dollars for answer in answers),
        "flops": sum(answer.flops for answer in answers),
        "lost_attempts": dict(Counter(each.reason.partition(":")[0] for each in used.lost)),
        "lost_at_most_dollars": sum(each.max_dollars for each in used.lost),
    }
