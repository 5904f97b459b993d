"""Our model behind lm-eval's interface: its tasks, prompts and metrics, our scoring and generation.

    lm = Backend(model, tokenizer)
    lm_eval.evaluator.evaluate(lm, {"tasks": {"hellaswag": task}})
    lm.cost()                                  # FLOPs and tokens so far

Tokens are made as lm-eval's own `HFLM` makes them, so that both score the same sequences.
"""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from lm_eval.api.instance import Instance
from lm_eval.api.model import TemplateLM
from lm_eval.models.utils import handle_stop_sequences, normalize_gen_kwargs, postprocess_generated_text
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

from winnow.errors import DataError
from winnow.evaluation.benchmarks.likelihoods import Likelihood, Scorer
from winnow.evaluation.benchmarks.lines import Request, shared_beginning
from winnow.models.flops import flop_model
from winnow.models.generate import context_of, generate_greedy
from winnow.records import Cost
from winnow.text.tokenizers import eos_id

DEFAULT_NEW_TOKENS = 256
"""Where a task names no number, as in lm-eval."""
CACHE_BYTES_ON_CPU, CACHE_SHARE_OF_ACCELERATOR = 1 << 29, 0.25
"""What keys and values may take while answers are written."""
MAX_ROWS = 256


class Backend(TemplateLM):
    """A causal language model and its tokenizer, for lm-eval's tasks."""

    backend = "causal"

    def __init__(self, model: Any, tokenizer: Any, *, tokens_in_a_batch: int | None = None) -> None:
        super().__init__()
        self.model, self.tokenizer = model, tokenizer
        self.scorer = Scorer(model, tokens_in_a_batch=tokens_in_a_batch)
        self.flops = flop_model(model)
        self._encoded = lru_cache(maxsize=2)(self._encode)  # an item's context comes with each of its answers
        self.generating = Cost()
        """What writing answers used."""

    @property
    def eot_token_id(self) -> int:
        """The token that ends a text."""
        return eos_id(self.tokenizer)

    @property
    def prefix_token_id(self) -> int:
        """What stands before an empty context."""
        begin = self.tokenizer.bos_token_id
        return self.eot_token_id if begin is None else int(begin)

    @property
    def max_length(self) -> int:
        """Longest sequence that the model takes."""
        return context_of(self.model)

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **_: Any) -> list[int]:
        """The tokens of a text, with the tokenizer's own special ones unless told otherwise or there already."""
        if add_special_tokens is None and string.startswith(self.tokenizer.decode(self.prefix_token_id)):
            add_special_tokens = False
        return list(self._encoded(string, add_special_tokens))

    def _encode(self, text: str, add_special_tokens: bool | None) -> tuple[int, ...]:
        given = {} if add_special_tokens is None else {"add_special_tokens": add_special_tokens}
        return tuple(self.tokenizer.encode(text, **given))

    def loglikelihood(self, requests: Sequence[Instance], disable_tqdm: bool = False) -> list[tuple[float, bool]]:
        """Log-likelihood of each continuation, and whether it is the greedy one; an item's requests are read as one."""
        items: dict[tuple[Any, Any], list[int]] = {}
        for at, request in enumerate(requests):
            items.setdefault((request.task_name, request.doc_id), []).append(at)
        order = [at for members in items.values() for at in members]
        grouped = [[self._request(*requests[at].args) for at in members] for members in items.values()]
        found = [each for scored in self.scorer.score(grouped) for each in scored]
        return [_pair(each) for _, each in sorted(zip(order, found, strict=True), key=lambda pair: pair[0])]

    def _loglikelihood_tokens(self, requests: Iterable[Any], **_: Any) -> list[tuple[float, bool]]:
        """Of continuations that are tokens already: (texts, context, continuation) each."""
        items = [[self._cut(context, continuation)] for _, context, continuation in requests]
        return [_pair(scored[0]) for scored in self.scorer.score(items)]

    def loglikelihood_rolling(self, requests: Sequence[Instance], disable_tqdm: bool = False) -> list[float]:
        """Log-likelihood of whole texts, in windows of the model's context that overlap in nothing they score."""
        return [self._rolling(*request.args) for request in requests]

    def _rolling(self, text: str) -> float:
        windows = get_rolling_token_windows(
            token_list=self.tok_encode(text), prefix_token=self.prefix_token_id, max_seq_len=self.max_length,
            context_len=1,
        )  # fmt: skip
        pieces = [(None, *make_disjoint_window(window)) for window in windows]
        return sum(value for value, _ in self._loglikelihood_tokens(pieces))

    def _request(self, context: str, continuation: str) -> Request:
        if context:
            return self._cut(*self._encode_pair(context, continuation))
        ids = self.tok_encode(continuation, add_special_tokens=False)
        return self._cut([], ids) if ids[0] == self.prefix_token_id else self._cut([self.prefix_token_id], ids)

    def _cut(self, context: Sequence[int], continuation: Sequence[int]) -> Request:
        """The sequence, its beginning cut where the model takes no more: the last token is predicted, never read."""
        ids = (*context, *continuation)[-(self.max_length + 1) :]
        return Request(ids, min(len(continuation), len(ids) - 1))

    def generate_until(self, requests: Sequence[Instance], disable_tqdm: bool = False) -> list[str]:
        """Greedy answers, up to the first of each request's stop texts. Raises DataError where there is no room."""
        groups: dict[str, list[int]] = {}
        for at, request in enumerate(requests):
            groups.setdefault(repr(request.args[1]), []).append(at)
        answers = [""] * len(requests)
        for members in groups.values():
            written = self._write([requests[at].args[0] for at in members], requests[members[0]].args[1])
            for at, answer in zip(members, written, strict=True):
                answers[at] = answer
        return answers

    def _write(self, prompts: Sequence[str], settings: dict[str, Any]) -> list[str]:
        options: dict[str, Any] = dict(normalize_gen_kwargs(settings, DEFAULT_NEW_TOKENS))
        if options["do_sample"]:
            raise DataError("the task draws its answers at random; only greedy ones are comparable")
        new_tokens = int(options["max_gen_toks"])
        if new_tokens >= self.max_length:
            raise DataError(f"the task's answers have up to {new_tokens} tokens, the model takes {self.max_length}")
        ids = [self.tok_encode(prompt)[-(self.max_length - new_tokens) :] for prompt in prompts]
        shared = shared_beginning(ids)
        end = self.tokenizer.decode(self.eot_token_id, skip_special_tokens=False)
        stops = handle_stop_sequences(list(options["until"]), eos=end)
        generated = generate_greedy(
            self.model, ids, max_new_tokens=new_tokens, eos_id=self.eot_token_id,
            batch_size=self._rows(max(map(len, ids)) + new_tokens), is_finished=_Stops(self.tokenizer, stops),
            shared_tokens=shared,
        )  # fmt: skip
        self.generating += self._generation_cost(ids, generated.completions, shared)
        texts = self.tokenizer.batch_decode(generated.completions, skip_special_tokens=True)
        return [postprocess_generated_text(text, stops, None) for text in texts]

    def _rows(self, tokens: int) -> int:
        """How many sequences of so many tokens are written at once, so that their keys and values fit."""
        config = self.model.config.get_text_config()
        heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
        size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
        a_row = 2 * config.num_hidden_layers * heads * size * self.model.dtype.itemsize * tokens
        memory = CACHE_BYTES_ON_CPU
        if self.scorer.device.type == "cuda":
            total = torch.cuda.get_device_properties(self.scorer.device).total_memory
            memory = int(CACHE_SHARE_OF_ACCELERATOR * total)
        return max(1, min(MAX_ROWS, memory // a_row))

    def _generation_cost(self, prompts: Sequence[Sequence[int]], answers: Sequence[Sequence[int]], shared: int) -> Cost:
        """Of prompts and answers, what the prompts share counted once."""
        lengths = np.array([len(p) + len(a) for p, a in zip(prompts, answers, strict=True)])
        once = float(self.flops.forward(np.array([shared])).sum())
        flops = float(self.flops.forward(lengths).sum()) - (len(lengths) - 1) * once
        return Cost(flops=flops, tokens=int(lengths.sum()) - (len(lengths) - 1) * shared)

    def cost(self) -> Cost:
        """What all requests so far used, without seconds."""
        return self.scorer.work.cost(self.flops) + self.generating


class _Stops:
    """Whether an answer has come to one of the texts that end it."""

    def __init__(self, tokenizer: Any, stops: Sequence[str]) -> None:
        self.tokenizer, self.stops = tokenizer, [stop for stop in stops if stop]
        self.tail = max((len(stop.encode()) for stop in self.stops), default=0) + 2
        """No stop text has more tokens than bytes, and one or two more may hold its ends."""

    def __call__(self, ids: Sequence[int]) -> bool:
        text = self.tokenizer.decode(ids[-self.tail :], skip_special_tokens=True)
        return any(stop in text for stop in self.stops)


def _pair(likelihood: Likelihood) -> tuple[float, bool]:
    return likelihood.log_likelihood, likelihood.is_greedy
