"""Benchmarks through our backend against lm-eval's own `HFLM`: the same numbers, and how much faster.

The same tasks on the same data (`../shared/data`), 5-shot and 4-shot where that is usual, with two models: random
weights with a context of 2,048 (4 layers of 128, vocabulary 512) and stories15M (6 layers of 288, vocabulary 32,000,
context 256, so that long prompts are cut). HFLM runs with batch sizes 1, 4 and 16. 100 items a task, fewer where they
are long, as printed; `--full` asks 100 of each (of mmlu 2 a subject) and takes more than half an hour.

Printed per task: the largest difference of a log-likelihood per scored token from HFLM at any of its batch sizes, and
of HFLM from itself between two of them ("own"): float32 products of other shapes add up in another order. Choices that
differ where the best two are more than 1e-4 nats apart; answers written and scores that differ; CPU seconds of HFLM at
batch 16 over ours, the ratio that FLOPs allow (HFLM's as it does them, padding and all logits included, over those of
tokens read once, without padding, logits where something is scored), and the first over the second. Goals: differences
of at most 1e-5, no other choice, answer or score; at least 0.8 of what FLOPs allow, and hellaswag twice as fast. What
HFLM spends on writing answers is not counted, so there "allowed" stays empty.
"""

import argparse
import contextlib
import io
import sys
import time
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from winnow.quiet import quiet_libraries

quiet_libraries()

import torch  # noqa: E402  after the environment is set
from lm_eval.evaluator import evaluate  # noqa: E402
from lm_eval.models.huggingface import HFLM  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel  # noqa: E402

from winnow.errors import DataError  # noqa: E402
from winnow.evaluation.benchmarks.backend import Backend  # noqa: E402
from winnow.evaluation.benchmarks.tasks import FEWSHOT_SEED, load, repeatable  # noqa: E402

SHARED = Path(__file__).parents[2] / "shared"
CHOICES = (
    "hellaswag", "arc_easy", "arc_challenge", "piqa", "winogrande", "truthfulqa_mc1", "truthfulqa_mc2", "mmlu",
    "commonsense_qa", "boolq", "lambada_openai",
)  # fmt: skip
WRITTEN = "gsm8k", "minerva_math500", "ifeval"
BATCH_SIZES = 1, 4, 16
ITEMS = 100
FEWER = {
    "hellaswag": 25, "arc_challenge": 50, "truthfulqa_mc1": 10, "truthfulqa_mc2": 10, "mmlu": 50, "commonsense_qa": 50,
    "boolq": 20, "gsm8k": 4, "minerva_math500": 2, "ifeval": 2,
}  # fmt: skip
MAX_DIFFERENCE, MIN_GAP = 1e-5, 1e-4
MIN_SHARE_OF_ALLOWED, MIN_FASTER = 0.8, {"hellaswag": 2.0}


class CountedHFLM(HFLM):
    """HFLM that counts the FLOPs of its passes."""

    flops = 0.0
    coefficients = None

    def _model_call(self, inps, *args, **kwargs):
        rows, width = inps.shape
        of = self.coefficients
        self.flops += rows * ((of.body + of.head) * width + of.attention * width * width)
        return super()._model_call(inps, *args, **kwargs)


def random_model():
    torch.manual_seed(0)
    tokenizer = AutoTokenizer.from_pretrained(SHARED / "models" / "stories260K")
    sizes = {"n_layer": 4, "n_embd": 128, "n_head": 4, "vocab_size": 512, "n_positions": 2048}
    ends = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    return GPT2LMHeadModel(GPT2Config(**sizes, **ends, initializer_range=0.1)).eval(), tokenizer


def small_model(name):
    folder = SHARED / "models" / name
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    return model, AutoTokenizer.from_pretrained(folder)


MODELS = {"random": random_model, "stories15M": lambda: small_model("stories15M")}


def ask(lm, parts, limit):
    """lm-eval's answer for each of a benchmark's tasks, and the CPU seconds of the model's part of it."""
    spent = 0.0
    calls = {name: getattr(lm, name) for name in ("loglikelihood", "generate_until")}

    def timed(name):
        def call(requests, *args, **kwargs):
            nonlocal spent
            started = time.process_time()
            found = calls[name](requests, *args, **kwargs)
            spent += time.process_time() - started
            return found

        return call

    for name in calls:
        setattr(lm, name, timed(name))
    found = []
    with repeatable(), contextlib.redirect_stderr(io.StringIO()):
        for part in parts:
            name = part.task.task_name
            part.task._instances = None  # answers are kept with the requests
            part.task.set_fewshot_seed(seed=FEWSHOT_SEED)
            found.append(evaluate(lm, {"tasks": {name: part.task}}, limit=limit, bootstrap_iters=0))
    for name in calls:
        delattr(lm, name)
    return found, spent


