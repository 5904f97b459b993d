"""Misuse of the Python API: one line in the words of its arguments, never a traceback of pydantic or Python."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import winnow
from bad_inputs_support import assert_refuses
from tests_support import SMALLEST
from winnow.recipe.file import as_recipe

ROWS = [{"prompt": f"What is {n}?", "completion": f" {n}", "site": "ab"[n % 2], "quality": n} for n in range(20)]
RUNS = [
    {"arm": arm, "seed": seed, "metric": "loss", "value": seed + shift}
    for seed in range(3)
    for shift, arm in enumerate(("full", "herding"))
]
WHOLE, IN_UNIT = "a whole number, 1 or more", "it must lie in (0, 1]"
SEED, THREADS = "from 0 to 2**63 - 1", "from 1 to 1024"
FOLDER, PATH = "it must be the path of a folder", "it must be a path"
KEYS = as_recipe(SMALLEST).model_dump(mode="json")
PARTS = "part -> column, such as {'prompt': 'question'}"
TEXT = "it must be text, and not empty"

SELECT = {
    "fraction text": ({"size": None, "fraction": "x"}, "fraction is 'x'", IN_UNIT),
    "fraction true": ({"size": None, "fraction": True}, "fraction is True", IN_UNIT),
    "fraction nan": ({"size": None, "fraction": float("nan")}, "fraction is nan", IN_UNIT),
    "fraction numpy nan": ({"size": None, "fraction": np.float32("nan")}, "fraction is nan", IN_UNIT),
    "fraction infinite": ({"size": None, "fraction": float("inf")}, "fraction is inf", IN_UNIT),
    "fraction zero": ({"size": None, "fraction": 0}, "fraction is 0", IN_UNIT),
    "fraction negative": ({"size": None, "fraction": np.float64(-0.1)}, "fraction is -0.1", IN_UNIT),
    "fraction list": ({"size": None, "fraction": [0.1]}, "fraction is [0.1]", IN_UNIT),
    "fraction array": ({"size": None, "fraction": np.array([0.1])}, "fraction is of type ndarray", IN_UNIT),
    "fraction huge": ({"size": None, "fraction": 10**400}, "fraction is 10000000000", IN_UNIT),
    "size text": ({"size": "3"}, "size is '3'", WHOLE),
    "size true": ({"size": True}, "size is True", WHOLE),
    "size numpy true": ({"size": np.bool_(True)}, "size is of type bool", WHOLE),
    "size half": ({"size": 1.5}, "size is 1.5", WHOLE),
    "size zero": ({"size": np.int64(0)}, "size is 0", WHOLE),
    "size of more digits than Python prints": ({"size": 10**5000}, "size is of type int", WHOLE),
    "size above the rows": ({"size": 21}, "21 examples are more than the candidates' 20"),
    "tokens text": ({"size": None, "tokens": "many"}, "tokens is 'many'", WHOLE),
    "tokens negative": ({"size": None, "tokens": -5}, "tokens is -5", WHOLE),
    "two sizes": ({"tokens": 5}, "give one of fraction, size, tokens"),
    "no size": ({"size": None}, "give one of fraction, size, tokens"),
    "seed negative": ({"seed": -1}, "seed is -1", SEED),
    "seed text": ({"seed": "x"}, "seed is 'x'", SEED),
    "seed half": ({"seed": 1.5}, "seed is 1.5", SEED),
    "seed too large": ({"seed": 2**64}, "seed is 18446744073709551616", SEED),
    "seed none": ({"seed": None}, "seed is None", SEED),
    "seed true": ({"seed": True}, "seed is True", SEED),
    "threads zero": ({"threads": 0}, "threads is 0", THREADS),
    "threads text": ({"threads": "a"}, "threads is 'a'", THREADS),
    "threads too many": ({"threads": 1e6}, "threads is 1000000.0", THREADS),
    "max_tokens zero": ({"max_tokens": 0}, "max_tokens is 0", WHOLE),
    "max_tokens negative": ({"max_tokens": -1}, "max_tokens is -1", WHOLE),
    "split a number": ({"split": 5}, "split is 5", TEXT),
    "split empty": ({"split": ""}, "split is ''", TEXT),
    "format a number": ({"format": 5}, "format is 5", TEXT),
    "format unknown": ({"format": "alpacca"}, "unknown format 'alpacca'"),
    "prompt a number": ({"prompt": 5}, "prompt is 5", TEXT),
    "completion empty": ({"completion": ""}, "completion is ''", TEXT),
    "selector none": ({"selector": None}, "selector is None", TEXT),
    "selector a number": ({"selector": 5}, "selector is 5", TEXT),
    "selector unknown": ({"selector": "herdng"}, "unknown selector 'herdng'", "did you mean 'herding'"),
    "selector hostile": ({"selector": "a\n\x1b[31m"}, "unknown selector 'a\\n\\x1b[31m'"),
    "score a number": ({"score": 5}, "score is 5", "such as 'loss'"),
    "score a list": ({"score": ["loss"]}, "score is ['loss']", "such as 'loss'"),
    "score of an unknown kind": ({"selector": "top_k", "score": {"kind": 5}}, "score.kind is '5'"),
    "score of no kind": ({"selector": "top_k", "score": {}}, "score is {}"),
    "score an empty name": ({"selector": "top_k", "score": ""}, "no column ''"),
    "representation a number": ({"representation": 5}, "representation is 5", "such as 'gradients'"),
    "representation unknown": ({"selector": "herding", "representation": "hiden_states"}, "mean 'hidden_states'"),
    "representation of a kind that is none": (
        {"selector": "herding", "representation": {"kind": "nope"}}, "representation.kind is 'nope'", "'hidden_states'",
    ),
    "representation of a kind that is a list": (
        {"selector": "herding", "representation": {"kind": [1]}}, "representation.kind",
    ),
    "representation with a bad value": (
        {"selector": "herding", "representation": {"kind": "hidden_states", "layer": "x"}}, "layer is 'x'",
    ),
    "representation with an unknown key": (
        {"selector": "herding", "representation": {"kind": "loss", "bach_size": 1}}, "bach_size",
    ),
    "representation of keys that are numbers": ({"representation": {1: 2}}, "representation is {1: 2}"),
    "options a number": ({"options": 5}, "options is 5", "names with values"),
    "options of keys that are numbers": ({"options": {1: 2}}, "options is {1: 2}", "names with values"),
    "options unknown": ({"options": {"draws": 1}}, "unknown option draws of random"),
    "columns a number": ({"columns": 5}, "columns is 5", PARTS),
    "columns text": ({"columns": "prompt"}, "columns is 'prompt'", PARTS),
    "columns a list": ({"columns": ["prompt"]}, "columns is ['prompt']", PARTS),
    "columns to a number": ({"columns": {"prompt": 5}}, "columns is {'prompt': 5}", PARTS),
    "columns to nothing": ({"columns": {"prompt": None}}, "columns is {'prompt': None}", PARTS),
    "columns of a number": ({"columns": {5: "prompt"}}, "columns is {5: 'prompt'}", PARTS),
    "columns of an unknown part": ({"columns": {"promt": "prompt"}}, "unknown part 'promt'", "mean 'prompt'"),
    "columns to a column that is not there": ({"columns": {"prompt": "question"}}, "no column 'question'"),
    "store a number": ({"store": 5}, "store is 5", FOLDER),
    "store a list": ({"store": ["a"]}, "store is ['a']", FOLDER),
    "store true": ({"store": True}, "store is True", FOLDER),
    "store bytes": ({"store": b"x"}, "store is b'x'", FOLDER),
    "store empty": ({"store": ""}, "store is ''", FOLDER),
    "store with NUL": ({"store": "a\0b"}, "store is 'a\\x00b'", FOLDER),
    "store of a long name": ({"store": "a" * 300}, "store is 'aaa", FOLDER),
    "store below a file": ({"store": f"{SMALLEST}/x"}, "store is ", FOLDER),
    "store below a device": ({"store": Path("/dev/null/x")}, "store is '/dev/null/x'", FOLDER),
    "model a number": ({"model": 5}, "model is 5", "the folder of a model"),
    "model a list": ({"model": ["gpt2"]}, "model is ['gpt2']", "the folder of a model"),
    "model empty": ({"model": ""}, "model is ''", "the folder of a model"),
    "model bytes": ({"model": b"gpt2"}, "model is b'gpt2'", "the folder of a model"),
    "model of a long path": ({"model": "x/" * 4000}, "model is 'x/x/", "the folder of a model"),
    "model that is not there": ({"model": "/nowhere/at/all"}, "/nowhere/at/all"),
    "watch a function": ({"watch": print}, "watch is of type builtin_function_or_method", "winnow.walk.Watch"),
    "rows none": ({"dataset": None}, "dataset is a NoneType", "list of dicts"),
    "rows a number": ({"dataset": 3}, "dataset is a int", "list of dicts"),
    "rows empty": ({"dataset": []}, "dataset has no rows"),
    "rows a generator": ({"dataset": (row for row in ROWS)}, "dataset is a generator", "list of dicts"),
    "rows of mixed types": ({"dataset": [ROWS[0], 5]}, "dataset is a list", "list of dicts"),
    "rows of text": ({"dataset": ["a", "b"]}, "dataset is a list", "list of dicts"),
    "rows one dict": ({"dataset": {"prompt": ["a"]}}, "dataset is a dict", "list of dicts"),
    "rows a data frame": ({"dataset": pd.DataFrame(ROWS)}, "dataset is a DataFrame", "list of dicts"),
    "rows bytes": ({"dataset": b"x"}, "dataset is a bytes", "list of dicts"),
    "rows in no file": ({"dataset": Path("nowhere.jsonl")}, "dataset finds no file"),
    "target a number": ({"selector": "density_ratio", "target": 5}, "target is a int"),
    "target empty": ({"selector": "density_ratio", "target": []}, "target has no rows"),
    "evaluation a number": ({"evaluation": 5}, "evaluation is a int"),
    "evaluation of other columns": ({"evaluation": [{"zzz": 1}]}, "evaluation has the columns zzz"),
    "an argument misspelt": ({"fractoin": 0.1}, "no argument 'fractoin'", "did you mean 'fraction'"),
}  # fmt: skip


def table(cases):
    """A row of a table as the arguments of a test: what is asked, and the words of the answer."""
    return [pytest.param(each[0], each[1:], id=name) for name, each in cases.items()]


@pytest.mark.parametrize(("changed", "said"), table(SELECT))
def test_select(changed, said, tmp_path):
    asked = {"dataset": ROWS, "selector": "random", "size": 3, "store": tmp_path / "store"} | changed
    assert_refuses(lambda: winnow.select(**asked), *said, folder=tmp_path)


@pytest.mark.parametrize("fraction", [np.float32(0.25), np.float64(0.25), 1, np.int64(1)])
def test_numbers_of_numpy_are_numbers(fraction):
    assert len(winnow.select(ROWS, selector="random", fraction=fraction)) == 20 * fraction
    assert len(winnow.select(ROWS, selector="random", size=np.int32(4), seed=np.int64(3))) == 4


COMPARE = {
    "rows none": ({"rows": None}, "runs are given as NoneType"),
    "rows a number": ({"rows": 5}, "runs are given as int"),
    "rows empty": ({"rows": []}, "there are no rows"),
    "rows an empty generator": ({"rows": (row for row in ())}, "there are no rows"),
    "rows one dict": ({"rows": {}}, "runs are given as dict"),
    "rows bytes": ({"rows": b"x"}, "runs are given as bytes"),
    "rows of mixed types": ({"rows": [RUNS[0], 5]}, "a row is of type int"),
    "rows in lists": ({"rows": [[RUNS]]}, "a row is of type list"),
    "rows of keys that are numbers": ({"rows": [{1: 2}]}, "row 1 has no arm"),
    "rows with a key that is nothing": ({"rows": [{None: 2, "arm": "a"}]}, "row 1 has no seed"),
    "rows with keys of all kinds": ({"rows": [{("a",): 1, b"b": 2, 3.5: 3, "amr": 4}]}, "row 1 has no arm"),
    "rows an empty data frame": ({"rows": pd.DataFrame()}, "there are no rows"),
    "rows in no file": ({"rows": "nowhere.csv"}, "nowhere.csv"),
    "a value that is an object": ({"rows": [RUNS[0] | {"value": object()}]}, "row 1 has the value"),
    "baseline unknown": ({"baseline": "ful"}, "baseline is 'ful' (did you mean 'full'?)"),
    "baseline none": ({"baseline": None}, "baseline is None", TEXT),
    "baseline a number": ({"baseline": 5}, "baseline is 5", TEXT),
    "metric empty": ({"metric": ""}, "metric is ''", TEXT),
    "columns text": ({"columns": "step"}, "columns is 'step'", "names with values"),
    "columns unknown": ({"columns": {"price": "x"}}, "columns names 'price'", "arm, seed, metric, value, step"),
    "runs pairs": ({"runs": {"sun": "full"}}, "run 'sun' is given as 'full'", "write ARM:SEED"),
    "metric a number": ({"metric": 5}, "metric is 5", TEXT),
    "metric a list": ({"metric": ["loss"]}, "metric is ['loss']", TEXT),
    "metric unknown": ({"metric": "los"}, "no row has the metric 'los' (did you mean 'loss'?)"),
    "primary unknown": ({"primary": "herdng"}, "primary is 'herdng' (did you mean 'herding'?)"),
    "primary is the baseline": ({"primary": "full"}, "primary and baseline are both 'full'"),
    "primary a number": ({"primary": 5}, "primary is 5", TEXT),
    "direction in words": ({"higher_is_better": "yes"}, "higher_is_better is 'yes'", "True or False"),
    "direction a number": ({"higher_is_better": 1}, "higher_is_better is 1", "True or False"),
    "checkpoint unknown": ({"checkpoint": "zz"}, "checkpoint is 'zz'", "'last' or 'best'"),
    "checkpoint empty": ({"checkpoint": ""}, "checkpoint is ''", "'last' or 'best'"),
    "checkpoint none": ({"checkpoint": None}, "checkpoint is None", "'last' or 'best'"),
    "checkpoint a list": ({"checkpoint": []}, "checkpoint is []", "'last' or 'best'"),
    "the best of one": ({"checkpoint": "best"}, "no run has loss at more than one step"),
    "the best of one by itself": ({"checkpoint": "best", "best_by": "loss"}, "no run has loss at more than one step"),
    "best_by with the last": ({"best_by": "loss"}, "the last checkpoint is compared"),
    "best_by a number": ({"checkpoint": "best", "best_by": 5}, "best_by is 5", TEXT),
    "cost a number": ({"cost": 5}, "cost is 5", TEXT),
    "cost in no column": ({"cost": "dollars"}, "cost is 'dollars', a column in which no row has a number"),
    "confidence one": ({"confidence": 1}, "confidence is 1", "between 0.5 and 1"),
    "confidence in percent": ({"confidence": 95}, "confidence is 95", "between 0.5 and 1"),
    "confidence half": ({"confidence": 0.5}, "confidence is 0.5", "between 0.5 and 1"),
    "confidence text": ({"confidence": "0.95"}, "confidence is '0.95'", "between 0.5 and 1"),
    "confidence nan": ({"confidence": np.nan}, "confidence is nan", "between 0.5 and 1"),
    "confidence true": ({"confidence": True}, "confidence is True", "between 0.5 and 1"),
    "alpha instead": ({"alpha": 0.05}, "no argument 'alpha'", "confidence"),
}


@pytest.mark.parametrize(("changed", "said"), table(COMPARE))
def test_compare(changed, said):
    assert_refuses(lambda: winnow.compare(**{"rows": RUNS, "baseline": "full"} | changed), *said)


ANY_RECIPE = "give a Recipe, the path of its file, or its keys and values"
CALLS = {
    **{
        f"{verb.__name__} of {shown}": (lambda verb=verb, value=value: verb(value), f"recipe is {shown}", ANY_RECIPE)
        for verb in (winnow.run, winnow.plan, winnow.generate)
        for value, shown in ((None, "None"), (5, "5"), (True, "True"), (["a.yaml"], "['a.yaml']"), (b"a", "b'a'"))
    },
    "run of no file": (lambda: winnow.run("nowhere.yaml"), "recipe nowhere.yaml is not a file"),
    "run of a folder": (lambda: winnow.run(Path()), "recipe . is not a file"),
    "run of an empty path": (lambda: winnow.run(""), "path is ''", PATH),
    "run of other keys": (lambda: winnow.run(KEYS | {"nme": "x"}), "nme", "did you mean 'name'"),
    "run of an unknown arm": (lambda: winnow.run(SMALLEST, arm="herdng_0.25"), "herdng_0.25 is no arm"),
    "run of an arm that is a number": (lambda: winnow.run(SMALLEST, arm=5), "arm is 5", TEXT),
    "run of a seed that is text": (lambda: winnow.run(SMALLEST, seed="0"), "seed is '0'", SEED),
    "run of another seed": (lambda: winnow.run(SMALLEST, seed=99), "99 is not in study.seeds"),
    "run to a number": (lambda: winnow.run(SMALLEST, out=5), "out is 5", FOLDER),
    "run to a file": (lambda: winnow.run(SMALLEST, out=SMALLEST), "out is ", FOLDER),
    "run with a store that is true": (lambda: winnow.run(SMALLEST, store=True), "store is True", FOLDER),
    "run watched by a function": (lambda: winnow.run(SMALLEST, watch=print), "watch is of type"),
    "run with an unknown argument": (lambda: winnow.run(SMALLEST, arms="full"), "no argument 'arms'", "mean 'arm'"),
    "plan to a number": (lambda: winnow.plan(SMALLEST, out=5), "out is 5", FOLDER),
    "plan of nothing": (winnow.plan, "missing a required argument: 'recipe'"),
    "generate without a teacher": (lambda: winnow.generate(str(SMALLEST)), "no source of the pool has `synthetic:`"),
    "generate to bytes": (lambda: winnow.generate(SMALLEST, out=b"x"), "out is b'x'", FOLDER),
    "load none": (lambda: winnow.load(None), "folder is None", PATH),
    "load a number": (lambda: winnow.load(5), "folder is 5", PATH),
    "load a recipe": (lambda: winnow.load(winnow.load_recipe(SMALLEST)), "folder is of type Recipe", PATH),
    "load an empty path": (lambda: winnow.load(""), "folder is ''", PATH),
    "load with NUL": (lambda: winnow.load("a\0"), "folder is 'a\\x00'", PATH),
    "load a long path": (lambda: winnow.load("a" * 5000), "folder is 'aaa", PATH),
    "load no study": (lambda: winnow.load("nowhere"), "nowhere/study.json is missing"),
    "report none": (lambda: winnow.report(None), "folder is None", PATH),
    "report a list": (lambda: winnow.report(["a"]), "folder is ['a']", PATH),
    "report no study": (lambda: winnow.report("nowhere"), "nowhere/study.json is missing"),
    "report to a number": (lambda: winnow.report("nowhere", out=5), "out is 5", FOLDER),
    "load_recipe none": (lambda: winnow.load_recipe(None), "path is None", PATH),
    "load_recipe keys": (lambda: winnow.load_recipe({}), "path is {}", PATH),
    "load_recipe with one override": (lambda: winnow.load_recipe(SMALLEST, "name=a"), "overrides is 'name=a'", "list"),
    "load_recipe with numbers": (lambda: winnow.load_recipe(SMALLEST, [5]), "overrides is [5]", "list"),
    "load_recipe with keys": (lambda: winnow.load_recipe(SMALLEST, {"name": "a"}), "overrides is {'name': 'a'}"),
    "compare_checkpoints of none": (
        lambda: winnow.compare_checkpoints(None, SMALLEST, baseline="full"), "folder is None", PATH,
    ),
    "compare_checkpoints without a recipe": (
        lambda: winnow.compare_checkpoints("nowhere", 5, baseline="full"), "recipe is 5", ANY_RECIPE,
    ),
    "compare_checkpoints without a baseline": (
        lambda: winnow.compare_checkpoints("nowhere", SMALLEST), "missing a required argument: 'baseline'",
    ),
    "compare_checkpoints of none there": (
        lambda: winnow.compare_checkpoints("nowhere", SMALLEST, baseline="full"), "nowhere holds no checkpoints",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("call", "said"), table(CALLS))
def test_verbs(call, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert_refuses(call, *said, folder=tmp_path)
    assert list(tmp_path.rglob("*")) == []


@pytest.fixture(scope="module")
def selection():
    return winnow.select(ROWS, selector="random", size=3)


RESULTS = {
    "apply to none": (lambda given: given.apply(None), "apply takes a Dataset"),
    "apply to nothing": (lambda given: given.apply(), "missing a required argument: 'dataset'"),
    "apply to a path": (lambda given: given.apply("rows.jsonl"), "for files use export"),
    "apply to a data frame": (lambda given: given.apply(pd.DataFrame(ROWS)), "not a DataFrame"),
    "apply to an iterator": (lambda given: given.apply(iter(ROWS)), "not a list_iterator"),
    "apply to other rows": (lambda given: given.apply(ROWS[1:]), "has 19 rows"),
    "export to none": (lambda given: given.export(None), "folder is None", FOLDER),
    "export to a number": (lambda given: given.export(5), "folder is 5", FOLDER),
    "export to a file": (lambda given: given.export(SMALLEST), "folder is ", FOLDER),
    "export below a device": (lambda given: given.export("/dev/null/x"), "folder is '/dev/null/x'", FOLDER),
    "export into a folder with files": (lambda given: given.export(SMALLEST.parent), "is there and not empty"),
    "export as csv": (lambda given: given.export("x", format="csv"), "must be parquet or jsonl"),
    "export as a number": (lambda given: given.export("x", format=5), "format is 5", TEXT),
    "licences a number": (lambda given: given.export("x", licences=5), "licences is 5", "the licence of the data"),
    "licences none": (lambda given: given.export("x", licences=None), "licences is None", "the licence of the data"),
    "licences a list": (lambda given: given.export("x", licences=["mit"]), "licences is ['mit']"),
    "licences of a number": (lambda given: given.export("x", licences={"data": 5}), "licences is {'data': 5}"),
    "licences of other sources": (lambda given: given.export("x", licences={"dta": "mit"}), "has 'dta'", "data"),
}


@pytest.mark.parametrize(("call", "said"), table(RESULTS))
def test_selections(call, said, selection, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert_refuses(lambda: call(selection), *said, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("folder", [None, 5, "", b"x", "/dev/null/x", SMALLEST, "a\0", ["x"]])
def test_a_comparison_is_written_into_a_folder(folder):
    assert_refuses(lambda: winnow.compare(RUNS, baseline="full").write(folder), "folder is ", FOLDER)


@pytest.mark.slow
def test_a_recipe_is_taken_as_path_as_keys_and_as_itself(tmp_path):
    recipe = winnow.load_recipe(SMALLEST)
    assert [as_recipe(each) for each in (recipe, str(SMALLEST), SMALLEST, recipe.model_dump())] == [recipe] * 4
    assert winnow.plan(str(SMALLEST), store=tmp_path).arms


# ------------------------------------------------------------------------------------------- public names


@pytest.mark.slow
def test_report_works_twice_in_one_process(finished_study, tmp_path):
    first = winnow.report(finished_study, out=tmp_path / "first")
    assert winnow.report(finished_study, out=tmp_path / "second").verdict == first.verdict
    winnow.compare(RUNS, baseline="full").write(tmp_path / "compared")


ALL_THE_SAME = """
import importlib, pkgutil, sys
import {first}
import winnow
before = {{name: getattr(winnow, name) for name in winnow.__all__}}
for module in pkgutil.walk_packages(winnow.__path__, "winnow."):
    if module.name.rpartition(".")[2] != "__main__" and ".vendor" not in module.name:
        try:
            importlib.import_module(module.name)
        except ImportError as error:  # of an optional package
            assert not (error.name or "").startswith("winnow"), error
other = [name for name in winnow.__all__ if getattr(winnow, name) is not before[name]]
assert other == [] and not [name for name in winnow.__all__ if isinstance(before[name], type(sys))], other
assert set(winnow.__all__) <= set(dir(winnow))
"""


@pytest.mark.long
@pytest.mark.parametrize("first", ["winnow", "winnow.report", "winnow.report.write"])
def test_public_names_stay_what_they_are_after_every_import(first):
    subprocess.run([sys.executable, "-c", ALL_THE_SAME.format(first=first)], check=True)


def test_no_name_is_asked_for_in_vain():
    with pytest.raises(AttributeError, match="no attribute 'slect'"):
        _ = winnow.slect
