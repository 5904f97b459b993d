"""Benchmarks end to end on invented items: the same scores as lm-eval's own backend, every item kept."""

import importlib.util
import json

import benchmark_data
import pyarrow.parquet as pq
import pytest
import torch
from toys import store_artifact, store_tokenizer, toy_tokenizer
from transformers import GPT2Config, GPT2LMHeadModel

from winnow.errors import DataError, UnavailableError
from winnow.parts import BenchmarkPart
from winnow.recipe import BENCHMARKS, BenchmarksRecipe
from winnow.records import Context
from winnow.store import hash_file

if importlib.util.find_spec("lm_eval") is None:
    pytest.skip("lm-eval is not installed", allow_module_level=True)

from lm_eval.evaluator import evaluate
from lm_eval.models.huggingface import HFLM

from winnow.evaluation.benchmarks.backend import Backend
from winnow.evaluation.benchmarks.local_data import FILES, file_digests, local_files, read_splits
from winnow.evaluation.benchmarks.results import item_rows, levels, summarise
from winnow.evaluation.benchmarks.stage import run_benchmark, run_task
from winnow.evaluation.benchmarks.tasks import CONFIGS, FEWSHOT_SEED, load, repeatable

CHOICES = [name for name in BENCHMARKS if name not in ("gsm8k", "minerva_math500", "ifeval")]
PARITY = 1e-5


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return benchmark_data.write(tmp_path_factory.mktemp("benchmarks"))


@pytest.fixture(scope="module")
def model():
    return make_model()


def make_model(context=4096):
    torch.manual_seed(0)
    sizes = {"n_layer": 1, "n_embd": 16, "n_head": 2, "vocab_size": 270, "n_positions": context}
    return GPT2LMHeadModel(GPT2Config(**sizes, bos_token_id=0, eos_token_id=0, initializer_range=0.3)).eval()


def asked(lm, parts, limit):
    """lm-eval's results and samples of a benchmark, its tasks asked by one backend."""
    found = []
    for part in parts:
        part.task._instances = None
        part.task.set_fewshot_seed(seed=FEWSHOT_SEED)
        with repeatable():
            found.append(evaluate(lm, {"tasks": {part.task.task_name: part.task}}, limit=limit, bootstrap_iters=0))
    return [(each["results"], samples) for each in found for samples in each["samples"].values()]


def test_every_benchmark_has_files_and_a_configuration():
    assert set(BENCHMARKS) == set(FILES) == set(CONFIGS)


@pytest.mark.parametrize("name", CHOICES)
def test_scores_are_those_of_lm_evals_own_backend(name, data_dir, model):
    parts = load(name, data_dir=data_dir, limit=5)
    ours = asked(Backend(model, toy_tokenizer()), parts, 5)
    for size in (1, 4):
        theirs = asked(peer(model, size), parts, 5)
        for (results, samples), (expected, other) in zip(ours, theirs, strict=True):
            assert plain(results) == pytest.approx(plain(expected), rel=1e-4)
            for mine, yours in zip(samples, other, strict=True):
                assert mine["prompt_hash"] == yours["prompt_hash"]
                assert values(mine) == pytest.approx(values(yours), abs=PARITY, rel=PARITY)


@pytest.mark.parametrize("name", ["gsm8k", pytest.param("minerva_math500", marks=pytest.mark.slow)])
def test_answers_are_those_of_lm_evals_own_backend(name, data_dir, model):
    parts = load(name, data_dir=data_dir, limit=3)
    ((results, samples),) = asked(Backend(model, toy_tokenizer()), parts, 3)
    ((expected, other),) = asked(peer(model, 2), parts, 3)
    assert [each["prompt_hash"] for each in samples] == [each["prompt_hash"] for each in other]
    assert [each["resps"] for each in samples] == [each["resps"] for each in other]
    assert plain(results) == plain(expected)