@dataclass
class Row:
    """What was found for one task and model."""

    task: str
    model: str
    items: int = 0
    difference: float = 0.0
    own: float = 0.0
    picks: int = 0
    answers: int = 0
    scores: int = 0
    faster: float = 0.0
    allowed: float | None = None

    def goals(self):
        """Goal -> whether it is reached."""
        others = self.picks or self.answers or self.scores
        found = {"difference": self.difference <= MAX_DIFFERENCE, "same results": not others}
        if self.allowed is not None:
            found["speed"] = self.faster >= MIN_SHARE_OF_ALLOWED * self.allowed
        if self.task in MIN_FASTER:
            found["times faster"] = self.faster >= MIN_FASTER[self.task]
        return found

    def __str__(self):
        equal = f"{self.items:5} {self.difference:9.1e} {self.own:9.1e} {self.picks:5} {self.answers:7} {self.scores:6}"
        fast = [f"{self.faster:7.2f}", " " * 15]
        if self.allowed is not None:
            fast[1] = f"{self.allowed:8.2f} {self.faster / self.allowed:6.2f}"
        missed = [name for name, is_reached in self.goals().items() if not is_reached]
        verdict = f"missed: {', '.join(missed)}" if missed else "reached"
        return f"{self.task:15} {self.model:10} {equal} {fast[0]} {fast[1]}  {verdict}"


def add_differences(row, lm, ours, theirs):
    """Choices, answers and scores that differ, and the largest difference per token."""
    row.difference = max(row.difference, largest_difference(lm, ours, theirs))
    for mine, other in zip(ours, theirs, strict=True):
        (name,) = mine["samples"]
        for first, second in zip(mine["samples"][name], other["samples"][name], strict=True):
            assert first["prompt_hash"] == second["prompt_hash"]
            if isinstance(first["resps"][0][0], str):
                row.answers += first["resps"] != second["resps"]
                continue
            values = np.array([[a[0][0], b[0][0]] for a, b in zip(first["resps"], second["resps"], strict=True)])
            best = np.sort(values[:, 1])[::-1]
            is_clear = len(best) > 1 and best[0] - best[1] > MIN_GAP
            row.picks += bool(is_clear and values[:, 0].argmax() != values[:, 1].argmax())
        scores = [{k: v for k, v in each["results"][name].items() if isinstance(v, float)} for each in (mine, other)]
        row.scores += sum(not np.isclose(scores[0][key], scores[1][key], rtol=1e-5, atol=1e-9) for key in scores[0])


def largest_difference(lm, first, second):
    """Of two backends' log-likelihoods, in nats per scored token."""
    pairs = [
        (one[0][0], other[0][0], lm._request(*arguments).num_targets)
        for mine, theirs in zip(first, second, strict=True)
        for name in mine["samples"]
        for a, b in zip(mine["samples"][name], theirs["samples"][name], strict=True)
        for one, other, arguments in zip(a["resps"], b["resps"], a["arguments"], strict=True)
        if not isinstance(one[0], str)
    ]
    return max((abs(one - other) / tokens for one, other, tokens in pairs), default=0.0)


def measure(model_name, task, limit, batch_sizes):
    """The row of a task, or why it cannot be asked."""
    model, tokenizer = MODELS[model_name]()
    with contextlib.redirect_stdout(io.StringIO()):  # lm-eval tells of what it tries to fetch
        parts = load(task, data_dir=SHARED / "data", limit=limit)
    lm = Backend(model, tokenizer)
    try:
        ours, seconds = ask(lm, parts, limit)
    except DataError as error:
        return f"{task:15} {model_name:10} left out: {error}"
    asked = {(name, item["doc_id"]) for each in ours for name, items in each["samples"].items() for item in items}
    row = Row(task, model_name, len(asked))
    found = []
    for size in batch_sizes:
        peer = CountedHFLM(pretrained=model, tokenizer=tokenizer, batch_size=size, dtype="float32", device="cpu")
        peer.coefficients = lm.flops.forward
        theirs, their_seconds = ask(peer, parts, limit)
        found.append(theirs)
        add_differences(row, lm, ours, theirs)
    row.own = max((largest_difference(lm, one, other) for one, other in combinations(found, 2)), default=0.0)
    row.faster = their_seconds / seconds
    row.allowed = peer.flops / lm.scorer.work.least_flops(lm.flops) if peer.flops else None
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="+", default=[*CHOICES, *WRITTEN])
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--items", type=int, help="of every task, instead of the numbers that are usual here")
    parser.add_argument("--full", action="store_true", help=f"{ITEMS} items of each task")
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=BATCH_SIZES, help="HFLM's, the largest last")
    options = parser.parse_args()
    if not (SHARED / "data").is_dir():
        sys.exit(f"{SHARED / 'data'} is not there")
    torch.set_num_threads(1)
    heads = ("items", 5), ("max diff", 9), ("own", 9), ("picks", 5), ("answers", 7), ("scores", 6)
    heads = *heads, ("faster", 7), ("allowed", 8), ("of it", 6)
    print(f"{'task':15} {'model':10}", *(f"{name:>{width}}" for name, width in heads), " goals")
    rows = []
    for model in options.models:
        for task in options.tasks:
            items = options.items or (ITEMS if options.full else FEWER.get(task, ITEMS))
            row = measure(model, task, max(1, items // 50) if task == "mmlu" else items, options.batch_sizes)
            print(row, flush=True)
            rows += [row] if isinstance(row, Row) else []
    for goal in dict.fromkeys(name for row in rows for name in row.goals()):
        told = [row.goals()[goal] for row in rows if goal in row.goals()]
        print(f"{goal}: {'reached' if all(told) else 'missed'}, {sum(told)} of {len(told)}")
    print(f"{time.process_time():,.0f} CPU seconds")


if __name__ == "__main__":
    main()
