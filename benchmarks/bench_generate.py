"""Greedy generation: ours against transformers' `generate` at the same batch size, with the same outputs.

Prints the median over rounds of (peer's CPU seconds / ours). Random weights, ragged prompts, nothing ends early: what
is measured is the bookkeeping, not luck with end tokens.
"""

import statistics
import time

import numpy as np

from winnow.quiet import quiet_libraries

quiet_libraries()

import torch  # noqa: E402  after the environment is set
from transformers import GPT2Config, GPT2LMHeadModel  # noqa: E402

from winnow.models.generate import generate_greedy  # noqa: E402

ROUNDS, PROMPTS, NEW_TOKENS, BATCH = 3, 128, 48, 64
EOS = 1535


def peer(model, prompts):
    """The usual way: batches in the given order, padded on the left."""
    written = []
    for start in range(0, len(prompts), BATCH):
        rows = prompts[start : start + BATCH]
        width = max(map(len, rows))
        ids = torch.tensor([[EOS] * (width - len(row)) + row for row in rows])
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows])
        out = model.generate(
            ids, attention_mask=mask, max_new_tokens=NEW_TOKENS, min_new_tokens=NEW_TOKENS, do_sample=False,
            pad_token_id=EOS,
        )  # fmt: skip
        written += out[:, width:].tolist()
    return written


def ours(model, prompts):
    """winnow's: sorted by length, cache in buffers made once."""
    return generate_greedy(model, prompts, max_new_tokens=NEW_TOKENS, eos_id=EOS, batch_size=BATCH).completions


def main():
    torch.set_num_threads(1)
    torch.manual_seed(0)
    config = GPT2Config(
        n_layer=4, n_embd=128, n_head=4, vocab_size=1536, n_positions=512, bos_token_id=EOS, eos_token_id=EOS
    )
    model = GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        model.transformer.wte.weight[EOS] = 0  # a logit of 0 is never the largest of 1,536: nothing ends early
    rng = np.random.default_rng(0)
    prompts = [rng.integers(0, 1500, rng.integers(30, 250)).tolist() for _ in range(PROMPTS)]
    ratios, same = [], 0
    for _ in range(ROUNDS):
        seconds = {}
        outputs = {}
        for name, way in (("ours", ours), ("peer", peer)):
            started = time.process_time()
            outputs[name] = way(model, prompts)
            seconds[name] = time.process_time() - started
        ratios.append(seconds["peer"] / seconds["ours"])
        same = sum(a == b for a, b in zip(outputs["ours"], outputs["peer"], strict=True))
    print(f"generate: {statistics.median(ratios):.2f}x transformers' generate, {same} of {PROMPTS} outputs the same")


if __name__ == "__main__":
    main()
