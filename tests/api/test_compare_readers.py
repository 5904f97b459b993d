"""`winnow compare` on the files that trainers, trackers and lm-eval leave."""

import csv
import json
import re

import numpy as np
import pytest
from scipy import stats

import winnow
from tests_support import ROOT
from winnow.compare_api.reading import LOSSES, read
from winnow.compare_api.run_names import RunName, assigned, named_in, names_of, of_name, split
from winnow.errors import DataError

PLAIN = names_of({}, {})
LEVELS = {("full", 0): 2.0, ("full", 1): 2.1, ("mine", 0): 1.5, ("mine", 1): 1.7}
"""Arm and seed -> the loss at the end."""


def by_run(given, metric):
    """(arm, seed) -> {step: value}, of one metric."""
    found = {}
    for row in given.measured((metric,)):
        if row["metric"] == metric:
            found.setdefault((row["arm"], row["seed"]), {})[row["step"]] = row["value"]
    return found


def write_csv(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def logs(level, name="eval_loss"):
    """A wide log that ends at a level."""
    return [{"step": step, name: level + (2 - place) / 10, "lr": 1e-3, "note": "x"}
            for place, step in enumerate((0, 10, 20))]  # fmt: skip


def as_expected(given, **options):
    """What winnow says of these files, checked against the levels that were planted."""
    found = winnow.compare(given, baseline="full", **options)
    gains = [LEVELS["mine", seed] - LEVELS["full", seed] for seed in (0, 1)]
    assert found["mine"].difference == pytest.approx(np.mean(gains))
    interval = stats.t.interval(0.95, 1, np.mean(gains), stats.sem(gains))
    assert (found["mine"].low, found["mine"].high) == pytest.approx(interval)
    return found


# ------------------------------------------------------------------------------------------- whose a file is


def test_whose_a_file_is_stands_before_it_or_in_its_path():
    assert split("full:0=a/b.csv") == (RunName("full", 0), "a/b.csv")
    assert split("a/full:0=b.csv") == (None, "a/full:0=b.csv")
    assert split("herding 0.1:12=x=y.csv") == (RunName("herding 0.1", 12), "x=y.csv")
    assert of_name("herding_0.1_s12") == ("herding_0.1", 12)
    assert of_name("herding_s") is None
    assert named_in("out/full_s0/checkpoint-3/trainer_state.json") == ("full", 0)
    assert named_in("full_s0/mine_s1/a.csv") == ("mine", 1), "the nearest counts"
    assert named_in("x/herding_0.1_s3.csv") == ("herding_0.1", 3)
    with pytest.raises(DataError, match="write ARM:SEED=x/a.csv, such as full:0=x/a.csv"):
        named_in("x/a.csv")


def test_names_that_are_none_are_refused():
    assert assigned(["a=b=full:3"]) == {"a=b": "full:3"}
    with pytest.raises(DataError, match="write NAME=ARM:SEED"):
        assigned(["sun-1=full"])
    with pytest.raises(DataError, match="run 'sun' is given as 'full'; write ARM:SEED"):
        names_of({}, {"sun": "full"})
    with pytest.raises(DataError, match="columns names 'cost'; it may name arm, seed"):
        names_of({"cost": "x"}, {})


# ------------------------------------------------------------------------------------------------ wide tables


def test_a_log_for_each_run_is_read_by_its_place_or_its_prefix(tmp_path):
    for (arm, seed), level in LEVELS.items():
        write_csv(tmp_path / f"{arm}_s{seed}" / "log.csv", logs(level))
    found = as_expected(sorted(tmp_path.glob("*/log.csv")))
    assert found.findings.metric == "eval_loss" and [curve.steps for curve in found.findings.curves][0] == (0, 10, 20)
    given = [f"{arm}:{seed}={tmp_path / f'{arm}_s{seed}' / 'log.csv'}" for arm, seed in LEVELS]
    assert as_expected(given).verdict == found.verdict


def test_one_table_of_all_runs_by_columns_of_any_name(tmp_path):
    rows = [{"who": arm, "number": seed, "at": row["step"], "eval_loss": row["eval_loss"], "tokens": row["step"] * 7}
            for (arm, seed), level in LEVELS.items() for row in logs(level)]  # fmt: skip
    path = write_csv(tmp_path / "all.csv", rows)
    named = {"arm": "who", "seed": "number", "step": "at"}
    found = as_expected(path, columns=named, cost="tokens")
    assert [curve.costs for curve in found.findings.curves][0] == (0, 70, 140)
    with pytest.raises(DataError, match=r"no column 'wo' \(did you mean 'who'\?\) for arm"):
        winnow.compare(path, baseline="full", columns=named | {"arm": "wo"})
    with pytest.raises(DataError, match="name the columns: --column arm=NAME --column seed=NAME"):
        winnow.compare(path, baseline="full")
    tidy = [{"who": row["who"], "seed": row["number"], "step": row["at"], "name": "loss", "value": row["eval_loss"]}
            for row in rows]  # fmt: skip
    as_expected(write_csv(tmp_path / "tidy.csv", tidy), columns={"arm": "who", "metric": "name"})


def test_gaps_and_texts_are_no_measurements_and_a_diverged_metric_is_told(tmp_path):
    rows = [{"step": "0", "eval_loss": "", "grad_norm": "nan", "ok": "True"},
            {"step": "5", "eval_loss": "2.5", "grad_norm": "1.0", "ok": "False"}]  # fmt: skip
    write_csv(tmp_path / "full_s0.csv", rows)
    given = read(tmp_path / "full_s0.csv", PLAIN)
    assert by_run(given, "eval_loss") == {("full", 0): {"5": 2.5}}
    assert {row["metric"] for row in given.measured(())} == {"eval_loss", "grad_norm"}
    write_csv(tmp_path / "mine_s0.csv", [rows[1] | {"eval_loss": "nan"}])
    with pytest.raises(DataError, match="has the value nan; it must be a finite number"):
        winnow.compare(sorted(tmp_path.glob("*.csv")), baseline="full")


def test_rows_without_steps_are_one_measurement_of_a_run(tmp_path):
    rows = [{"arm": "full", "seed": 0, "eval_loss": 2}, {"arm": "mine", "seed": 0, "eval_loss": 1}]
    assert by_run(read(write_csv(tmp_path / "a.csv", rows), PLAIN), "eval_loss") == {
        ("full", 0): {None: 2}, ("mine", 0): {None: 1}}  # fmt: skip
    write_csv(tmp_path / "b.csv", [*rows, rows[0]])
    with pytest.raises(DataError, match="several rows of full, seed 0, and no column of steps; name it"):
        read(tmp_path / "b.csv", PLAIN)
    write_csv(tmp_path / "c.csv", [rows[0] | {"seed": "0.5"}])
    with pytest.raises(DataError, match="row 1, has the seed '0.5'; it must be a whole number"):
        read(tmp_path / "c.csv", PLAIN)


# --------------------------------------------------------------------------------------------- W&B


def test_a_chart_of_wandb_has_a_column_a_run(tmp_path):
    rows = []
    for place, step in enumerate((0, 10, 20)):
        row = {"Step": step}
        for (arm, seed), level in LEVELS.items():
            name = "sun-7" if (arm, seed) == ("full", 0) else f"{arm}_s{seed}"
            row |= {f"{name} - _step": step, f"{name} - _step__MIN": step, f"{name} - _step__MAX": step}
            row |= {f"{name} - eval/loss{ending}": level + (2 - place) / 10 for ending in ("", "__MIN", "__MAX")}
        rows.append(row)
    path = write_csv(tmp_path / "chart.csv", rows)
    found = as_expected(path, runs={"sun-7": "full:0"})
    assert found.findings.metric == "eval/loss"
    assert {row["metric"] for row in read(path, names_of({}, {"sun-7": "full:0"})).wide} == {"eval/loss"}
    with pytest.raises(DataError, match="a run named 'sun-7', which does not say arm and seed; say --run 'sun-7=ARM"):
        winnow.compare(path, baseline="full")


def test_a_history_of_wandb_as_jsonl_and_its_table_of_runs(tmp_path):
    for (arm, seed), level in LEVELS.items():
        lines = [{"_step": row["step"], "_runtime": 1.5, "_timestamp": 1.7e9, "eval/loss": row["eval_loss"],
                  "gradients/x": {"bins": [1]}} for row in logs(level)]  # fmt: skip
        lines.insert(1, {"_step": 5, "_runtime": 1.2, "_timestamp": 1.7e9})
        (tmp_path / f"{arm}_s{seed}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = as_expected(sorted(tmp_path.glob("*.jsonl")), cost="_runtime")
    assert "cost_to_quality" in found.tables
    table = [{"Name": f"{arm}_s{seed}", "State": "finished", "Notes": "-", "eval/loss": level, "lr": 0.1}
             for (arm, seed), level in LEVELS.items()]  # fmt: skip
    as_expected(write_csv(tmp_path / "runs.csv", table))
    grouped = [row | {"Group": row["Name"][:4], "seed": row["Name"][-1]} for row in table]
    as_expected(write_csv(tmp_path / "grouped.csv", grouped), columns={"arm": "Group"})


# --------------------------------------------------------------------------------------------- MLflow


@pytest.fixture
def mlruns(tmp_path, monkeypatch):
    """A store of MLflow's own making, with a deleted run in it."""
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    tracking = pytest.importorskip("mlflow.tracking", reason="mlflow is not installed")
    client = tracking.MlflowClient(f"file://{tmp_path / 'mlruns'}")
    experiment = client.create_experiment("e")
    for (arm, seed), level in [*LEVELS.items(), (("gone", 0), 9.0)]:
        run = client.create_run(experiment, run_name=f"{arm}_s{seed}").info.run_id
        client.log_param(run, "seed", seed)
        client.set_tag(run, "method", arm)
        for row in logs(level):
            client.log_metric(run, "eval/loss", row["eval_loss"], step=row["step"])
        if arm == "gone":
            client.delete_run(run)
    return tmp_path / "mlruns"


@pytest.mark.slow
def test_a_store_of_mlflow_is_read_by_run_names_or_by_parameters_and_tags(mlruns):
    found = as_expected(mlruns)
    assert set(found) == {"mine"} and found.findings.metric == "eval/loss"
    as_expected(next(mlruns.glob("[0-9]*[0-9][0-9]")), columns={"arm": "method"})
    assert by_run(read(mlruns, names_of({"arm": "method"}, {})), "eval/loss")["full", 1] == {
        0: pytest.approx(2.3), 10: pytest.approx(2.2), 20: pytest.approx(2.1)}  # fmt: skip
    with pytest.raises(DataError, match="holds 4 runs, and full:0 names one; give its folder"):
        winnow.compare([f"full:0={mlruns}"], baseline="full")


def test_tables_that_mlflow_exports(tmp_path):
    searched = [{"run_id": f"{arm}{seed}", "status": "FINISHED", "metrics.eval_loss": level, "params.seed": seed,
                 "params.lr": 0.1, "params.arm": arm, "tags.mlflow.runName": "x"}
                for (arm, seed), level in LEVELS.items()]  # fmt: skip
    path = write_csv(tmp_path / "searched.csv", searched)
    as_expected(path)
    assert {row["metric"] for row in read(path, PLAIN).wide} == {"eval_loss"}, "parameters are no metrics"
    page = [{"Start Time": "2026-01-01", "Duration": "1.0s", "Run ID": "f00", "Name": f"{arm}_s{seed}", "Status": "-",
             "lr": 0.1, "eval_loss": level} for (arm, seed), level in LEVELS.items()]  # fmt: skip
    as_expected(write_csv(tmp_path / "page.csv", page))


def test_a_damaged_file_of_mlflow_is_named(tmp_path):
    run = tmp_path / "full_s0"
    (run / "metrics").mkdir(parents=True)
    (run / "meta.yaml").write_text("")
    (run / "metrics" / "loss").write_text("1 2.0 0\n1 x 1\n")
    with pytest.raises(DataError, match="metrics/loss, line 2, is not a time, a value and a step"):
        read(f"full:0={run}", PLAIN)


# --------------------------------------------------------------------------------------------- Trainer


def state(path, level):
    """As the Trainer writes it; at the end the best weights are loaded and evaluated again."""
    history = [{"epoch": 0, "step": 0, "eval_loss": level + 1, "eval_runtime": 0.1}]
    history += [{"epoch": 1.0, "grad_norm": float("nan"), "learning_rate": 1e-4, "loss": 3.0, "step": 5}]
    history += [{"epoch": 1.0, "step": 10, "eval_loss": level, "num_input_tokens_seen": 640}]
    history += [{"epoch": 1.0, "step": 10, "total_flos": 1e12, "train_loss": 3.1}, {"step": 10, "eval_loss": 0.0}]
    path.mkdir(parents=True)
    (path / "trainer_state.json").write_text(json.dumps({"global_step": 10, "log_history": history}))


def test_states_of_trainers(tmp_path):
    for (arm, seed), level in LEVELS.items():
        state(tmp_path / f"{arm}_s{seed}", level)
    given = sorted(tmp_path.iterdir())
    found = as_expected(given)
    assert found.findings.metric == "eval_loss"
    curves = by_run(read(given, PLAIN), "eval_loss")
    assert curves["full", 0] == {0: 3.0, 10: 2.0}, "the weights of the step, not those loaded afterwards"
    assert by_run(read(given, PLAIN), "training_loss")["full", 0] == {5: 3.0}
    assert as_expected([f"{arm}:{seed}={tmp_path}/{arm}_s{seed}/trainer_state.json" for arm, seed in LEVELS])


def test_the_latest_checkpoint_of_an_output_folder_is_read(tmp_path):
    for step, level in ((9, 5.0), (10, 2.0), (100, 1.0)):
        state(tmp_path / "full_s0" / f"checkpoint-{step}", level)
    (tmp_path / "full_s0" / "checkpoint-best").mkdir()
    assert by_run(read(tmp_path / "full_s0", PLAIN), "eval_loss")["full", 0][10] == 1.0


@pytest.mark.parametrize(("text", "said"), [
    ("{", "cannot be read as JSON"), ("[]", "has no log_history"), ('{"log_history": []}', "empty log_history"),
    ('{"log_history": [{"loss": 1}]}', "has no step"),
])  # fmt: skip
def test_what_is_no_state_is_one_line(tmp_path, text, said):
    (tmp_path / "trainer_state.json").write_text(text)
    with pytest.raises(DataError, match=said):
        read(f"full:0={tmp_path}", PLAIN)


@pytest.mark.slow
def test_a_run_of_the_trainer_itself(tmp_path, model_folder):
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, Trainer, TrainingArguments

    rows = Dataset.from_list([{"input_ids": [n + 1, n + 2, n + 3], "labels": [n + 1, n + 2, n + 3]} for n in range(8)])
    losses = {}
    for arm, rate in (("full", 1e-6), ("mine", 3e-2)):
        options = TrainingArguments(
            str(tmp_path / f"{arm}_s0"), max_steps=4, eval_strategy="steps", eval_steps=2, logging_steps=2,
            save_steps=4, learning_rate=rate, report_to=[], use_cpu=True, disable_tqdm=True,
        )  # fmt: skip
        model = AutoModelForCausalLM.from_pretrained(model_folder)
        trainer = Trainer(model=model, args=options, train_dataset=rows, eval_dataset=rows)
        trainer.train()
        losses[arm] = trainer.evaluate()["eval_loss"]
    found = winnow.compare([tmp_path / "full_s0", tmp_path / "mine_s0"], baseline="full")
    assert found["mine"].difference == pytest.approx(losses["mine"] - losses["full"], abs=1e-6) and losses["mine"] < 5
    assert {row["step"] for row in found.tables["runs"]} == {4}


# --------------------------------------------------------------------------------------------- lm-eval


def samples(path, scores, task="arc_easy", kept="none", metric="acc"):
    """A file of samples as lm-eval names and writes it."""
    path.mkdir(parents=True, exist_ok=True)
    rows = [{"doc_id": n, "doc_hash": f"h{n}", "filter": kept, "metrics": [metric, "perplexity", "pair"], metric: score,
             "perplexity": -3.0, "pair": [1.0, 2]} for n, score in enumerate(scores)]  # fmt: skip
    with (path / f"samples_{task}_2026-11-29T05-16-20.431604.jsonl").open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


@pytest.fixture
def scores():
    rng = np.random.default_rng(3)
    return {arm: (rng.random(80) < share).astype(float) for arm, share in (("full", 0.3), ("mine", 0.6))}


def test_one_seed_each_gives_a_paired_interval_over_items(tmp_path, scores):
    for arm, each in scores.items():
        samples(tmp_path / f"{arm}_s0" / "__models__tiny", each)
    found = winnow.compare([tmp_path / "full_s0", tmp_path / "mine_s0"], baseline="full")
    mine, paired = found["mine"], scores["mine"] - scores["full"]
    assert (mine.verdict, mine.low, mine.items) == ("too few seeds", None, 80)
    interval = stats.ttest_1samp(paired, 0).confidence_interval(0.95)
    assert (mine.low_over_items, mine.high_over_items) == pytest.approx(tuple(interval))
    points = f"better by {100 * paired.mean():.2f} points (95 % interval {100 * interval.low:.2f} to "
    assert found.notes[-1].startswith(f"Over 80 items in pairs: {points}")
    assert found.notes[-1].endswith("and no other seeds.")
    row = found.tables["comparisons"][0]
    assert row["gain_points_over_items_low"] == pytest.approx(100 * interval.low)
    equal = winnow.compare([f"full:0={tmp_path}/full_s0", f"mine:0={tmp_path}/full_s0"], baseline="full")
    assert "no difference is shown" in equal.notes[-1]


def test_models_are_told_by_the_folder_that_lm_eval_makes_of_their_path(tmp_path, scores):
    for arm, each in scores.items():
        samples(tmp_path / f"__home__me__{arm}_s4", each)
    found = winnow.compare([tmp_path], baseline="full")
    assert found["mine"].items == 80 and found.tables["runs"][0]["seed"] == "4"


def test_two_seeds_are_compared_over_seeds_and_items(tmp_path, scores):
    for seed in (0, 1):
        for arm, each in scores.items():
            samples(tmp_path / f"{arm}_s{seed}", np.roll(each, seed))
    mine = winnow.compare(sorted(tmp_path.iterdir()), baseline="full")["mine"]
    assert mine.seeds == 2 and mine.low is not None
    assert mine.high_over_items - mine.low_over_items >= mine.high - mine.low


def test_several_tasks_and_filters_have_names_of_their_own(tmp_path, scores):
    for arm, each in scores.items():
        samples(tmp_path / f"{arm}_s0", each)
        samples(tmp_path / f"{arm}_s0", each[:10], task="gsm8k", kept="strict-match", metric="exact_match")
        samples(tmp_path / f"{arm}_s0", 1 - each[:40], task="boolq")
    given = sorted(tmp_path.iterdir())
    with pytest.raises(DataError, match=r"say which metric is compared; there are acc, exact_match,strict-match,"):
        winnow.compare(given, baseline="full")
    whole = np.concatenate([scores["mine"] - scores["full"], scores["full"][:40] - scores["mine"][:40]])
    found = {metric: winnow.compare(given, baseline="full", metric=metric)["mine"]
             for metric in ("acc", "boolq/acc", "exact_match,strict-match")}  # fmt: skip
    assert found["acc"].difference == pytest.approx(whole.mean()) and found["acc"].items == 120
    assert found["boolq/acc"].difference == pytest.approx(whole[80:].mean()) and found["boolq/acc"].items == 40
    assert found["exact_match,strict-match"].items == 10
    for lost in ("perplexity", "pair"):
        with pytest.raises(DataError, match=f"no row has the metric '{lost}'"):
            winnow.compare(given, baseline="full", metric=lost)


def test_other_items_or_an_item_twice_are_refused(tmp_path, scores):
    samples(tmp_path / "full_s0", scores["full"])
    samples(tmp_path / "mine_s0", scores["mine"][:60])
    with pytest.raises(DataError, match="mine, seed 0, answered 60 items by acc, and full, seed 0, 80 that are not"):
        winnow.compare(sorted(tmp_path.iterdir()), baseline="full")
    samples(tmp_path / "mine_s0", scores["mine"])
    with pytest.raises(DataError, match="has item 0 of arc_easy a second time for mine, seed 0"):
        winnow.compare(sorted(tmp_path.iterdir()), baseline="full")


@pytest.mark.long
def test_samples_that_lm_eval_itself_writes(tmp_path, monkeypatch):
    lm_eval = pytest.importorskip("lm_eval", reason="lm-eval is not installed")
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.tasks import TaskManager

    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    items = [{"q": f"{n} + 1?", "choices": [str(n + 1), "x"], "gold": n % 2} for n in range(30)]
    (tmp_path / "items.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))
    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "sums.yaml").write_text(
        f"task: sums\ndataset_path: json\ndataset_kwargs: {{data_files: {{test: {tmp_path}/items.jsonl}}}}\n"
        "test_split: test\noutput_type: multiple_choice\ndoc_to_text: '{{q}}'\ndoc_to_target: gold\n"
        "doc_to_choice: choices\nmetric_list: [{metric: acc}]\n"
    )
    levels = {}
    for seed, arm in enumerate(("full", "mine")):
        import random

        random.seed(seed)
        results = lm_eval.simple_evaluate(
            model="dummy", tasks=["sums"], task_manager=TaskManager(include_path=str(tmp_path / "tasks")),
            log_samples=True, bootstrap_iters=0, random_seed=None,
        )  # fmt: skip
        levels[arm] = results["results"]["sums"]["acc,none"]
        tracker = EvaluationTracker(output_path=str(tmp_path / f"{arm}_s0"))
        tracker.general_config_tracker.model_name_sanitized = "dummy"
        tracker.date_id = "2026-11-29T05-16-20.431604"
        tracker.save_results_samples("sums", results["samples"]["sums"])
    found = winnow.compare([tmp_path / "full_s0", tmp_path / "mine_s0"], baseline="full")
    assert (
        found["mine"].difference == pytest.approx(levels["mine"] - levels["full"]) and levels["mine"] != levels["full"]
    )
    assert found["mine"].items == 30


# --------------------------------------------------------------------------------------------- all of them


def test_a_metric_is_chosen_only_where_one_is_meant(tmp_path):
    rows = [{"arm": arm, "seed": 0, "eval_loss": 1, "accuracy": 0.5} for arm in ("full", "mine")]
    path = write_csv(tmp_path / "a.csv", rows)
    assert winnow.compare(path, baseline="full").findings.metric == "eval_loss"
    both = [{key: value for key, value in row.items() if key != "eval_loss"} | {"f1": 1} for row in rows]
    with pytest.raises(DataError, match="say which metric is compared; there are accuracy, f1"):
        winnow.compare(write_csv(tmp_path / "b.csv", both), baseline="full")
    assert LOSSES[0] == "loss" and "train_loss" not in LOSSES


@pytest.mark.parametrize("given", [".", "nothing_s0", "full:0=nothing.csv"])
def test_what_holds_no_runs_is_one_line(tmp_path, monkeypatch, given):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"holds no runs|is no file of runs"):
        winnow.compare(given, baseline="full")


def test_options_of_the_command(command, tmp_path):
    rows = [{"Name": name, "at": 1, "eval_loss": loss} for name, loss in (("sun-1", 2.0), ("moon-2", 1.0))]
    path = write_csv(tmp_path / "runs.csv", rows)
    words = ["--baseline", "full", "--out", tmp_path / "out", "--json"]
    runs = ["--run", "sun-1=full:0", "--run", "moon-2=mine:0"]
    code, out, err = command("compare", path, *words, *runs, "--column", "step=at")
    assert code == 0, err
    assert json.loads(out)["arms"]["mine"]["difference"] == -1.0
    assert command("compare", path, *words, "--column", "step")[0] == 2
    code, _, err = command("compare", path, *words, "--run", "sun-1")
    assert code == 1 and re.search("write NAME=ARM:SEED", err)


def test_the_examples_of_the_docs_are_commands(tmp_path):
    """Each `winnow compare` of the page is understood by the command line's own parser."""
    import shlex

    import typer.main

    from winnow.cli.main import app

    text = (ROOT / "docs" / "statistics.md").read_text()
    lines = re.findall(r"^\$ winnow compare (.*)$", text, re.MULTILINE)
    compare = typer.main.get_command(app).commands["compare"]
    for line in lines:
        context = compare.make_context("compare", shlex.split(line, comments=True))
        assert context.params["baseline"]
    assert len(lines) >= 8
