"""Log-likelihoods of answers, each token of what they share computed once.

    scorer = Scorer(model)
    results = scorer.score([[Request(ids, num_targets), ...], ...])      # the requests of one item in one list

Where a model does not take trees of tokens (attention by distance or in windows, recurrence), which is tried and not
assumed, every sequence is read on its own. How sequences come together follows from them and the kind of device alone.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from transformers.cache_utils import DynamicCache, DynamicLayer

from winnow.evaluation.benchmarks.lines import Line, Request, Run, build_line, runs_of
from winnow.models.batch_sizes import cuts, tokens_at_once
from winnow.models.flops import FlopModel
from winnow.models.forward import Losses
from winnow.models.generate import context_of, repeated
from winnow.records import Cost

LOGITS_AT_ONCE = 1 << 24
"""Logits that are in memory at a time."""
BUNDLE_TOKENS = 192
"""Longer trees would spend more on attention than they save on copies (measured, widths of 128 and 288)."""
TREE_TOLERANCE = 2e-5
"""How far a tree's log-likelihoods may be from those of its sequences alone, in nats."""


@dataclass(frozen=True)
class Likelihood:
    """What a model makes of one answer."""

    log_likelihood: float
    """Sum over its tokens, in nats."""
    is_greedy: bool
    """Whether each of its tokens is the most likely one."""


@dataclass(frozen=True, slots=True)
class Work:
    """What was read."""

    tokens: int = 0
    padded_tokens: int = 0
    pairs: int = 0
    """Tokens times the tokens that stand in the same line."""
    padded_pairs: int = 0
    heads: int = 0
    """Tokens at which the vocabulary's logits were needed."""

    def __add__(self, other: "Work") -> "Work":
        names = self.__slots__
        return Work(*(getattr(self, name) + getattr(other, name) for name in names))

    def cost(self, flops: FlopModel) -> Cost:
        """Its FLOPs: reference ones with a dense head and without padding, executed ones as done."""
        of = flops.forward
        return Cost(
            flops=(of.body + of.head) * self.tokens + of.attention * self.pairs,
            executed_flops=of.body * self.padded_tokens + of.attention * self.padded_pairs + of.head * self.heads,
            tokens=self.tokens,
            padded_tokens=self.padded_tokens,
        )

    def least_flops(self, flops: FlopModel) -> float:
        """FLOPs without padding, the head where something is scored."""
        of = flops.forward
        return of.body * self.tokens + of.attention * self.pairs + of.head * self.heads