def peer(model, batch_size):
    return HFLM(pretrained=model, tokenizer=toy_tokenizer(), batch_size=batch_size, dtype="float32", device="cpu")


def plain(results):
    return {(n, k): v for n, scores in results.items() for k, v in scores.items() if isinstance(v, float | int)}


def values(sample):
    return [response[0][0] for response in sample["resps"]]


def test_rolling_likelihoods_are_those_of_lm_evals_own_backend():
    from lm_eval.api.instance import Instance

    small = make_model(context=32)
    text = "Tom has 12 eggs and a hen that lays one more every day. " * 2
    request = Instance("loglikelihood_rolling", {}, (text,), 0)
    expected = peer(small, 1).loglikelihood_rolling([request])
    assert Backend(small, toy_tokenizer()).loglikelihood_rolling([request]) == pytest.approx(expected, abs=1e-4)


def test_prompts_that_are_too_long_lose_their_beginning_as_in_lm_eval(data_dir):
    small = make_model(context=64)
    parts = load("commonsense_qa", data_dir=data_dir)
    ((_, samples),) = asked(Backend(small, toy_tokenizer()), parts, 4)
    ((_, other),) = asked(peer(small, 2), parts, 4)
    for mine, yours in zip(samples, other, strict=True):
        assert values(mine) == pytest.approx(values(yours), abs=PARITY, rel=PARITY)


def test_summaries_give_lm_evals_values_with_levels_and_errors(data_dir, model):
    for name in ("mmlu", "hellaswag", "lambada_openai", "truthfulqa_mc2"):
        parts = load(name, data_dir=data_dir)
        found = asked(Backend(model, toy_tokenizer()), parts, None)
        samples = [rows for _, rows in found]
        rows = [row for part, given in zip(parts, samples, strict=True) for row in item_rows(part, name, given)]
        summary = summarise(name, rows, levels(name, list(zip(parts, samples, strict=True))))
        count = 16 if name == "mmlu" else 8
        assert summary["items"] == count
        for metric, score in summary["metrics"].items():
            given = zip(found, parts, strict=True)
            expected = [results[part.task.task_name][f"{metric},none"] for (results, _), part in given]
            assert score["value"] == pytest.approx(sum(expected) / len(expected))
        acc = summary["metrics"]["acc"]
        if name in ("mmlu", "hellaswag"):
            share = acc["value"]
            assert acc["stderr"] == pytest.approx((share * (1 - share) / (count - 1)) ** 0.5)
            assert (acc["random_level"], acc["constant_level"]) == (0.25, 0.25)
        if name == "truthfulqa_mc2":
            assert (acc["random_level"], acc["constant_level"]) == (0.5, None)


def test_a_task_leaves_every_item_and_what_it_cost(data_dir, tmp_path):
    inputs = stored(tmp_path)
    part = BenchmarkPart(task="arc_easy", checkpoint="last", limit=6, data_dir=str(data_dir))
    outcome, again = (run_benchmark(part, inputs, Context(folder(tmp_path, name))) for name in ("one", "two"))
    rows = pq.read_table(tmp_path / "one" / "items.parquet").to_pylist()
    assert {row["metric"] for row in rows} == {"acc", "acc_norm"}
    assert len(rows) == 12
    assert all(len(row["prompt_hash"]) == 64 and len(json.loads(row["output"])) == 4 for row in rows)
    assert all(row["score"] == (row["extracted"] == row["target"]) for row in rows if row["metric"] == "acc")
    assert outcome.numbers["metrics"]["acc"]["value"] == sum(r["score"] for r in rows if r["metric"] == "acc") / 6
    assert outcome.costs["evaluate"].flops > 0
    assert outcome.costs["evaluate"].executed_flops > 0
    for file in outcome.outputs:
        assert hash_file(tmp_path / "one" / file) == hash_file(tmp_path / "two" / file)
    assert again.numbers == outcome.numbers


