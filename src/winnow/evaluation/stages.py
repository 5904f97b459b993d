"""The evaluation stage: a checkpoint on the whole evaluation sets, every item kept."""

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch

from winnow.evaluation.distinct import Measured, of_checkpoints
from winnow.evaluation.measured import COLUMNS, Row, answers_for, beyond, item_rows, measured_key
from winnow.evaluation.measures.asking import AskedMeasure, asked_measures, metrics_of
from winnow.evaluation.scoring import ItemScores, averages, score_set, scoring_cost
from winnow.evaluation.sets import EvaluationSet, tokenised_sets
from winnow.evaluation.windows import in_domain_sets, out_of_domain_sets
from winnow.metrics import ALWAYS
from winnow.models.flops import flop_model
from winnow.models.generate import context_of
from winnow.models.loading import load_model
from winnow.parts import EvaluatePart
from winnow.recipe import IN_DOMAIN, OUT_OF_DOMAIN, USUAL_MEASURES
from winnow.records import Context, Outcome, Stored, to_json
from winnow.store import write_json
from winnow.text.chat_templates import left_template
from winnow.text.tokenizers import eos_id, tokenizer_of

FILES = "evaluation_{}.json", "items_{}.parquet"


def evaluate(part: EvaluatePart, inputs: Mapping[str, Stored], context: Context) -> Outcome:
    """What the measures say of checkpoints, per set, micro and macro, with levels to compare with.

    Inputs: `run` (a trained artifact, or the model that runs start from), `tests`, `tokenizer`. Leaves
    `evaluation_<checkpoint>.json` and `items_<checkpoint>.parquet`. Where the best step is the last one, the
    checkpoints are the same weights and are scored once.
    """
    torch.set_num_threads(part.threads)

    def score(checkpoint: str) -> Measured:
        return _score_checkpoint(part, inputs, context, checkpoint)

    return of_checkpoints(inputs["run"], part.checkpoints, context.folder, FILES, score)


def _score_checkpoint(part: EvaluatePart, inputs: Mapping[str, Stored], context: Context, checkpoint: str) -> Measured:
    started = time.perf_counter()
    tokenizer = tokenizer_of(inputs["tokenizer"])
    model = load_model(inputs["run"], checkpoint)
    folder = inputs["tests"].folder
    tests = pq.read_table(folder / "tests.parquet")
    sets = tokenised_sets(tests, tokenizer, max_tokens=context_of(model), template=left_template(folder))
    groups = dict[str, list[str]]()
    if part.context_tokens is not None:
        own = in_domain_sets(inputs, tokenizer, context_tokens=part.context_tokens)
        others = out_of_domain_sets(inputs["tests"], tokenizer, context_tokens=part.context_tokens)
        groups = {IN_DOMAIN: [each.name for each in own], OUT_OF_DOMAIN: [each.name for each in others]}
        sets = [*own, *others, *sets]
    asked = asked_measures(part.measures or USUAL_MEASURES)
    scores = []
    for done, items in enumerate(sets):
        context.progress.update(done, len(sets), f"{items.name}, {checkpoint}")
        scores.append(
            score_set(
                model, items, tokenizer, eos_id=eos_id(tokenizer), max_new_tokens=part.max_new_tokens,
                batch_size=part.batch_size, **answers_for(asked, items),
            )
        )  # fmt: skip
    rows = {items.name: item_rows(asked, items, scored) for items, scored in zip(sets, scores, strict=True)}
    found = _scores(asked, sets, scores, rows)
    averages_of_text = {name: mean_of_sets(found["sets"], each) for name, each in groups.items() if each}
    found |= {"aggregates": averages_of_text} if averages_of_text else {}
    write_json(context.folder / f"evaluation_{checkpoint}.json", {"max_new_tokens": part.max_new_tokens} | found)
    table = pa.Table.from_pylist([row for each in rows.values() for row in each], schema=COLUMNS)
    pq.write_table(table, context.folder / f"items_{checkpoint}.parquet", compression="zstd")
    numbers = {"micro": found["micro"], "macro": found["macro"]}
    return numbers, scoring_cost(flop_model(model), sets, scores, started)


def mean_of_sets(sets: Mapping[str, Mapping[str, Any]], names: Sequence[str]) -> dict[str, Any]:
    """The levels of some sets, each set counting alike."""
    chosen = [sets[name] for name in names]
    metrics = chosen[0].get("measured", {})
    levels = {metric: [each["measured"][metric]["level"] for each in chosen] for metric in metrics}
    means = {metric: None if None in values else float(np.mean(values)) for metric, values in levels.items()}
    loss = {"loss": float(np.mean([each["loss"] for each in chosen])), "exact_match": None}
    return loss | {"items": sum(each["items"] for each in chosen)} | measured_key(means)


def _scores(
    asked: Sequence[AskedMeasure],
    sets: Sequence[EvaluationSet],
    scores: Sequence[ItemScores],
    rows: Mapping[str, Sequence[Row]],
) -> dict[str, Any]:
    """Scores by set and over all; and what is known of the metrics beyond loss and exact match."""
    micro, macro = averages(scores)
    others = beyond(asked, rows)
    keys = "level", "stderr", "items"
    summaries = {
        items.name: _summary(items, scored)
        | measured_key({name: dict(zip(keys, each, strict=True)) for name, each in others.sets[items.name].items()})
        for items, scored in zip(sets, scores, strict=True)
    }
    facts = {name: to_json(metric) for name, metric in metrics_of(asked).items() if name not in ALWAYS}
    return {
        "sets": summaries, "micro": micro | measured_key(others.micro), "macro": macro | measured_key(others.macro),
        **({"metrics": facts} if facts else {}),
    }  # fmt: skip


def _summary(items: EvaluationSet, scored: ItemScores) -> dict[str, Any]:
    """One set's scores; what is about exact match is over the items with final answers, null where there are none."""
    final = items.final if scored.is_asked.any() else []
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
    is_windows = items.target_bytes and not any(items.prompts)
    summary |= {"target_bytes": sum(items.target_bytes)} if is_windows else {}
    return summary | ({"open_items": items.num_open} if items.num_open else {})
