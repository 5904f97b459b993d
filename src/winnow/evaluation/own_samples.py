"""Forgetting without data: the divergence of a tuned model from its base, on what the base writes by itself.

The base writes texts at temperature 1, whole (no top-k, no top-p), once for a study. On them

    kl_from_base = mean over tokens of log p_base(x) - log p_tuned(x)

estimates KL(base || tuned) per token: 0 for a model that is as it was, at least 0 in the mean, without any of the data
that the base had learnt from, and paired text by text, so that its noise is small. It weighs what the base says
unprompted, and nothing else that it could do.
"""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from winnow.evaluation.distinct import Measured, of_checkpoints
from winnow.evaluation.levels import level_of
from winnow.evaluation.scoring import row_losses
from winnow.metrics import METRICS
from winnow.models.flops import flop_model
from winnow.models.forward import Losses
from winnow.models.loading import load_model
from winnow.models.rows import TokenRows, rows_of
from winnow.models.sampling import draw_samples
from winnow.recipe.measuring import DivergencePart, SourceSamplesPart
from winnow.records import Context, Cost, Outcome, Probe, Stored
from winnow.store import write_json
from winnow.text.tokenizers import eos_id, tokenizer_of

KL = METRICS["kl_from_base"]
SAMPLES = "samples.parquet"
"""`id`, `text`, `ids` (the first token begins the text and is given, not drawn), `loss` (of the others by the model
that wrote them: the sum, in nats)."""


def draw_own_samples(part: SourceSamplesPart, inputs: Mapping[str, Stored], context: Context) -> Outcome:
    """What a model writes by itself, and how likely that is to it. Inputs: `model`, `tokenizer`."""
    started = time.perf_counter()
    torch.set_num_threads(part.threads)
    tokenizer, model = tokenizer_of(inputs["tokenizer"]), load_model(inputs["model"])
    rows, tokens = own_rows(model, tokenizer, part)
    losses, _ = row_losses(Losses(model), rows)
    table = {
        "id": rows.names, "text": tokenizer.batch_decode([rows.row(at)[1:].tolist() for at in range(len(rows.names))]),
        "ids": [rows.row(at).tolist() for at in range(len(rows.names))], "loss": losses,
    }  # fmt: skip
    pq.write_table(pa.table(table), context.folder / SAMPLES, compression="zstd")
    passes = 2 * float(flop_model(model).forward(rows.lengths).sum())  # drawn, and read once more
    cost = Cost(flops=passes, tokens=tokens + int(rows.lengths.sum()), seconds=time.perf_counter() - started)
    numbers = {"samples": len(rows.names), "tokens": tokens, "loss": float(losses.sum()) / tokens}
    return Outcome(outputs=(SAMPLES,), numbers=numbers, costs={"evaluate": cost})


def own_rows(model: Any, tokenizer: Any, part: SourceSamplesPart) -> tuple[TokenRows, int]:
    """The texts with the token that begins and the one that ends them, and how many tokens were drawn."""
    asked, end = part.samples, eos_id(tokenizer)
    begin = end if tokenizer.bos_token_id is None else int(tokenizer.bos_token_id)
    names = [f"{number:06d}" for number in range(asked.count)]
    drawn = draw_samples(
        model, [[begin]] * asked.count, keys=names, num_samples=1, seed=asked.seed, temperature=1.0,
        max_new_tokens=asked.tokens, eos_id=end, batch_size=part.batch_size,
    )  # fmt: skip
    written = [each[0] + [end] * (len(each[0]) < asked.tokens) for each in drawn.samples]
    ids = [np.array([begin, *each], dtype=np.int32) for each in written]
    return rows_of(names, ids, np.ones(len(ids), dtype=np.int64)), drawn.tokens


def read_own_samples(samples: Stored) -> tuple[TokenRows, NDArray[np.float64]]:
    """The texts as rows, and the loss of each by the model that wrote it."""
    table = pq.read_table(samples.folder / SAMPLES)
    ids = [np.array(each, dtype=np.int32) for each in table["ids"].to_pylist()]
    return rows_of(table["id"].to_pylist(), ids, np.ones(len(ids), dtype=np.int64)), table["loss"].to_numpy()


def measure_divergence(part: DivergencePart, inputs: Mapping[str, Stored], context: Context) -> Outcome:
    """The divergence of checkpoints from the model that wrote the samples. Inputs: `run`, `samples`.

    Leaves `divergence_<checkpoint>.json` and, text by text, `items_<checkpoint>.parquet`. Where the best step is the
    last one, the checkpoints are the same weights and are measured once.
    """
    torch.set_num_threads(part.threads)
    rows, base = read_own_samples(inputs["samples"])

    def measure(checkpoint: str) -> Measured:
        started = time.perf_counter()
        model = load_model(inputs["run"], checkpoint)
        differences, numbers = divergence(model, rows, base)
        write_json(context.folder / f"divergence_{checkpoint}.json", numbers)
        items = pa.table({"id": rows.names, "score": differences, "weight": (rows.lengths - 1).astype(np.float64)})
        pq.write_table(items, context.folder / f"items_{checkpoint}.parquet", compression="zstd")
        return numbers, _cost(model, rows, started)

    files = "divergence_{}.json", "items_{}.parquet"
    return of_checkpoints(inputs["run"], part.checkpoints, context.folder, files, measure)


def divergence(
    model: Any, rows: TokenRows, base: NDArray[np.float64]
) -> tuple[NDArray[np.float64], dict[str, float | int | None]]:
    """Nats per token by text; and over all tokens the level, its standard error over texts, and of how many."""
    losses, counts = row_losses(Losses(model), rows)
    differences = (losses - base) / counts
    level, stderr = level_of(KL, differences.tolist(), counts.tolist())
    return differences, {KL.name: level, "stderr": stderr, "samples": len(counts), "tokens": int(counts.sum())}


def _cost(model: Any, rows: TokenRows, started: float) -> Cost:
    flops = float(flop_model(model).forward(rows.lengths).sum())
    return Cost(flops=flops, tokens=int(rows.lengths.sum()), seconds=time.perf_counter() - started)


def with_divergence(probe: Probe, samples: Stored) -> Probe:
    """The probe that also tells how far the model has moved from the one that wrote the samples."""
    rows, base = read_own_samples(samples)

    def wider(model: Any) -> dict[str, Any]:
        scores, started = probe(model), time.perf_counter()
        was_training = model.training
        model.eval()
        _, found = divergence(model, rows, base)
        model.train(was_training)
        return scores | {KL.name: found[KL.name], "cost": scores["cost"] + _cost(model, rows, started)}

    return wider
