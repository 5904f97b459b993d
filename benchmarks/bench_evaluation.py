"""Evaluation on the way, loss and greedy answers, against `generate` at batch 16 and a loss pass of its own.

The usual way: items in their order, 16 at a time, padded on the left, through transformers' `generate`; then prompt and
reference answer once more for the loss, padded on the right, all logits. Ours: as a probe goes about it, 64 items at a
time. The same problems of gsm8k's test set (`--items`), the same model with random weights (4 layers of 128), answers
of up to 64 tokens. Prints the median over rounds of the usual way's CPU seconds over ours where nothing ends early, and
where answers end at various places (the end token is one that the model writes here and there); how many answers are
the same; and how far apart the losses are. 3x is the limit.
"""

import argparse
import copy
import statistics
import time

import numpy as np

from winnow.quiet import quiet_libraries

quiet_libraries()

import torch  # noqa: E402  after the environment is set
from problems import GSM8K, MAX_TOKENS, SMALL_VOCABULARY, small_tokenizer, token_rows  # noqa: E402
from torch.nn.utils.rnn import pad_sequence  # noqa: E402
from transformers import GPT2Config, GPT2LMHeadModel  # noqa: E402

from winnow.evaluation.scoring import RowReader  # noqa: E402
from winnow.models.activations import fuse_activations  # noqa: E402
from winnow.models.generate import generate_greedy  # noqa: E402

ROUNDS, ITEMS, NEW_TOKENS, BATCH, USUAL_BATCH = 3, 192, 64, 64, 16
NEVER = 0
"""Piece 0 is the end of text; its logit is made to be 0, which is never the largest of 1,536."""


def make_model():
    torch.manual_seed(0)
    sizes = {"n_layer": 4, "n_embd": 128, "n_head": 4, "vocab_size": SMALL_VOCABULARY, "n_positions": MAX_TOKENS}
    model = GPT2LMHeadModel(GPT2Config(**sizes, bos_token_id=NEVER, eos_token_id=NEVER, initializer_range=0.2)).eval()
    with torch.no_grad():
        model.transformer.wte.weight[NEVER] = 0
    return model


@torch.no_grad()
def usual(model, rows, prompts, eos_id):
    """Answers, and the sum of the losses of each item."""
    answers, losses = [], []
    for start in range(0, len(prompts), USUAL_BATCH):
        chunk = prompts[start : start + USUAL_BATCH]
        width = max(map(len, chunk))
        ids = torch.tensor([[0] * (width - len(row)) + row for row in chunk])
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in chunk])
        out = model.generate(
            ids, attention_mask=mask, max_new_tokens=NEW_TOKENS, do_sample=False, eos_token_id=eos_id, pad_token_id=0
        )
        answers += [until(row, eos_id) for row in out[:, width:].tolist()]
    for start in range(0, len(prompts), USUAL_BATCH):
        members = range(start, min(start + USUAL_BATCH, len(prompts)))
        ids = pad_sequence([torch.tensor(rows.row(i).astype(np.int64)) for i in members], batch_first=True)
        labels = ids.clone()
        for at, member in enumerate(members):
            labels[at, : rows.target_from[member]] = -100
            labels[at, rows.lengths[member] :] = -100
        logits = model(input_ids=ids, attention_mask=(labels != -100) | (ids != 0)).logits[:, :-1]
        found = torch.nn.functional.cross_entropy(logits.transpose(1, 2), labels[:, 1:], reduction="none")
        losses += found.sum(dim=1).tolist()
    return answers, np.array(losses)


def until(row, eos_id):
    return row[: row.index(eos_id)] if eos_id in row else row


def ours(model, rows, prompts, eos_id, batch_size):
    """The same, as `score_set` goes about it."""
    reader = RowReader(model, rows, prompts)
    written = generate_greedy(
        model, prompts, max_new_tokens=NEW_TOKENS, eos_id=eos_id, batch_size=batch_size, reader=reader
    )
    reader.read_others()
    return written.completions, reader.sums


def ending_token(model, prompts):
    """A token that many answers hold, but hardly at their beginning."""
    free = generate_greedy(model, prompts[:64], max_new_tokens=NEW_TOKENS, eos_id=NEVER, batch_size=64).completions
    tokens = sorted({token for row in free for token in row})
    return max(tokens, key=lambda token: sum(token in row for row in free) - 4 * sum(token in row[:8] for row in free))


def timed(way, *given):
    started = time.process_time()
    result = way(*given)
    return time.process_time() - started, result


def compare(name, model, rows, prompts, eos_id, asked):
    ratios, fused = [], fuse_activations(copy.deepcopy(model))
    for _ in range(asked.rounds):
        theirs, (answers, losses) = timed(usual, model, rows, prompts, eos_id)
        mine, (written, sums) = timed(ours, fused, rows, prompts, eos_id, asked.batch_size)
        ratios.append(theirs / mine)
    same = sum(a == b for a, b in zip(answers, written, strict=True))
    length = statistics.mean(map(len, written))
    print(
        f"evaluation, {name} ({length:.0f} tokens in the mean): {statistics.median(ratios):.2f}x the usual way; "
        f"{same} of {len(prompts)} answers the same, losses within {np.abs(losses - sums).max() / sums.mean():.0e}",
        flush=True,
    )


def main():
    if not GSM8K.is_dir():
        print(f"evaluation: left out, {GSM8K} is not there")
        return
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--items", type=int, default=ITEMS)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--batch-size", type=int, default=BATCH, help="of ours")
    asked = parser.parse_args()
    model, rows = make_model(), token_rows(small_tokenizer(), "test").take(range(asked.items))
    prompts = [rows.row(i)[:start].tolist() for i, start in enumerate(rows.target_from)]
    compare("nothing ends", model, rows, prompts, NEVER, asked)
    compare("answers end", model, rows, prompts, ending_token(model, prompts), asked)


if __name__ == "__main__":
    main()