def test_what_cannot_run_here_says_so_by_name(data_dir, tmp_path):
    inputs = stored(tmp_path, context=128)
    for task, place, why in (
        ("gsm8k", data_dir, "answers have up to 256 tokens, the model takes 128"),
        ("piqa", tmp_path / "empty", "piqa/dev has no file"),
    ):
        part = BenchmarkPart(task=task, checkpoint="last", data_dir=str(place))
        with pytest.raises(UnavailableError, match=f"benchmark {task} cannot run here: .*{why}"):
            run_benchmark(part, inputs, Context(folder(tmp_path, task)))


def stored(root, context=512):
    """An artifact with a model, and its tokenizer."""
    run = store_artifact(root, "train", "base")
    make_model(context).save_pretrained(run.folder / "last")
    return {"run": run, "tokenizer": store_tokenizer(root)}


def folder(root, name):
    (root / name).mkdir()
    return root / name


@pytest.mark.slow
def test_ifeval_leaves_out_by_name_what_it_cannot_check(data_dir, monkeypatch):
    monkeypatch.setattr("winnow.evaluation.benchmarks.tasks._has_sentence_tokenizer", lambda: False)
    summary, rows = run_task("ifeval", Backend(make_model(1500), toy_tokenizer()), data_dir=data_dir, limit=2)
    assert "3 of 8 items ask for length_constraints:number_sentences" in summary["left_out"]
    assert summary["items"] == 2
    assert {row["metric"] for row in rows} >= {"prompt_level_strict_acc", "inst_level_loose_acc"}


def test_subjects_without_items_are_left_out_by_name(data_dir):
    parts = load("mmlu", data_dir=data_dir)
    assert [part.subset for part in parts] == ["anatomy", "virology"]
    assert parts[0].left_out == "55 of 57 subsets have no items here"
    assert parts[0].task.config.num_fewshot == 5


@pytest.mark.parametrize("name", FILES)
def test_stored_columns_become_the_hubs_and_the_hubs_stay(name, data_dir):
    data = FILES[name]
    files = local_files(data_dir, data, needs_optional=False)
    for split, rows in read_splits(files, data).items():
        assert [data.adapt(row) for row in rows] == rows, split


def test_few_shot_examples_of_another_form_read_the_same(data_dir):
    rows = read_splits(local_files(data_dir, FILES["hellaswag"], needs_optional=True), FILES["hellaswag"])
    assert rows["train"][0]["activity_label"] == "Going in"
    (part,) = load("hellaswag", data_dir=data_dir, num_fewshot=1, limit=2)
    assert part.task.fewshot_docs()[0]["query"] == "Going in: A man enters Alba. He"


def test_damaged_files_are_named(tmp_path):
    place = tmp_path / "piqa" / "dev.jsonl"
    place.parent.mkdir()
    for text, reason in (("{", "cannot be read"), ("", "has no rows")):
        place.write_text(text)
        with pytest.raises(DataError, match=reason):
            load("piqa", data_dir=tmp_path)
    place.write_text('{"goal": "x"}\n')
    with pytest.raises(DataError, match="rows without 'sol1'; the task reads goal, sol1, sol2, label"):
        load("piqa", data_dir=tmp_path)


def test_the_contents_of_files_are_what_is_asked(data_dir, tmp_path):
    known = file_digests(data_dir, "piqa")
    assert known["piqa/dev"] is not None
    assert known["piqa/train"] is None
    assert file_digests(benchmark_data.write(tmp_path), "lambada_openai")["lambada/test_openai"] is not None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"tasks": ["helaswag"]}, "did you mean 'hellaswag'"),
        ({"tasks": ["piqa", "piqa"]}, "twice"),
        ({"tasks": ["ifeval"], "num_fewshot": {"ifeval": 2}}, "take no examples"),
    ],
)
def test_recipes_that_make_no_sense_are_refused(given, message):
    with pytest.raises(ValueError, match=message):
        BenchmarksRecipe(**given)
