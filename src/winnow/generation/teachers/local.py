"""A teacher on this machine: a causal language model, sampled with a seed of each request's own.

Noise is drawn per request and added to the logits (Gumbel-max: the largest sum is a sample of the softmax), so that an
answer does not depend on which other requests stand in its batch, but for the last bits of the logits.
"""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from winnow.errors import RecipeError
from winnow.generation.teachers.interface import Answer, Request, Tell
from winnow.generation.teachers.meter import Meter
from winnow.models.flops import FlopModel, flop_model
from winnow.models.generate import context_of
from winnow.models.loading import load_model
from winnow.recipe import LocalTeacherRecipe
from winnow.records import Stored
from winnow.text.chat_templates import timeless
from winnow.text.tokenizers import eos_id, tokenizer_of


class LocalTeacher:
    """Answers batches of requests, sorted by length."""

    def __init__(self, recipe: LocalTeacherRecipe, meter: Meter, *, model: Stored, tokenizer: Stored) -> None:
        self.recipe, self.meter = recipe, meter
        self.model: Any = load_model(model)
        self.tokenizer: Any = tokenizer_of(tokenizer)
        self.flops: FlopModel = flop_model(self.model)

    def ask(self, requests: Sequence[Request], tell: Tell) -> None:
        """Answer the requests batch by batch. Raises BudgetError before a batch where the tokens are used up."""
        prompts = [self._encode(request) for request in requests]
        for request, prompt in zip(requests, prompts, strict=True):
            if not prompt:
                tell(
                    Answer(
                        request.key, "", finish_reason="given up: a question too long for the teacher", is_given_up=True
                    )
                )
        order = sorted((at for at, prompt in enumerate(prompts) if prompt), key=lambda at: (len(prompts[at]), at))
        for start in range(0, len(order), self.recipe.batch_size):
            rows = order[start : start + self.recipe.batch_size]
            for _ in rows:
                self.meter.reserve(0.0)
            for answer in self._answer([requests[at] for at in rows], [prompts[at] for at in rows]):
                tell(answer)
                self.meter.settle(0.0, answer)

    def _encode(self, request: Request) -> list[int]:
        """Token ids of a prompt, as a turn of a conversation where the model knows a form for that.

        None of them where a question that the teacher itself wrote is too long for it.
        """
        prompt = request.prompt
        if getattr(self.tokenizer, "chat_template", None):
            turns = [{"role": "user", "content": prompt}]
            template = timeless(self.tokenizer.get_chat_template())
            text = self.tokenizer.apply_chat_template(
                turns, chat_template=template, tokenize=False, add_generation_prompt=True
            )
            ids = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        else:
            ids = self.tokenizer(prompt)["input_ids"]
        room = context_of(self.model) - self.recipe.max_new_tokens
        if len(ids) > room and request.kind == "program":
            return []
        if len(ids) > room:
            raise RecipeError(
                f"a prompt has {len(ids)} tokens and an answer may have teacher.max_new_tokens "
                f"{self.recipe.max_new_tokens}; the teacher takes {context_of(self.model)} together; lower "
                "max_new_tokens, or take a teacher with a longer context"
            )
        return list(ids)

    @torch.no_grad()
    def _answer(self, requests: Sequence[Request], prompts: Sequence[Sequence[int]]) -> list[Answer]:
        started, stop, width = time.perf_counter(), eos_id(self.tokenizer), max(map(len, prompts))
        device = next(self.model.parameters()).device
        ids = torch.tensor([[stop] * (width - len(each)) + list(each) for each in prompts], device=device)
        mask = torch.tensor([[0] * (width - len(each)) + [1] * len(each) for each in prompts], device=device)
        config = GenerationConfig(
            do_sample=False, max_new_tokens=self.recipe.max_new_tokens, eos_token_id=stop, pad_token_id=stop
        )
        written = self.model.generate(
            input_ids=ids, attention_mask=mask, generation_config=config,
            logits_processor=LogitsProcessorList([Sampling(requests)]),
        )[:, width:].tolist()  # fmt: skip
        seconds = (time.perf_counter() - started) / len(requests)
        return [
            self._told(request, len(prompt), row, stop, seconds)
            for request, prompt, row in zip(requests, prompts, written, strict=True)
        ]

    def _told(self, request: Request, prompt_tokens: int, row: list[int], stop: int, seconds: float) -> Answer:
        is_ended = stop in row
        said = row[: row.index(stop)] if is_ended else row
        completion_tokens = len(said) + is_ended
        lengths = np.array([prompt_tokens + completion_tokens], dtype=np.int64)
        return Answer(
            request.key, self.tokenizer.decode(said, skip_special_tokens=True),
            prompt_tokens=prompt_tokens, completion_tokens=completion_tokens,
            flops=float(self.flops.forward(lengths).sum()), seconds=seconds,
            finish_reason="stop" if is_ended else "length",
        )  # fmt: skip


class Sampling(LogitsProcessor):
    """Turns the greedy choice into a sample at each request's temperature; at 0 it stays the greedy one."""

    def __init__(self, requests: Sequence[Request]) -> None:
        self.temperatures = [request.temperature for request in requests]
        self.generators = [torch.Generator().manual_seed(request.seed) for request in requests]

    def __call__(self, input_ids: Any, scores: Any) -> Tensor:
        """[batch, vocabulary]: the logits over the temperature, with noise."""
        sampled = scores.float()
        for row, (temperature, generator) in enumerate(zip(self.temperatures, self.generators, strict=True)):
            if temperature > 0:
                uniform = torch.rand(sampled.shape[1], generator=generator, dtype=torch.float64).clamp_min(1e-300)
                noise = -torch.log(-torch.log(uniform)).to(sampled)
                sampled[row] = sampled[row] / temperature + noise
        return sampled