class Scorer:
    """Log-likelihoods by one model, which is in evaluation mode."""

    def __init__(self, model: Any, *, tokens_in_a_batch: int | None = None) -> None:
        """`tokens_in_a_batch` is for tests: the last bits depend on it."""
        self.model = model
        self.losses = Losses(model)
        self.device = self.losses.device
        self.tokens_in_a_batch = tokens_in_a_batch or tokens_at_once(self.device) // 2  # less padding, same speed
        self.work = Work()
        """Of all calls so far."""
        self.takes_trees = self._is_plain_attention() and self._reads_a_tree()

    def score(self, items: Sequence[Sequence[Request]]) -> list[list[Likelihood]]:
        """The likelihood of each request's last tokens, item by item."""
        trees = [[tuple(range(len(item)))] if self.takes_trees else _equal_inputs(item) for item in items]
        members = [(number, part) for number, parts in enumerate(trees) for part in parts]
        asked = [[items[number][at] for at in part] for number, part in members]
        lines = [build_line(requests) for requests in asked]
        runs = runs_of(lines) if self.takes_trees else [Run(list(range(len(lines))), ())]
        found = [[Likelihood(0.0, True)] * len(item) for item in items]
        for run in runs:
            for at, scored in self._score_run(run, lines, asked):
                number, part = members[at]
                for place, likelihood in zip(part, scored, strict=True):
                    found[number][place] = likelihood
        return found

    def _score_run(
        self, run: Run, lines: Sequence[Line], asked: Sequence[Sequence[Request]]
    ) -> Iterator[tuple[int, list[Likelihood]]]:
        shared = len(run.shared)
        kept = self._read(run.shared) if shared else None
        self.work += Work(shared, shared, shared**2, shared**2)
        order = sorted(run.lines, key=lambda at: (len(lines[at]), at))
        bundles = _bundles(order, [len(lines[at]) - shared for at in order]) if shared else [[at] for at in order]
        trees = [lines[one] if not more else build_line([r for at in (one, *more) for r in asked[at]])
                 for one, *more in bundles]  # fmt: skip
        by_length = sorted(range(len(trees)), key=lambda at: len(trees[at]))
        for cut in cuts([len(trees[at]) - shared for at in by_length], self.tokens_in_a_batch):
            chosen = by_length[cut]
            self.work += _work([trees[at] for at in chosen], [[lines[at] for at in bundles[b]] for b in chosen], shared)
            for number, scored in zip(
                chosen, self._score_batch([trees[at] for at in chosen], kept, shared), strict=True
            ):
                left = iter(scored)
                yield from ((at, list(islice(left, len(asked[at])))) for at in bundles[number])

    @torch.no_grad()
    def _read(self, ids: Sequence[int]) -> DynamicCache:
        """The keys and values of a beginning that lines share."""
        cache = DynamicCache(config=self.model.config)
        self._backbone(input_ids=torch.tensor([ids], device=self.device), past_key_values=cache, use_cache=True)
        return cache

    @torch.no_grad()
    def _score_batch(self, lines: Sequence[Line], kept: DynamicCache | None, shared: int) -> list[list[Likelihood]]:
        states = self._states(lines, kept, shared)
        rows, places = _distinct([(at, reader - shared) for at, line in enumerate(lines) for reader in line.readers])
        targets = np.concatenate([line.targets for line in lines])
        states = states[rows[:, 0], rows[:, 1]]
        log_probabilities, is_greedy = self._of_targets(states, places, targets)
        ends = np.cumsum([len(line.readers) for line in lines])[:-1]
        parts = zip(lines, np.split(log_probabilities, ends), np.split(is_greedy, ends), strict=True)
        return [_likelihoods(line, values, greedy) for line, values, greedy in parts]

    def _states(self, lines: Sequence[Line], kept: DynamicCache | None, shared: int) -> Tensor:
        """[lines, tokens, width]: last hidden states of all that stands after the shared beginning.

        Logits, where head and backbone are not to be had apart.
        """
        width = max(map(len, lines)) - shared
        ids, depths = np.zeros((2, len(lines), width), dtype=np.int64)
        for at, line in enumerate(lines):
            size = len(line) - shared
            ids[at, :size], depths[at, :size] = line.ids[shared:], line.depths[shared:]
        given: dict[str, Any] = {"input_ids": torch.from_numpy(ids).to(self.device), "use_cache": kept is not None}
        if kept is not None:
            given["past_key_values"] = repeated(kept, config=self.model.config, rows=len(lines))
        if kept is not None or not all(line.is_path for line in lines):
            given["position_ids"] = torch.from_numpy(depths).to(self.device)
            given["attention_mask"] = self._mask(lines, shared, width)
        return self._backbone(**given)

    def _backbone(self, **given: Any) -> Tensor:
        if not self.losses.is_sparse:
            logits: Tensor = self.model(**given).logits
            return logits
        states: Tensor = self.losses.plain.base_model(**given).last_hidden_state
        return states

    def _mask(self, lines: Sequence[Line], shared: int, width: int) -> Tensor:
        """[lines, 1, width, shared + width]: what is added to attention scores."""
        sees = np.zeros((len(lines), width, shared + width), dtype=bool)
        sees[:, :, :shared] = True
        sees[:, np.arange(width), shared + np.arange(width)] = True  # padding sees itself, so that no row is empty
        for at, line in enumerate(lines):
            size = len(line) - shared
            sees[at, :size, shared : shared + size] = line.ancestors(shared)
        mask = torch.zeros(sees.shape, dtype=self.model.dtype)
        mask.masked_fill_(torch.from_numpy(~sees), torch.finfo(mask.dtype).min)
        return mask.unsqueeze(1).to(self.device)

    def _of_targets(
        self, states: Tensor, places: NDArray[np.int64], targets: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
        """Log-probability of each target at its place in `states`, and whether it is the most likely token."""
        head = self.losses.plain.get_output_embeddings() if self.losses.is_sparse else torch.nn.Identity()
        values, greedy = np.zeros(len(targets)), np.zeros(len(targets), dtype=bool)
        size = max(1, LOGITS_AT_ONCE // self.model.config.get_text_config().vocab_size)
        for start in range(0, len(states), size):
            logits = head(states[start : start + size])
            logits = logits if logits.dtype == torch.float64 else logits.float()
            mine = (places >= start) & (places < start + size)
            rows = torch.from_numpy(places[mine] - start).to(self.device)
            tokens = torch.from_numpy(targets[mine]).to(self.device)
            greedy[mine] = _is_most_likely(logits, rows, tokens).cpu().numpy()
            # As lm-eval does it: in float32 a sum of exponentials of its own differs by 3e-5 at 32,000 tokens.
            values[mine] = functional.log_softmax(logits, dim=-1)[rows, tokens].cpu().numpy()
        return values, greedy

    def _is_plain_attention(self) -> bool:
        """Whether every layer sees all that stands before."""
        try:
            layers = DynamicCache(config=self.model.config).layers
        except (AttributeError, TypeError, ValueError):
            return False
        return bool(layers) and all(type(layer) is DynamicLayer for layer in layers)

    def _reads_a_tree(self) -> bool:
        """Whether sequences laid out as a tree, and after a beginning of their own, score as they do one by one."""
        size = min(self.model.config.get_text_config().vocab_size, 64)
        ids = [(7 * at + 3) % size for at in range(min(12, context_of(self.model)))]
        requests = [Request((*ids, (at + 5) % size, (3 * at + 1) % size, at % size), 3) for at in (0, 1)]
        lines = [build_line([request]) for request in requests]
        alone = [self._score_batch([line], None, 0)[0][0].log_likelihood for line in lines]
        try:
            together = self._score_batch([build_line(requests)], None, 0)[0]
            begun = ids[: len(ids) // 2]
            after = self._score_batch([build_line(requests)], self._read(begun), len(begun))[0]
        except (AttributeError, TypeError, ValueError, RuntimeError):
            return False
        found = [[each.log_likelihood for each in scored] for scored in (together, after)]
        return np.allclose(found, alone, rtol=0, atol=TREE_TOLERANCE)


def _is_most_likely(logits: Tensor, rows: Tensor, tokens: Tensor) -> Tensor:
    """[targets]: whether each token has the largest logit of its row, and of equals the first."""
    found = logits[rows, tokens] == logits.amax(dim=-1)[rows]
    found[found.clone()] = logits[rows[found]].argmax(dim=-1) == tokens[found]
    return found


def _bundles(lines: Sequence[int], sizes: Sequence[int]) -> list[list[int]]:
    """Lines put together until they have `BUNDLE_TOKENS`: fewer copies of the beginning that they all see."""
    found: list[list[int]] = []
    room = 0
    for at, size in zip(lines, sizes, strict=True):
        if size > room:
            found.append([])
            room = BUNDLE_TOKENS
        found[-1].append(at)
        room -= size
    return found


def _work(trees: Sequence[Line], parts: Sequence[Sequence[Line]], shared: int) -> Work:
    """Reading these trees, made of these lines, in one rectangle, after a beginning that is kept."""
    sizes = [len(tree) - shared for tree in trees]
    padded = len(sizes) * max(sizes)
    return Work(
        tokens=sum(sizes),
        padded_tokens=padded,
        pairs=sum((len(line) - shared) * len(line) for lines in parts for line in lines),
        padded_pairs=padded * (max(sizes) + shared),
        heads=sum(len(np.unique(tree.readers)) for tree in trees),
    )


def _likelihoods(line: Line, values: NDArray[np.float64], greedy: NDArray[np.bool_]) -> list[Likelihood]:
    """Of each request of a line."""
    count = int(line.owners.max()) + 1
    sums = np.bincount(line.owners, weights=values, minlength=count)
    misses = np.bincount(line.owners[~greedy], minlength=count)
    return [Likelihood(float(value), missed == 0) for value, missed in zip(sums, misses, strict=True)]


def _distinct(pairs: Sequence[tuple[int, int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """[places, 2] without repeats, and where in it each pair stands."""
    rows, places = np.unique(np.array(pairs, dtype=np.int64), axis=0, return_inverse=True)
    return rows, places.reshape(-1)


def _equal_inputs(item: Sequence[Request]) -> list[tuple[int, ...]]:
    """Which requests of an item are read as one: those that differ in their last token alone."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for at, request in enumerate(item):
        groups.setdefault(request.ids[:-1], []).append(at)
    return [tuple(members) for members in groups.values()]
