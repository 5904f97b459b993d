"""The command line as a user meets it: help, output, and one clear line for whatever is wrong."""

import json
import shutil
import subprocess
import sys

import pytest

from tests_support import SMALLEST


def test_help_is_instant_and_imports_no_torch():
    script = "import sys, time; sys.argv = ['winnow', '--help']\nfrom winnow.cli.main import main\ntry: main()\n" \
             "except SystemExit: pass\nprint('torch' in sys.modules, time.process_time())"  # fmt: skip
    done = [
        subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True) for _ in range(3)
    ]
    figures = [run.stdout.splitlines()[-1].split() for run in done]
    assert all(imported == "False" for imported, _ in figures)
    assert min(float(seconds) for _, seconds in figures) <= 0.3
    assert "Example" in done[0].stdout


@pytest.mark.parametrize(
    "verb", ["plan", "run", "generate", "pool", "select", "train", "evaluate", "report", "track", "chat", "merge"]
)
def test_every_verb_has_help_with_an_example(command, verb):
    code, out, _ = command(verb, "--help")
    assert code == 0
    assert f"Example: winnow {verb}" in " ".join(out.split())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "nowhere.yaml"], ["nowhere.yaml", "is not a file"]),
        (["run", SMALLEST, "--set", "selection.fractions=[1.5]"], ["1.5", "(0, 1]"]),
        (["run", SMALLEST, "--set", "budget.pool_epochs=0"], ["budget.pool_epochs is 0", "above 0"]),
        (["run", SMALLEST, "--set", "trainin.learning_rate=1"], ["unknown key trainin", "did you mean 'training'"]),
        (["run", SMALLEST, "--set", "selection.arms=[randm]"], ["unknown selector 'randm'", "did you mean 'random'"]),
        (["plan", SMALLEST, "--set", "nonsense"], ["--set 'nonsense'", "write --set"]),
        (["run", SMALLEST, "--arm", "herding_0.3"], ["--arm herding_0.3", "herding_0.25"]),
        (["report", "recipes"], ["study"]),
    ],
)
def test_bad_input_is_one_line_and_exit_code_1(command, tmp_path, arguments, said):
    if arguments[0] == "run":
        arguments = [*arguments, "--out", tmp_path / "s"]
    code, out, err = command(*arguments)
    assert code == 1
    assert err.startswith("winnow: ")
    assert len(err.strip().splitlines()) == 1
    for words in said:
        assert words in err
    assert not (tmp_path / "s").exists()


def test_wrong_usage_is_exit_code_2(command):
    assert command("run")[0] == 2
    assert command("fly")[0] == 2
    assert command("run", SMALLEST, "--seed", "many")[0] == 2


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{name: x, licence: MIT, path: nowhere/*.jsonl, format: gsm8k}", ["nowhere", "x"]),
        ("{name: x, path: nowhere/*.jsonl, format: gsm8k}", ["licence is missing"]),
        ("{name: x, licence: MIT, path: EMPTY, format: gsm8k}", ["EMPTY"]),
        ("{name: x, licence: MIT, path: FILE, fields: {question: quetion, answer: answer}}", ["quetion", "question"]),
        ("{name: x, licence: MIT, path: FILE, format: gsm9k}", ["gsm9k", "gsm8k"]),
        ("{name: x, licence: MIT, path: BROKEN, format: gsm8k}", ["BROKEN", "2"]),
    ],
)
def test_bad_data_is_one_line(command, tmp_path, monkeypatch, source, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "EMPTY").write_text("")
    (tmp_path / "FILE").write_text('{"question": "What is 1 + 1?", "answer": "2"}\n')
    (tmp_path / "BROKEN").write_text('{"question": "What is 1 + 1?", "answer": "#### 2"}\n{"question": \n')
    for name in ("EMPTY", "FILE", "BROKEN"):
        (tmp_path / name).rename(tmp_path / f"{name}.jsonl")
        source = source.replace(name, f"{name}.jsonl")
    override = f"pool={{sources: [{source}]}}"
    code, _, err = command("pool", SMALLEST, "--out", tmp_path / "s", "--set", override, "--set", "pool.target=null")
    assert code == 1, err
    assert len(err.strip().splitlines()) == 1 or "made" in err
    for words in said:
        assert words in err.splitlines()[-1]


@pytest.mark.slow
def test_pool_says_what_was_removed(command, tmp_path):
    code, out, _ = command("pool", SMALLEST, "--out", tmp_path / "s", "--json")
    assert code == 0
    statistics = json.loads(out)
    assert statistics["removed_overlaps_total"] >= 0
    assert {source["name"] for source in statistics["sources"]} == {"market", "school"}
    assert (
        "removed because their question occurs in an evaluation set"
        in command("pool", SMALLEST, "--out", tmp_path / "s")[1]
    )


@pytest.mark.slow
def test_plan_prints_json_with_the_promised_keys(command, tmp_path):
    code, out, _ = command("plan", SMALLEST, "--out", tmp_path / "s", "--json")
    assert code == 0
    made = json.loads(out)
    assert {"trainable_parameters", "adapter_bytes", "arms"} <= made.keys()
    keys = {
        "name",
        "fraction",
        "epochs",
        "examples",
        "visits_per_example",
        "steps",
        "tokens",
        "exaflops",
        "seconds",
        "dollars",
    }
    assert all(keys <= arm.keys() for arm in made["arms"])
    assert not (tmp_path / ".store" / "train").exists()


def test_select_lists_all_selectors(command):
    code, out, _ = command("select", "--list")
    assert code == 0
    assert {line.split()[0] for line in out.splitlines()} >= {
        "full",
        "random",
        "equal_shares",
        "herding",
        "ids",
        "source_matched",
    }


@pytest.mark.slow
def test_dry_run_makes_nothing(command, tmp_path):
    code, out, _ = command("run", SMALLEST, "--out", tmp_path / "s", "--dry-run", "--json")
    assert code == 0
    assert "train.herding_0.25.s0" in json.loads(out)["missing"]
    assert not (tmp_path / "s").exists()


@pytest.mark.slow
def test_a_run_prints_verdict_table_and_report(command, finished_study):
    code, out, _ = command("run", SMALLEST, "--out", finished_study, "--workers", 1)
    assert code == 0
    assert "herding_0.25 against full" in out
    assert str(finished_study / "report.html") in out
    code, out, _ = command("report", finished_study, "--json")
    assert {"verdict", "tables", "report"} <= json.loads(out).keys()


@pytest.mark.slow
def test_a_full_disk_is_one_line(command, tmp_path, monkeypatch):
    def no_space(*arguments, **options):
        raise OSError(28, "No space left on device", str(tmp_path / "s"))

    monkeypatch.setattr("winnow.files.sync", no_space)
    code, _, err = command("pool", SMALLEST, "--out", tmp_path / "s")
    assert code == 1
    assert "No space left on device" in err
    assert "run the same command again" in err
    finished = [path for path in (tmp_path / ".store").rglob("record.json") if ".partial" not in str(path)]
    assert finished == []


@pytest.mark.slow
def test_a_model_folder_without_tokenizer_is_one_line(command, tmp_path, finished_study):
    model = tmp_path / "model"
    shutil.copytree(finished_study / "base", model)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (model / name).unlink()
    code, _, err = command("pool", SMALLEST, "--out", tmp_path / "s", "--set", f"base={{model: {model}}}")
    assert code == 1
    assert "has no tokenizer" in err.splitlines()[-1]
