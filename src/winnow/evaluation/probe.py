"""Evaluation on the way: what training calls every n steps, without knowing what it does."""

import time
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from winnow.evaluation.measured import answers_for, beyond, item_rows, measured_key
from winnow.evaluation.measures.asking import asked_measures
from winnow.evaluation.scoring import averages, row_losses, score_set, scoring_cost
from winnow.evaluation.sets import EvaluationSet, tokenised_sets, validation_rows
from winnow.models.flops import flop_model
from winnow.models.forward import Losses
from winnow.models.generate import context_of
from winnow.models.rows import TokenRows
from winnow.recipe import USUAL_MEASURES, EvaluationRecipe, MeasureRecipe
from winnow.records import Cost, Probe, Stored
from winnow.text.chat_templates import left_template
from winnow.text.tokenizers import eos_id, tokenizer_of


def probe_for(model: Any, recipe: EvaluationRecipe, *, pool: Stored, tests: Stored, tokenizer: Stored) -> Probe:
    """The probe of a recipe: the pool's validation split, and fixed samples of the evaluation sets."""
    loaded = tokenizer_of(tokenizer)
    table = pq.read_table(tests.folder / "tests.parquet")
    sets = tokenised_sets(table, loaded, max_tokens=context_of(model), template=left_template(tests.folder))
    return build_probe(
        sets=[items.sample(recipe.sample) for items in sets],
        held_out=held_out_rows(pool),
        tokenizer=loaded,
        eos_id=eos_id(loaded),
        max_new_tokens=recipe.max_new_tokens,
        batch_size=recipe.batch_size,
        measures=recipe.asked,
    )


def validation_probe(pool: Stored) -> Probe:
    """A probe of the losses on held-out examples alone, which sees no evaluation set."""
    held_out = held_out_rows(pool)

    def probe(model: Any) -> dict[str, Any]:
        started = time.perf_counter()
        was_training = model.training
        model.eval()
        losses, passed = _validated(model, held_out)
        model.train(was_training)
        return {**losses, "cost": passed + Cost(seconds=time.perf_counter() - started)}

    return probe


def held_out_rows(pool: Stored) -> dict[str, TokenRows]:
    """The pool's examples that nothing is trained on: `validation`, and `target_validation` where it has them."""
    places = {name: pool.folder / f"{name}.parquet" for name in ("validation", "target_validation")}
    return {name: validation_rows(pq.read_table(path)) for name, path in places.items() if path.is_file()}


def _validated(model: Any, held_out: Mapping[str, TokenRows]) -> tuple[dict[str, dict[str, float]], Cost]:
    """By split, loss per target token and how many examples; and the FLOPs and tokens of these passes."""
    losses, cost = {}, Cost()
    for name, rows in held_out.items():
        sums, counts = row_losses(Losses(model), rows)
        losses[name] = {"loss": float(sums.sum() / max(1, np.sum(counts))), "items": len(rows.names)}
        passed = float(flop_model(model).forward(rows.lengths).sum())
        cost += Cost(flops=passed, tokens=int(rows.lengths.sum()))
    return losses, cost


def build_probe(
    *,
    sets: Sequence[EvaluationSet],
    held_out: Mapping[str, TokenRows],
    tokenizer: Any,
    eos_id: int,
    max_new_tokens: int,
    batch_size: int,
    measures: Sequence[MeasureRecipe] = USUAL_MEASURES,
    validates: Sequence[str] = (),
) -> Probe:
    """A probe: losses on held-out examples, and what the measures say of (samples of) the evaluation sets.

    Of plain text the validation loss is the mean over the sets that `validates` names, each counting alike.
    """
    asked = asked_measures(measures)

    def probe(model: Any) -> dict[str, Any]:
        started = time.perf_counter()
        was_training = model.training
        model.eval()
        losses, passed = _validated(model, held_out)
        scores = [
            score_set(
                model, items, tokenizer, eos_id=eos_id, max_new_tokens=max_new_tokens, batch_size=batch_size,
                **answers_for(asked, items),
            )
            for items in sets
        ]  # fmt: skip
        if validates:
            own = [scored for items, scored in zip(sets, scores, strict=True) if items.name in validates]
            mean, count = fmean(scored.loss for scored in own), sum(len(scored.losses) for scored in own)
            losses |= {"validation": {"loss": mean, "items": count}}
        model.train(was_training)
        micro, macro = averages(scores)
        others = beyond(asked, {s.name: item_rows(asked, s, scored) for s, scored in zip(sets, scores, strict=True)})
        return {
            **losses,
            "sets": {
                items.name: {
                    "loss": scored.loss,
                    "exact_match": scored.exact_match,
                    "items": len(scored.correct),
                    "target_tokens": int(scored.target_tokens.sum()),
                    **({"open_items": items.num_open} if items.num_open else {}),
                    **measured_key({name: level for name, (level, _, _) in others.sets[items.name].items()}),
                }
                for items, scored in zip(sets, scores, strict=True)
            },
            "micro": micro | measured_key(others.micro),
            "macro": macro | measured_key(others.macro),
            "cost": scoring_cost(flop_model(model), sets, scores, started) + passed,
        }

    return probe
