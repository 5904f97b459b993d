"""The stage that scores a proxy on what is held out of each source, or set aside as a target: what shares are learned
from.

Nothing of an evaluation set reaches it.
"""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from winnow.evaluation.sets import EvaluationSet
from winnow.evaluation.windows import in_domain_sets, target_set
from winnow.ledger import spent
from winnow.mixing.stage import LOSSES, log_probabilities_file
from winnow.models.batch_sizes import tokens_at_once
from winnow.models.flops import flop_model
from winnow.models.forward import Losses
from winnow.models.loading import load_model
from winnow.models.rows import pad
from winnow.parts import ReadingPart
from winnow.records import Context, Cost, Outcome, Stored
from winnow.store import write_json
from winnow.text.tokenizers import tokenizer_of


def read_proxy(part: ReadingPart, inputs: Mapping[str, Stored], context: Context) -> Outcome:
    """Leaves `losses.json`, nats per byte by source, and of each source the log-probability of every target token."""
    torch.set_num_threads(part.threads)
    started, model = time.perf_counter(), load_model(inputs["run"])
    tokenizer = tokenizer_of(inputs["tokenizer"])
    sets = in_domain_sets(inputs, tokenizer, context_tokens=part.context_tokens)
    if "target" in inputs:
        sets.append(target_set(inputs["target"], tokenizer, context_tokens=part.context_tokens))
    losses, files, flops, tokens = dict[str, float](), [LOSSES], 0.0, 0
    for items in sets:
        nats = target_losses(Losses(model), items)
        losses[items.name] = float(nats.sum() / sum(items.target_bytes))
        np.save(context.folder / log_probabilities_file(items.name), (-nats).astype(np.float32))
        files.append(log_probabilities_file(items.name))
        flops += float(flop_model(model).forward(items.rows.lengths).sum())
        tokens += int(items.rows.lengths.sum())
    write_json(context.folder / LOSSES, losses)
    cost = Cost(flops=flops, executed_flops=flops, tokens=tokens, seconds=time.perf_counter() - started)
    proxy = inputs["run"].artifact
    numbers: dict[str, Any] = {
        "charged_flops": spent(proxy).flops + flops, "tokens": proxy.numbers["tokens"], "steps": proxy.numbers["steps"],
        "flops": spent(proxy).flops,
    }  # fmt: skip
    return Outcome(tuple(files), numbers=numbers, costs={"mix": cost})


@torch.no_grad()
def target_losses(losses: Losses, items: EvaluationSet) -> NDArray[np.float64]:
    """[targets]: nats of every target token, window by window."""
    found, count = [], max(1, tokens_at_once(losses.device) // int(items.rows.lengths.max()))
    for start in range(0, len(items.rows.names), count):
        members = np.arange(start, min(start + count, len(items.rows.names)))
        found.append(losses.of_targets(pad(items.rows, members).to(losses.device)).double().cpu().numpy())
    return np.concatenate(found)
