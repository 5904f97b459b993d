"""Benchmarks through our backend against lm-eval's own `HFLM`: the same numbers, and how much faster.

The same tasks on the same data (`../shared/data`), 100 items a task (of mmlu 2 a subject), 5-shot and 4-shot where
that is usual, with two models: random weights with a context of 2,048 (4 layers of 128, vocabulary 512) and stories15M
(6 layers of 288, vocabulary 32,000, context 256, so that long prompts are cut). HFLM runs with batch sizes 1, 4 and 16.

Printed per task: the largest difference of a log-likelihood per scored token; choices that differ where the best two
are more than 1e-4 nats apart; answers written and scores that differ; CPU seconds of HFLM at batch 16 over ours, the
ratio that FLOPs allow (HFLM's as it does them, padding and all logits included, over those of tokens read once, without
padding, logits where something is scored), and the first over the second. Ends with status 1 where parity fails.
"""

import argparse
import contextlib
import io
import sys
import time
from pathlib import Path

import numpy as np

from winnow.quiet import quiet_libraries

quiet_libraries()

import torch  # noqa: E402  after the environment is set
from lm_eval.evaluator import evaluate  # noqa: E402
from lm_eval.models.huggingface import HFLM  # noqa: E402
from transformers import AutoModelForCausalLM, AutoTokenizer, GPT2Config, GPT2LMHeadModel  # noqa: E402

from winnow.evaluation.benchmarks.backend import Backend  # noqa: E402
from winnow.evaluation.benchmarks.tasks import FEWSHOT_SEED, load, repeatable  # noqa: E402

SHARED = Path(__file__).parents[2] / "shared"
CHOICES = (
    "hellaswag", "arc_easy", "arc_challenge", "piqa", "winogrande", "truthfulqa_mc1", "truthfulqa_mc2", "mmlu",
    "commonsense_qa", "boolq", "lambada_openai",
)  # fmt: skip
WRITTEN = "gsm8k", "minerva_math500", "ifeval"
BATCH_SIZES = 1, 4, 16
MAX_DIFFERENCE, MIN_GAP = 1e-5, 1e-4


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


def compare(lm, ours, theirs):
    """Largest difference per token, choices, answers and scores that differ."""
    difference, picks, answers, scores = 0.0, 0, 0, 0
    for mine, other in zip(ours, theirs, strict=True):
        (name,) = mine["samples"]
        for first, second in zip(mine["samples"][name], other["samples"][name], strict=True):
            assert first["prompt_hash"] == second["prompt_hash"]
            if isinstance(first["resps"][0][0], str):
                answers += first["resps"] != second["resps"]
                continue
            pairs = np.array([[a[0][0], b[0][0]] for a, b in zip(first["resps"], second["resps"], strict=True)])
            lengths = [scored_tokens(lm, *arguments) for arguments in first["arguments"]]
            difference = max(difference, float((np.abs(pairs[:, 0] - pairs[:, 1]) / lengths).max()))
            best = np.sort(pairs[:, 1])[::-1]
            is_clear = len(best) > 1 and best[0] - best[1] > MIN_GAP
            picks += bool(is_clear and pairs[:, 0].argmax() != pairs[:, 1].argmax())
        values = [{k: v for k, v in each["results"][name].items() if isinstance(v, float)} for each in (mine, other)]
        scores += sum(not np.isclose(values[0][key], values[1][key], rtol=1e-5, atol=1e-9) for key in values[0])
    return difference, picks, answers, scores


def scored_tokens(lm, context, continuation):
    return max(1, len(lm._encode_pair(context, continuation)[1])) if context else 1


def measure(model_name, task, items, batch_sizes):
    model, tokenizer = MODELS[model_name]()
    try:
        parts = load(task, data_dir=SHARED / "data", limit=items)
        lm = Backend(model, tokenizer)
        ours, seconds = ask(lm, parts, items)
    except Exception as error:
        if "tokens, the model takes" not in str(error):
            raise
        print(f"{task:16} {model_name:10} left out: {error}", flush=True)
        return True
    worst, picks, answers, scores, ratio, allowed = 0.0, 0, 0, 0, float("nan"), float("nan")
    for size in batch_sizes:
        peer = CountedHFLM(pretrained=model, tokenizer=tokenizer, batch_size=size, dtype="float32", device="cpu")
        peer.coefficients = lm.flops.forward
        theirs, their_seconds = ask(peer, parts, items)
        found = compare(lm, ours, theirs)
        worst, picks = max(worst, found[0]), picks + found[1]
        answers, scores = answers + found[2], scores + found[3]
        if size == max(batch_sizes):
            ratio = their_seconds / seconds
            allowed = peer.flops / lm.scorer.work.least_flops(lm.flops) if peer.flops else float("nan")
    same = f"{task:16} {model_name:10} {worst:9.1e} {picks:6} {answers:8} {scores:7}"
    print(f"{same} {ratio:8.2f} {allowed:8.2f} {ratio / allowed:8.2f}", flush=True)
    return worst <= MAX_DIFFERENCE and not (picks or answers or scores)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tasks", nargs="+", default=[*CHOICES, *WRITTEN])
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--items", type=int, default=100)
    parser.add_argument("--batch-sizes", nargs="+", type=int, default=BATCH_SIZES)
    options = parser.parse_args()
    if not (SHARED / "data").is_dir():
        sys.exit(f"{SHARED / 'data'} is not there")
    torch.set_num_threads(1)
    heads = ("max diff", 9), ("picks", 6), ("answers", 8), ("scores", 7), ("faster", 8), ("allowed", 8), ("of it", 8)
    print(f"{'task':16} {'model':10}", *(f"{name:>{width}}" for name, width in heads))
    is_equal = True
    for model in options.models:
        for task in options.tasks:
            items = max(1, options.items // 50) if task == "mmlu" else options.items
            is_equal &= measure(model, task, items, options.batch_sizes)
    print("parity holds" if is_equal else "parity FAILS")
    sys.exit(not is_equal)


if __name__ == "__main__":
    main()
