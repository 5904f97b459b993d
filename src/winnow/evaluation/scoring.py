"""Loss and greedy exact match of a model on sets of examples, and what the scoring cost."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from winnow.evaluation.sets import EvaluationSet
from winnow.models.batch_sizes import cuts, tokens_at_once
from winnow.models.flops import FlopModel
from winnow.models.forward import Losses
from winnow.models.generate import generate_greedy
from winnow.models.rows import TokenRows, pad
from winnow.records import Cost
from winnow.text.answers import answer_of_turn, extract_answer, extract_declared_answer, normalise_answer


@dataclass(frozen=True)
class ItemScores:
    """Every item of one set, scored."""

    losses: NDArray[np.float64]
    """Sum over the target tokens of each item, in nats."""
    target_tokens: NDArray[np.int64]
    outputs: list[str]
    extracted: list[str | None]
    correct: NDArray[np.bool_]
    is_declared: NDArray[np.bool_]
    r"""Items whose answer stands after `####` or in `\boxed{}`."""
    generated_tokens: int

    @property
    def strict_exact_match(self) -> float:
        """Share of items whose right answer is declared to be one, instead of being the last number or letter."""
        return float((self.correct & self.is_declared).mean()) if len(self.correct) else 0.0

    @property
    def loss(self) -> float:
        """Nats per target token over the whole set."""
        return float(self.losses.sum() / max(1, self.target_tokens.sum()))

    @property
    def exact_match(self) -> float:
        """Share of items whose final answer is right."""
        return float(self.correct.mean()) if len(self.correct) else 0.0


@torch.no_grad()
def row_losses(losses: Losses, rows: TokenRows) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Sum of the losses and number of target tokens of every row."""
    sums, counts = np.zeros(len(rows.names)), np.zeros(len(rows.names), dtype=np.int64)
    order = np.lexsort((np.arange(len(rows.names)), rows.lengths))
    for cut in cuts(rows.lengths[order].tolist(), tokens_at_once(losses.device)):
        members = order[cut]
        batch = pad(rows, members).to(losses.device)
        batch_sums, batch_counts = losses.of_rows(batch)
        sums[members], counts[members] = batch_sums.cpu().numpy(), batch_counts.cpu().numpy()
    return sums, counts


def score_set(
    model: Any, items: EvaluationSet, tokenizer: Any, *, eos_id: int, max_new_tokens: int, batch_size: int
) -> ItemScores:
    """Loss of the reference completions, and greedy answers compared with the reference ones."""
    sums, counts = row_losses(Losses(model), items.rows)
    stop_id = eos_id if items.stop_id is None else items.stop_id
    generated = generate_greedy(
        model, items.prompts, max_new_tokens=max_new_tokens, eos_id=stop_id, batch_size=batch_size
    )
    outputs = tokenizer.batch_decode(generated.completions, skip_special_tokens=True)
    found = [_found(output, options, items) for output, options in zip(outputs, items.num_options, strict=True)]
    is_right = [answer == normalise_answer(right) for answer, right in zip(found, items.answers, strict=True)]
    declared = [extract_declared_answer(output, options=0) is not None for output in outputs]
    return ItemScores(
        sums, counts, outputs, found, np.array(is_right, dtype=bool), np.array(declared, dtype=bool), generated.tokens
    )


def _found(output: str, options: int, items: EvaluationSet) -> str | None:
    """The answer in an output; in a conversation, where nothing is declared to be one, the whole of it."""
    return extract_answer(output, options=options) if items.stop_id is None else answer_of_turn(output)


def averages(scores: Sequence[ItemScores]) -> tuple[dict[str, float], dict[str, float]]:
    """Micro (over all items and tokens) and macro (over sets) averages of loss and exact match."""
    tokens = sum(int(s.target_tokens.sum()) for s in scores)
    items = sum(len(s.correct) for s in scores)
    micro = {
        "loss": float(sum(s.losses.sum() for s in scores) / max(1, tokens)),
        "exact_match": float(sum(s.correct.sum() for s in scores) / max(1, items)),
    }
    macro = {
        "loss": float(np.mean([s.loss for s in scores])),
        "exact_match": float(np.mean([s.exact_match for s in scores])),
    }
    return micro, macro


def scoring_cost(flops: FlopModel, sets: Sequence[EvaluationSet], scores: Sequence[ItemScores], started: float) -> Cost:
    """What scoring used since `started`: one pass over the rows, and over prompts and answers while generating."""
    forward = tokens = 0.0
    for items, scored in zip(sets, scores, strict=True):
        prompts = np.array([len(prompt) for prompt in items.prompts])
        written = prompts + scored.generated_tokens / max(1, len(prompts))
        forward += float(flops.forward(items.rows.lengths).sum() + flops.forward(written.astype(np.int64)).sum())
        tokens += int(items.rows.lengths.sum() + prompts.sum()) + scored.generated_tokens
    return Cost(flops=forward, tokens=int(tokens), seconds=time.perf_counter() - started)
