"""Loss and greedy exact match of a model on sets of examples, and what the scoring cost."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers.cache_utils import DynamicCache

from winnow.evaluation.measures.exact_match import is_right
from winnow.evaluation.measures.strict_exact_match import is_declared
from winnow.evaluation.sets import EvaluationSet
from winnow.models.batch_sizes import cuts, tokens_at_once
from winnow.models.flops import FlopModel
from winnow.models.forward import Losses
from winnow.models.generate import generate_greedy, keep_prompts
from winnow.models.rows import TokenRows, pad
from winnow.records import Cost
from winnow.text.answers import answer_of_turn, extract_answer


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
    is_shared: NDArray[np.bool_]
    """Items whose prompt was read once for both loss and answer, or for the loss alone."""
    left_out: NDArray[np.bool_] | None = None
    """Items of which no exact match is asked, such as open answers; null where there are none."""
    unanswered: NDArray[np.bool_] | None = None
    """Items for which nothing was generated; null where there are none."""

    @property
    def is_asked(self) -> NDArray[np.bool_]:
        """Items of which exact match is asked."""
        return self._without(self.left_out)

    @property
    def is_answered(self) -> NDArray[np.bool_]:
        """Items that the model was asked to answer."""
        return self._without(self.unanswered)

    def _without(self, flags: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
        return np.ones(len(self.correct), dtype=bool) if flags is None else ~flags

    @property
    def strict_exact_match(self) -> float | None:
        """Share of items whose right answer is declared to be one, instead of being the last number or letter."""
        return self._share(self.correct & self.is_declared)

    @property
    def loss(self) -> float:
        """Nats per target token over the whole set."""
        return float(self.losses.sum() / max(1, self.target_tokens.sum()))

    @property
    def exact_match(self) -> float | None:
        """Share of items whose final answer is right; None where all answers are open."""
        return self._share(self.correct)

    def _share(self, hits: NDArray[np.bool_]) -> float | None:
        if not len(hits):
            return 0.0
        return float(hits[self.is_asked].mean()) if self.is_asked.any() else None


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


class RowReader:
    """Losses of rows, from passes that leave the prompts with which they begin ready for an answer."""

    def __init__(self, model: Any, rows: TokenRows, prompts: Sequence[Sequence[int]]) -> None:
        self.losses, self.rows = Losses(model), rows
        self.starts = np.array([len(prompt) for prompt in prompts], dtype=np.int64)
        self.sums, self.counts = np.zeros(len(prompts)), np.zeros(len(prompts), dtype=np.int64)
        self.is_read = np.zeros(len(prompts), dtype=bool)

    def __call__(self, chosen: Sequence[int], cache: DynamicCache) -> Tensor | None:
        """What follows the prompts, as `generate.Reader` has it; None where a row lacks part of its prompt."""
        members = np.array(chosen)
        lengths, device = self.rows.lengths[members], self.losses.device
        if (lengths < self.starts[members]).any():
            return None
        following = torch.zeros(len(members), dtype=torch.long, device=device)
        order = np.lexsort((members, lengths))
        for cut in cuts(lengths[order].tolist(), tokens_at_once(device)):
            places = torch.from_numpy(order[cut]).to(device)
            following[places] = self._read(members[order[cut]], places, cache, width=int(self.starts[members].max()))
        return following

    def _read(self, members: NDArray[np.int64], places: Tensor, cache: DynamicCache, *, width: int) -> Tensor:
        starts = torch.from_numpy(self.starts[members]).to(places.device)
        read = DynamicCache(config=self.losses.model.config)
        sums, counts, following = self.losses.of_rows_and_next(pad(self.rows, members).to(places.device), starts, read)
        self.sums[members], self.counts[members] = sums.cpu().numpy(), counts.cpu().numpy()
        self.is_read[members] = True
        keep_prompts(cache, read, rows=places, lengths=starts, width=width)
        return following

    def read_others(self) -> None:
        """Losses of the rows that were not read on the way."""
        left = np.flatnonzero(~self.is_read)
        self.sums[left], self.counts[left] = row_losses(self.losses, self.rows.take(left))


def score_set(
    model: Any,
    items: EvaluationSet,
    tokenizer: Any,
    *,
    eos_id: int,
    max_new_tokens: int,
    batch_size: int,
    answered: Sequence[int] | None = None,
    exact_match: bool = True,
) -> ItemScores:
    """Loss of the reference completions, and greedy answers compared with the reference ones.

    The model answers the items at the places `answered`; where null those with final answers. An exact match is asked
    of items with final answers alone, and of none without `exact_match`.
    """
    places, whole = items.final if answered is None else answered, len(items.answers)
    asked = _score_answered(
        model, items if len(places) == whole else items.take(places), tokenizer, eos_id=eos_id,
        max_new_tokens=max_new_tokens, batch_size=batch_size,
    )  # fmt: skip
    if len(places) < whole:
        is_left = np.ones(whole, dtype=bool)
        is_left[list(places)] = False
        sums, counts = row_losses(Losses(model), items.rows.take(np.flatnonzero(is_left)))
        asked = _with_unanswered(asked, is_left, sums, counts)
    left_out = np.array(items.is_open or [False] * whole, dtype=bool) if exact_match else np.ones(whole, dtype=bool)
    return replace(asked, left_out=left_out if left_out.any() else None)


def _with_unanswered(
    asked: ItemScores, is_left: NDArray[np.bool_], sums: NDArray[np.float64], counts: NDArray[np.int64]
) -> ItemScores:
    """The scores of all items, from those with answers and the losses of the others."""
    places, flags = np.flatnonzero(~is_left), np.zeros((3, len(is_left)), dtype=bool)
    flags[2] = True
    flags[:, places] = asked.correct, asked.is_declared, asked.is_shared
    losses, tokens = np.zeros(len(is_left)), np.zeros(len(is_left), dtype=np.int64)
    losses[places], losses[is_left] = asked.losses, sums
    tokens[places], tokens[is_left] = asked.target_tokens, counts
    outputs, extracted = [""] * len(is_left), list[str | None]([None] * len(is_left))
    for place, output, found in zip(places.tolist(), asked.outputs, asked.extracted, strict=True):
        outputs[place], extracted[place] = output, found
    return ItemScores(
        losses, tokens, outputs, extracted, flags[0], flags[1], asked.generated_tokens, flags[2], unanswered=is_left
    )


def _score_answered(
    model: Any, items: EvaluationSet, tokenizer: Any, *, eos_id: int, max_new_tokens: int, batch_size: int
) -> ItemScores:
    """The scores of items that the model answers."""
    if not items.prompts:  # the model may have no room for an answer
        none = np.zeros(0, dtype=bool)
        return ItemScores(np.zeros(0), np.zeros(0, dtype=np.int64), [], [], none, none, 0, none)
    stop_id = eos_id if items.stop_id is None else items.stop_id
    reader = RowReader(model, items.rows, items.prompts)
    generated = generate_greedy(
        model, items.prompts, max_new_tokens=max_new_tokens, eos_id=stop_id, batch_size=batch_size, reader=reader
    )
    reader.read_others()
    outputs = tokenizer.batch_decode(generated.completions, skip_special_tokens=True)
    found = [answer_in(output, options, items) for output, options in zip(outputs, items.num_options, strict=True)]
    right = [is_right(answer, target) for answer, target in zip(found, items.answers, strict=True)]
    declared = [is_declared(output) for output in outputs]
    return ItemScores(
        reader.sums, reader.counts, outputs, found, np.array(right, dtype=bool), np.array(declared, dtype=bool),
        generated.tokens, reader.is_read,
    )  # fmt: skip


def answer_in(output: str, options: int, items: EvaluationSet) -> str | None:
    """The answer in an output; in a conversation, where nothing is declared to be one, the whole of it."""
    return extract_answer(output, options=options) if items.stop_id is None else answer_of_turn(output)


Average = dict[str, float | None]


def averages(scores: Sequence[ItemScores]) -> tuple[Average, Average]:
    """Micro (over all items and tokens) and macro (over sets) averages of loss and exact match.

    Exact match is over the items with final answers, and over the sets that have such; None where there are none.
    """
    tokens = sum(int(s.target_tokens.sum()) for s in scores)
    asked = sum(int(s.is_asked.sum()) for s in scores)
    items = sum(len(s.correct) for s in scores)
    right = float(sum((s.correct & s.is_asked).sum() for s in scores) / max(1, asked))
    matches = [s.exact_match for s in scores if s.exact_match is not None]
    micro: Average = {
        "loss": float(sum(s.losses.sum() for s in scores) / max(1, tokens)),
        "exact_match": None if items and not asked else right,
    }
    macro: Average = {
        "loss": float(np.mean([s.loss for s in scores])),
        "exact_match": float(np.mean(matches)) if matches else None,
    }
    return micro, macro


def scoring_cost(flops: FlopModel, sets: Sequence[EvaluationSet], scores: Sequence[ItemScores], started: float) -> Cost:
    """What scoring used since `started`: one pass over the rows, and over what it does not share with them."""
    forward = tokens = 0.0
    for items, scored in zip(sets, scores, strict=True):
        prompts = np.array([len(prompt) for prompt in items.prompts])
        written = prompts + scored.is_answered * scored.generated_tokens / max(1, scored.is_answered.sum())
        once = np.where(scored.is_shared, prompts, 0)
        alone = flops.forward(written.astype(np.int64)) - flops.forward(once)
        forward += float(flops.forward(items.rows.lengths).sum() + alone.sum())
        tokens += int(items.rows.lengths.sum() + (prompts - once).sum()) + scored.generated_tokens
    return Cost(flops=forward, tokens=int(tokens), seconds=time.perf_counter() - started)
