"""The evaluation stage: a checkpoint on the whole evaluation sets, every item kept."""

import shutil
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from numpy.typing import NDArray

from winnow.evaluation.scoring import ItemScores, averages, score_set, scoring_cost
from winnow.evaluation.sets import EvaluationSet, tokenised_sets
from winnow.models.flops import flop_model
from winnow.models.generate import context_of
from winnow.models.loading import load_model
from winnow.parts import EvaluatePart
from winnow.records import Context, Cost, Outcome, Stored
from winnow.store import write_json
from winnow.text.chat_templates import left_template
from winnow.text.tokenizers import eos_id, tokenizer_of


def evaluate(part: EvaluatePart, inputs: Mapping[str, Stored], context: Context) -> Outcome:
    """Loss and exact match of checkpoints, per set, micro and macro, with levels to compare with.

    Inputs: `run` (a trained artifact, or the model that runs start from), `tests`, `tokenizer`. Leaves
    `evaluation_<checkpoint>.json` and `items_<checkpoint>.parquet`. Where the best step is the last one, the
    checkpoints are the same weights and are scored once.
    """
    torch.set_num_threads(part.threads)
    run = inputs["run"]
    is_same = "best_step" in run.numbers and run.numbers["best_step"] == run.numbers["steps"]
    cost = Cost()
    numbers: dict[str, Any] = {}
    for checkpoint in part.checkpoints:
        if checkpoint == "best" and is_same and "last" in part.checkpoints:
            continue
        cost += _score_checkpoint(part, inputs, context, checkpoint, numbers)
    for checkpoint in set(part.checkpoints) - set(numbers):
        numbers[checkpoint] = numbers["last"]
        for pattern in ("evaluation_{}.json", "items_{}.parquet"):
            shutil.copy(context.folder / pattern.format("last"), context.folder / pattern.format(checkpoint))
    outputs = [f"evaluation_{c}.json" for c in part.checkpoints] + [f"items_{c}.parquet" for c in part.checkpoints]
    return Outcome(outputs=tuple(outputs), numbers=numbers, costs={"evaluate": cost})


def _score_checkpoint(
    part: EvaluatePart, inputs: Mapping[str, Stored], context: Context, checkpoint: str, numbers: dict[str, Any]
) -> Cost:
    started = time.perf_counter()
    tokenizer = tokenizer_of(inputs["tokenizer"])
    model = load_model(inputs["run"], checkpoint)
    folder = inputs["tests"].folder
    tests = pq.read_table(folder / "tests.parquet")
    sets = tokenised_sets(tests, tokenizer, max_tokens=context_of(model), template=left_template(folder))
    scores = []
    for done, items in enumerate(sets):
        context.progress.update(done, len(sets), f"{items.name}, {checkpoint}")
        scores.append(
            score_set(
                model,
                items,
                tokenizer,
                eos_id=eos_id(tokenizer),
                max_new_tokens=part.max_new_tokens,
                batch_size=part.batch_size,
            )
        )
    micro, macro = averages(scores)
    numbers[checkpoint] = {"micro": micro, "macro": macro}
    summaries = {items.name: _summary(items, scored) for items, scored in zip(sets, scores, strict=True)}
    write_json(
        context.folder / f"evaluation_{checkpoint}.json",
        {"max_new_tokens": part.max_new_tokens, "sets": summaries, "micro": micro, "macro": macro},
    )
    _write_items(context.folder / f"items_{checkpoint}.parquet", sets, scores)
    return scoring_cost(flop_model(model), sets, scores, started)


def _summary(items: EvaluationSet, scored: ItemScores) -> dict[str, Any]:
    """One set's scores; what is about exact match is over the items with final answers, null where there are none."""
    final = items.final
    correct, options = scored.correct[final], [items.num_options[place] for place in final]
    common, times = Counter(items.answers[place] for place in final).most_common(1)[0] if final else (None, 0)
    summary = {
        "items": len(scored.correct),
        "target_tokens": int(scored.target_tokens.sum()),
        "loss": scored.loss,
        "exact_match": scored.exact_match,
        "strict_exact_match": scored.strict_exact_match,
        "stderr": float(correct.std(ddof=1) / np.sqrt(len(final))) if len(final) > 1 else None,
        "random_level": float(np.mean([1 / each if each else 0.0 for each in options])) if final else None,
        "constant_answer": common,
        "constant_level": times / len(final) if final else None,
        "multiple_choice_share": float(np.mean([each > 0 for each in items.num_options])),
    }
    return summary | ({"open_items": scored.open_items} if scored.open_items else {})


def _write_items(path: Path, sets: list[EvaluationSet], scores: list[ItemScores]) -> None:
    columns: dict[str, Any] = {
        "set": [items.name for items in sets for _ in items.answers],
        "id": [name for items in sets for name in items.rows.names],
        "output": [output for scored in scores for output in scored.outputs],
        # A model that never answers leaves nulls alone, from which no type can be told.
        "extracted": pa.array([answer for scored in scores for answer in scored.extracted], pa.string()),
        "answer": [answer for items in sets for answer in items.answers],
        "correct": pa.array([right for scored in scores for right in _where_asked(scored, scored.correct)], pa.bool_()),
        "is_declared": pa.array(
            [declared for scored in scores for declared in _where_asked(scored, scored.is_declared)], pa.bool_()
        ),
        "loss": [float(loss) for scored in scores for loss in scored.losses],
        "target_tokens": [int(tokens) for scored in scores for tokens in scored.target_tokens],
    }
    pq.write_table(pa.table(columns), path, compression="zstd")


def _where_asked(scored: ItemScores, flags: NDArray[np.bool_]) -> list[bool | None]:
    """The flags of the items, None where no exact match is asked."""
    return [bool(flag) if asked else None for flag, asked in zip(flags, scored.is_asked, strict=True)]
