"""What lm-eval says of each item, as rows; and the scores of a task, with what guessing would give beside them.

    rows = item_rows(loaded, samples)
    summary = summarise(loaded, rows)      # {"items", "metrics": {"acc": {"value", "stderr", "random_level", ...}}}

A row is one item under one metric and filter: `task`, `subset`, `item` (its number), `id` (of its question, as a
contamination report names it), `prompt_hash`, `metric`, `score`, `weight`, `output` (answer, or the log-likelihood of
each choice as JSON), `extracted` (what counts as the answer, or the chosen choice), `target`. `score` is 0 to 1, of
perplexities the log-likelihood in nats; `weight` is 1, of IFEval's instructions their number in the item.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from winnow.evaluation.benchmarks.tasks import LoadedTask
from winnow.evaluation.levels import level_of
from winnow.metrics import metric_named
from winnow.text.answers import after_marker, normalise_answer
from winnow.text.examples import digest
from winnow.text.questions import question_key

Row = dict[str, Any]
PRIMARY = "acc_norm", "acc", "exact_match,strict-match", "exact_match", "prompt_level_strict_acc"
"""The metric that stands for a task: the first of these that it has."""
GOLD_FIRST = "truthfulqa_mc1", "truthfulqa_mc2"
"""Tasks whose right choice always stands first, which no prompt shows."""


def item_rows(loaded: LoadedTask, name: str, samples: Sequence[Mapping[str, Any]]) -> list[Row]:
    """Rows of all items of one lm-eval task, metric by metric."""
    return [_row(loaded, name, sample, metric, sample[metric]) for sample in samples for metric in sample["metrics"]]


def _row(loaded: LoadedTask, name: str, sample: Mapping[str, Any], metric: str, value: Any) -> Row:
    output, extracted = _said(loaded, sample)
    scores = [float(each) for each in value] if isinstance(value, list) else [float(value)]
    return {
        "task": name,
        "subset": loaded.subset,
        "item": int(sample["doc_id"]),
        "id": digest(question_key(_question(loaded, sample["doc"]))),
        "prompt_hash": sample["prompt_hash"],
        "metric": metric if sample["filter"] == "none" else f"{metric},{sample['filter']}",
        "score": math.fsum(scores) / len(scores),
        "weight": len(scores),
        "output": output,
        "extracted": extracted,
        "target": _target(loaded, sample),
    }


def _question(loaded: LoadedTask, doc: Mapping[str, Any]) -> str:
    """The text of an item that would have to stand in training data."""
    for column in ("question", "query", "goal", "sentence", "problem", "prompt", "text"):
        if isinstance(doc.get(column), str):
            return str(doc[column])
    return str(loaded.task.doc_to_text(dict(doc)))


def _said(loaded: LoadedTask, sample: Mapping[str, Any]) -> tuple[str, str | None]:
    """The output of an item, and what of it counts as its answer."""
    choices = _choices(loaded, sample["doc"])
    if choices is None:
        output = sample["resps"][0][0]
        answer = sample["filtered_resps"][0]
        return (output, str(answer)) if isinstance(output, str) else (json.dumps([float(output[0])]), None)
    values = [float(response[0][0]) for response in sample["resps"]][: len(choices)]
    return json.dumps(values), choices[int(np.argmax(values))]


def _choices(loaded: LoadedTask, doc: Mapping[str, Any]) -> list[str] | None:
    if loaded.task.OUTPUT_TYPE != "multiple_choice":
        return None
    return [str(choice) for choice in loaded.task.doc_to_choice(doc)]


def _gold(loaded: LoadedTask, doc: Mapping[str, Any], choices: Sequence[str]) -> int:
    """The number of the right choice."""
    task = loaded.task
    gold = task.doc_to_text(doc) if task.multiple_input else task.doc_to_target(doc)
    return int(gold) if isinstance(gold, int) or str(gold).isdigit() else list(choices).index(str(gold))


def _target(loaded: LoadedTask, sample: Mapping[str, Any]) -> str:
    choices = _choices(loaded, sample["doc"])
    return str(sample["target"]) if choices is None else choices[_gold(loaded, sample["doc"], choices)]


def summarise(name: str, rows: Sequence[Row], levels: Mapping[str, Any]) -> dict[str, Any]:
    """Scores of a task by metric, and the number of its items."""
    metrics = {metric: _score([row for row in rows if row["metric"] == metric]) for metric in _metrics(rows)}
    for metric, score in metrics.items():
        has_levels = not metric_named(metric).is_perplexity
        score["random_level"] = levels["random_level"] if has_levels else None
        score["constant_level"] = levels["constant_level"] if has_levels else None
    return {
        "items": len({(row["subset"], row["item"]) for row in rows}),
        "primary": next(metric for metric in PRIMARY if metric in metrics),
        "constant_answer": levels["constant_answer"],
        "metrics": metrics,
    }


def _metrics(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(row["metric"] for row in rows))


def _score(rows: Sequence[Row]) -> dict[str, Any]:
    """Value and its standard error over items."""
    scores, weights = ([row[key] for row in rows] for key in ("score", "weight"))
    value, stderr = level_of(metric_named(rows[0]["metric"]), scores, weights)
    return {"value": value, "stderr": stderr}


def levels(name: str, parts: Sequence[tuple[LoadedTask, Sequence[Mapping[str, Any]]]]) -> dict[str, Any]:
    """What guessing gives, and what always the same answer does; null where that says nothing."""
    docs = [(loaded, sample["doc"]) for loaded, samples in parts for sample in _once(samples)]
    if name == "truthfulqa_mc2":
        shares = [float(np.mean(doc["mc2_targets"]["labels"])) for _, doc in docs]
        return _levels(float(np.mean(shares)), None, None)
    choices = [_choices(loaded, doc) for loaded, doc in docs]
    if choices[0] is None:
        return _levels(0.0, *_most_common(name, [doc for _, doc in docs]))
    told = [each for each in choices if each is not None]
    random = float(np.mean([1 / len(each) for each in told]))
    if name in GOLD_FIRST:
        return _levels(random, None, None)
    gold = Counter(_gold(loaded, doc, each) for (loaded, doc), each in zip(docs, told, strict=True))
    place, times = gold.most_common(1)[0]
    is_fixed = all(each == told[0] for each in told)
    return _levels(random, times / len(docs), told[0][place] if is_fixed else f"choice {place + 1}")


def _levels(random: float | None, constant: float | None, answer: str | None) -> dict[str, Any]:
    return {"random_level": random, "constant_level": constant, "constant_answer": answer}


def _once(samples: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
    """Each item once, however many filters there are."""
    return list({sample["doc_id"]: sample for sample in samples}.values())


ANSWER_OF: dict[str, Callable[[Mapping[str, Any]], str]] = {
    "gsm8k": lambda doc: normalise_answer(after_marker(doc["answer"]) or ""),
    "minerva_math500": lambda doc: str(doc["answer"]),
    "lambada_openai": lambda doc: str(doc["text"]).split(" ")[-1],
}
"""Task without choices -> the right answer of an item."""


def _most_common(name: str, docs: Sequence[Mapping[str, Any]]) -> tuple[float | None, str | None]:
    if name not in ANSWER_OF:
        return None, None
    answer, times = Counter(map(ANSWER_OF[name], docs)).most_common(1)[0]
    return times / len(docs), answer
