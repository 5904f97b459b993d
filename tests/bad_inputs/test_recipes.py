"""Bad recipes: values, keys, YAML, overrides and paths. Each is one clear line, told before anything is computed."""

import itertools
import math
import os
import typing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel
from ruamel.yaml import YAML

from bad_inputs_support import assert_refuses
from tests_support import SMALLEST
from winnow.errors import RecipeError
from winnow.mistakes import mistakes
from winnow.pipeline import able, checked
from winnow.recipe import Frozen, Recipe
from winnow.recipe.file import load_recipe, parse_recipe, parse_yaml
from winnow.selection import registry
from winnow.verbs.plan import plan

LETTERS = "a" * 300
TREE = YAML(typ="safe").load(SMALLEST.read_text())


# ------------------------------------------------------------------------------------------- one value

VALUES = {
    # a truth is no number, and the other way round; text is neither
    "seeds-true": ("study.seeds=[true]", "study.seeds[0] is true", "integer"),
    "seeds-text": ('study.seeds=["1"]', "study.seeds[0] is '1'", "integer"),
    "seeds-half": ("study.seeds=[1.5]", "study.seeds[0] is 1.5", "integer"),
    "rate-true": ("training.learning_rate=true", "training.learning_rate is true", "number"),
    "rate-text": ('training.learning_rate="0.1"', "training.learning_rate is '0.1'", "number"),
    "rate-comma": ("training.learning_rate=0,001", "training.learning_rate is '0,001'", "number"),
    "rate-list": ("training.learning_rate=[1e-3]", "training.learning_rate is [0.001]", "number"),
    "rate-null": ("training.learning_rate=null", "training.learning_rate is null", "number"),
    "threads-true": ("training.threads=true", "training.threads is true", "integer"),
    "threads-text": ('training.threads="2"', "training.threads is '2'", "integer"),
    "threads-date": ("training.threads=2020-01-01", "training.threads is", "integer"),
    "controls-1": ("selection.controls=1", "selection.controls is 1", "boolean"),
    "controls-0": ("selection.controls=0", "selection.controls is 0", "boolean"),
    "controls-text": ("selection.controls=never", "selection.controls is 'never'", "boolean"),
    "controls-t": ("selection.controls=t", "selection.controls is 't'", "boolean"),
    "packing-1.0": ("training.packing=1.0", "training.packing is 1.0", "boolean"),
    "name-number": ("name=5", "name is 5", "text"),
    "name-true": ("name=true", "name is true", "text"),
    "layer-text": ("selection.representations={h: {kind: hidden_states, layer: last}}", "layer is 'last'", "integer"),
    # nothing that is no number
    "rate-nan": ("training.learning_rate=.nan", "training.learning_rate is nan", "finite"),
    "rate-inf": ("training.learning_rate=.inf", "training.learning_rate is inf", "finite"),
    "rate-1e400": ("training.learning_rate=1e400", "training.learning_rate is inf", "finite"),
    "budget-nan": ("budget.flops=.nan", "budget.flops is nan", "finite"),
    "price-inf": ("machine.dollars_per_hour=.inf", "machine.dollars_per_hour is inf", "finite"),
    "rate-digits": (f"training.learning_rate={'9' * 400}", "training.learning_rate is inf", "finite"),
    "seed-5000-digits": (f"study.seeds=[{'9' * 5000}]", "--set", "not valid YAML", "digits"),
    "seed-hex-digits": (f"study.seeds=[0x{'f' * 6000}]", "study.seeds[0] is of type int", "below"),
    # between what and what
    "betas-above": ("training.betas=[2, 0.5]", "training.betas[0] is 2", "below 1"),
    "betas-below": ("training.betas=[-1, 0.5]", "training.betas[0] is -1", "at least 0"),
    "betas-one": ("training.betas=[0.9, 1]", "training.betas[1] is 1", "below 1"),
    "betas-three": ("training.betas=[0.9, 0.9, 0.9]", "training.betas", "2 items"),
    "betas-half": ("training.betas=[0.9]", "training.betas[1] is missing", "Averaging of AdamW"),
    "threads-million": ("training.threads=1000000", "training.threads is 1000000", "at most 1024"),
    "threads-zero": ("training.threads=0", "training.threads is 0", "at least 1"),
    "devices-many": ("machine.devices=1e9", "machine.devices is", "at most 1024"),
    "examples-1e14": ("pool.sources.0.problems.examples=1e14", "examples", "at most 10000000"),
    "examples-text": ("pool.sources.0.problems.examples=many", "examples is 'many'", "integer"),
    "documents-1e14": ("base.pretrain.sources.0.passages.documents=1e14", "documents", "at most 10000000"),
    "declared-1e14": ("pool.sources.0.examples=1e14", "pool.sources[0].examples", "at most 1000000000"),
    "passages-in-pool": (
        "pool.sources.0={name: m, licence: x, passages: {documents: 5}}", "'m' holds plain text, source 'school'"),
    "text-in-pool": (
        "pool.sources.0={name: m, licence: x, path: m.jsonl, format: text}", "'m' holds plain text, source 'school'"),
    "declared-few": ("pool.sources.0={name: a, licence: x, path: x, format: text, examples: 9, tokens: 3}", "3 tokens"),
    "layers": ("base.pretrain.architecture.n_layer=100000", "n_layer is 100000", "at most 1,000"),
    "layers-1e5": ("base.pretrain.architecture.n_layer=1e5", "n_layer is 100000.0", "at most 1,000"),
    "width": ("base.pretrain.architecture.n_embd=1e8", "n_embd is 100000000.0", "at most 200,000"),
    "width-inf": ("base.pretrain.architecture.n_embd=.inf", "n_embd is inf", "at most 200,000"),
    "width-nan": ("base.pretrain.architecture.n_embd=.nan", "n_embd is nan", "at most"),
    "positions": ("base.pretrain.architecture.n_positions=1e12", "n_positions", "at most 1,000,000,000"),
    "architecture-none": ("base.pretrain.architecture={}", "base.pretrain.architecture"),
    "vocabulary": ("base.pretrain.tokenizer.vocab_size=1e12", "vocab_size", "at most 10000000"),
    "context": ("base.pretrain.context_tokens=1e12", "context_tokens", "at most 10000000"),
    "price": ("machine.dollars_per_hour=1e308", "machine.dollars_per_hour is 1e+308", "at most 1000000"),
    "price-below": ("machine.dollars_per_hour=-1", "machine.dollars_per_hour is -1", "at least 0"),
    "speed-none": ("machine.flops_per_second=1e-300", "machine.flops_per_second is 1e-300", "at least 1"),
    "speed-much": ("machine.flops_per_second=1e308", "machine.flops_per_second is 1e+308", "at most 1e+24"),
    "budget-much": ("budget.flops=1e308", "budget.flops is 1e+308", "at most 1e+30"),
    "budget-tokens": ("budget.tokens=1e30", "budget.tokens is", "at most"),
    "budget-epochs": ("budget.pool_epochs=0", "budget.pool_epochs is 0", "above 0"),
    "budget-negative": ("budget.seconds=-5", "budget.seconds is -5", "above 0"),
    "seed-below": ("study.seeds=[-1]", "study.seeds[0] is -1", "at least 0"),
    "seed-2-64": (f"study.seeds=[{2**64}]", f"study.seeds[0] is {2**64}", "below 9223372036854775808"),
    "seed-2-63": (f"pool.seed={2**63}", "pool.seed", "below 9223372036854775808"),
    "rate-much": ("training.learning_rate=1e308", "training.learning_rate is 1e+308", "at most 1000"),
    "rate-none": ("training.learning_rate=0", "training.learning_rate is 0", "above 0"),
    "dropout-all": ("training.lora.lora_dropout=1", "training.lora.lora_dropout is 1", "below 1"),
    "rank": ("training.lora.r=1e9", "training.lora.r is", "at most 8192"),
    "fraction-0": ("selection.fractions=[0]", "selection.fractions[0] is 0", "(0, 1]"),
    "fraction-above": ("selection.fractions=[1.01]", "selection.fractions[0] is 1.01", "(0, 1]"),
    "confidence-1": ("study.confidence=1", "study.confidence is 1", "at most 0.999999"),
    "confidence-half": ("study.confidence=0.5", "study.confidence is 0.5", "above 0.5"),
    "warm-up": ("training.warmup_fraction=1.2", "training.warmup_fraction is 1.2", "at most 1"),
    "phases": (
        "training={schedule: warmup_stable_decay, warmup_fraction: 0.9, decay_fraction: 0.2}",
        "warmup_fraction and decay_fraction exceed 1 together",
    ),
    "features-odd": (
        "selection.representations={h: {kind: hidden_states, fourier: {features: 7}}}", "features is 7", "multiple",
    ),
    "every-0": ("evaluation.every_steps=0", "evaluation.every_steps is 0", "at least 1"),
    "published": ("published={full: {epochs: 1e308}}", "published.full.epochs is 1e+308", "at most 1e+18"),
    "published-below": ("published={full: {dollars: -3}}", "published.full.dollars is -3", "at least 0"),
    # names
    "name-long": (f"name={LETTERS}", "name is 'aaa", "100 characters"),
    "name-path": ("name=a/b", "name is 'a/b'", "a name of letters"),
    "name-up": ("name=..", "name is '..'", "a name of letters"),
    "name-empty": ("name=''", "name is ''", "a name of letters"),
    "name-space": ("name='a b'", "name is 'a b'", "a name of letters"),
    "name-newline": ('name="a\\n"', "name is 'a\\n'", "a name of letters"),
    "name-nul": ('name="a\\0b"', "cannot be printed", "'a\\x00b'"),
    "name-escape": ('name="\\e[31mred"', "cannot be printed", "\\x1b[31m"),
    "name-surrogate": ('name="\\ud800"', "\\ud800"),
    "name-draft": ("name=study.partial", "ends as winnow's own temporary files do"),
    "name-lock": ("name=study.lock", "ends as winnow's own temporary files do"),
    "name-other-letters": ("name=наука", "name is 'наука'", "a name of letters"),
    "source-name": ("pool.sources.0.name=a/b", "pool.sources[0].name is 'a/b'", "a name of letters"),
    "set-micro": ("evaluation.sets.0.name=micro", "evaluation", "'micro'", "rename it"),
    "set-macro": ("evaluation.sets.0.name=macro", "evaluation", "'macro'", "rename it"),
    "set-validation": ("evaluation.sets.0.name=validation", "evaluation", "'validation'", "rename it"),
    # lists
    "seeds-none": ("study.seeds=[]", "study.seeds", "at least 1 item"),
    "seeds-one": ("study.seeds=0", "study.seeds is 0", "a list"),
    "seeds-twice": ("study.seeds=[0, 0]", "study.seeds is [0, 0]", "every seed once"),
    "seeds-mapping": ("study.seeds={0: 1}", "key 0", "no text"),
    "sources-none": ("pool.sources=[]", "pool.sources", "at least 1 item"),
    "sets-none": ("evaluation.sets=[]", "evaluation.sets", "at least 1 item"),
    "fractions-none": ("selection.fractions=[]", "selection.fractions", "at least 1 item"),
    "arm-fractions-none": ("selection.arms=[{selector: random, fractions: []}]", "fractions", "at least 1 item"),
    "targets-none": ("training.lora.target_modules=[]", "training.lora.target_modules", "at least 1 item"),
    "targets-twice": ("training.lora.target_modules=[c_attn, c_attn]", "'c_attn' stands there twice"),
    "targets-empty": ("training.lora.target_modules=''", "training.lora.target_modules is ''", "not empty"),
    "targets-pattern": ("training.lora.target_modules='['", "target_modules", "'[' is no regular expression"),
    "targets-pattern-deep": (f"training.lora.target_modules='{'(' * 900}'", "is no regular expression"),
    "targets-repeat": ("training.lora.target_modules='a{99999999999}'", "is no regular expression"),
    "freeze-pattern": ("training={method: full, freeze: ['*']}", "training.freeze[0]", "'*' is no regular expression"),
    "families-none": ("pool.sources.0.problems.families=[]", "families", "at least 1 item"),
    "paths-none": ("pool.sources.0={name: a, licence: MIT, path: [], format: gsm8k}", "path", "at least 1 item"),
    "paths-twice": ("pool.sources.0={name: a, licence: MIT, path: [x, x], format: gsm8k}", "'x' stands there twice"),
    "path-empty": ("pool.sources.0={name: a, licence: MIT, path: '', format: gsm8k}", "path is ''", "not empty"),
    "stage-sources-none": ("stages=[{name: s, budget: {examples: 5}, sources: []}]", "sources", "at least 1 item"),
    "rates-twice": ("study.sweep={learning_rate: [1e-3, 1e-3]}", "every rate once"),
    "rates-one": ("study.sweep={learning_rate: [1e-3]}", "study.sweep.learning_rate", "at least 2 items"),
    "tasks-twice": ("evaluation.benchmarks={tasks: [piqa, piqa]}", "names a task twice"),
    "task-unknown": ("evaluation.benchmarks={tasks: [pika]}", "did you mean 'piqa'?"),
    # words and keys
    "word": ("training.schedule=liner", "training.schedule is 'liner'", "did you mean 'linear'?"),
    "word-number": ("training.schedule=5", "training.schedule is 5", "allowed"),
    "word-hex-digits": (f"training.schedule=0x{'f' * 6000}", "training.schedule is of type int", "allowed"),
    "word-long": (f"training.schedule={'x' * 5000}", "training.schedule is 'xxx", "allowed"),
    "metric-empty": ("study.primary.metric=''", "study.primary.metric is ''", "text that is not empty"),
    "metric-number": ("study.primary.metric=3", "study.primary.metric is 3", "text"),
    "measure-twice": ("evaluation.measures=[loss, {name: loss}]", "evaluation.measures names 'loss' twice", "once"),
    "measure-key": ("evaluation.measures=[{nam: loss}]", "unknown key evaluation.measures[0].nam", "'name'"),
    "measures-text": ("evaluation.measures=loss", "evaluation.measures is 'loss'", "a list"),
    "keep": ("study.keep=lats", "study.keep is 'lats'", "did you mean 'last'?"),
    "keep-both": ("study.keep=[best, last]", "study.keep", "'best'"),
    "cost": ("study.primary.cost=money", "study.primary.cost is 'money'", "allowed"),
    "checkpoint": ("study.primary.checkpoint=first", "study.primary.checkpoint is 'first'", "allowed"),
    "key": ("training.learning_rat=1", "unknown key training.learning_rat", "did you mean 'learning_rate'?"),
    "key-long": (f"training.{'x' * 5000}=1", "unknown key training.xxx"),
    "key-deep": ("a.b.c.d.e.f=1", "unknown key a;"),
    "section-scalar": ("training=5", "training is 5", "keys and values"),
    "section-list": ("training=[1, 2]", "training is [1, 2]", "keys and values"),
    "section-null": ("budget=null", "budget is null", "keys and values"),
    "kind": ("selection.representations={h: {kind: hiden_states}}", "did you mean 'hidden_states'?"),
    "teacher": ("pool.sources.0.synthetic={examples: 5, teacher: {kind: nobody}}", "kind is 'nobody'", "allowed"),
    "api-key": (
        "pool.sources.0={name: a, licence: x, synthetic: {examples: 5, teacher: {kind: endpoint, model: m, "
        "url: 'http://u:p@h/v1'}}}", "name or password",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", VALUES.values(), ids=VALUES)
def test_a_bad_value_is_one_line(case):
    override, *said = case
    assert_refuses(lambda: load_recipe(SMALLEST, [override]), *said)


@pytest.mark.parametrize(("override", "read", "value"), [
    ("training.learning_rate=1e-3", lambda r: r.training.learning_rate, 1e-3),
    ("training.learning_rate='1e-3'", lambda r: r.training.learning_rate, 1e-3),  # as parsers of YAML 1.1 read it
    ("training.learning_rate=1", lambda r: r.training.learning_rate, 1.0),
    ("budget.tokens=2e4", lambda r: r.budget.tokens, 20_000),
    ("budget.tokens=20_000", lambda r: r.budget.tokens, 20_000),
    ("budget.tokens='2e4'", lambda r: r.budget.tokens, 20_000),
    ("training.threads=2.0", lambda r: r.training.threads, 2),
    ("selection.controls=no", lambda r: r.selection.controls, False),
    ("selection.controls=On", lambda r: r.selection.controls, True),
    ("study.seeds=[9223372036854775807]", lambda r: r.study.seeds, (2**63 - 1,)),
    ("training.betas=[0, 0.999]", lambda r: r.training.betas, (0.0, 0.999)),
    ("selection.arms=[]", lambda r: r.selection.arms, ()),
    ("base.pretrain.architecture.rope_theta=1e7", lambda r: r.base.pretrain.architecture["rope_theta"], 1e7),
])  # fmt: skip
def test_what_people_write_is_read_as_meant(override, read, value):
    found = read(load_recipe(SMALLEST, [override]))
    assert found == value
    assert type(found) is type(value)


def test_numbers_of_numpy_are_numbers():
    import numpy as np

    training = {"threads": np.int64(2), "learning_rate": np.float32(0.5)}
    recipe = parse_recipe(TREE | {"training": training, "study": {"seeds": list(np.arange(2))}})
    assert (recipe.training.threads, recipe.training.learning_rate, recipe.study.seeds) == (2, 0.5, (0, 1))


# -------------------------------------------------------------------------------------- the whole schema

ODD = True, False, "x", "", math.nan, math.inf, -math.inf, -1, 0, 1.5, 1e308, -1e308, 10**30, 10**400, None, [], {}
FULL = {
    "pool.sources.0": {"name": "market", "licence": "x", "synthetic": {"examples": 5, "teacher": {
        "kind": "endpoint", "url": "http://localhost:1/v1", "model": "m", "dollars_per_million_prompt_tokens": 1.0},
        "max_dollars": 1.0, "majority_of": 3}},
    "pool.sample": 100, "pool.hygiene": {}, "pool.plant": {"copies": 0.1},
    "selection.representations": {
        "h": {"kind": "hidden_states"}, "g": {"kind": "gradients", "lora": {}}, "l": {"kind": "loss"},
        "n": {"kind": "ngrams"}, "e": {"kind": "embeddings", "model": "base"}, "i": {"kind": "ifd"}},
    "stages": [{"name": "first", "budget": {"examples": 5}, "keep_every_steps": 3}],
    "study.sweep": {"learning_rate": [1e-3, 1e-2]},
    "evaluation.benchmarks": {"tasks": ["piqa"], "limit": 3, "num_fewshot": {"piqa": 1}},
    "published": {"full": {"epochs": 1.0}},
}  # fmt: skip


def with_value(tree, place, value):
    """The tree with one value put in, at a dotted place."""
    if not place:
        return value
    (key, *rest) = place
    if isinstance(tree, list):
        return [with_value(each, rest, value) if str(at) == key else each for at, each in enumerate(tree)]
    return {**(tree or {}), key: with_value((tree or {}).get(key, {}), rest, value)}


def full_tree():
    tree = TREE
    for place, value in FULL.items():
        tree = with_value(tree, place.split("."), value)
    return tree


def numbers_and_truths(model, place=()):
    """Place of every number and truth in a model's fields, its inner models' too; of lists and mappings one entry."""
    for key, field in type(model).model_fields.items():
        value = getattr(model, key)
        yield from _leaves(value, field.annotation, (*place, key))


def _leaves(value, annotation, place):
    if isinstance(value, BaseModel):
        yield from numbers_and_truths(value, place)
    elif isinstance(value, dict):
        for key, inner in itertools.islice(value.items(), 9):
            yield from _leaves(inner, annotation, (*place, key))
    elif isinstance(value, tuple) and value:
        yield from _leaves(value[0], annotation, (*place, "0"))
    elif {int, float, bool} & set(leaf_types(annotation)):
        yield place


def leaf_types(annotation):
    if isinstance(annotation, type):
        yield annotation
    for part in typing.get_args(annotation):
        yield from leaf_types(part)


PLACES = [place for place in numbers_and_truths(parse_recipe(full_tree())) if "architecture" not in place]


def test_the_schema_is_walked():
    assert len(PLACES) > 110
    assert ("training", "betas", "0") in PLACES
    assert ("base", "pretrain", "training", "threads") in PLACES


@pytest.mark.parametrize("place", PLACES, ids=".".join)
def test_every_number_takes_any_value_or_refuses_it_in_one_line(place):
    """In the schema and in what is checked before the first stage; no value of another type is taken for a number."""
    for value in ODD:
        try:
            recipe = parse_recipe(with_value(full_tree(), place, value))
        except RecipeError as error:
            assert_refuses(lambda error=error: (_ for _ in ()).throw(error))
            continue
        found = recipe
        for key in place:
            found = _inside(found, key)
        found = list(found) if isinstance(found, tuple) else found
        assert found == value and isinstance(found, bool) == isinstance(value, bool), (place, value, found)
        assert all(isinstance(each, str) and each.isprintable() for each in mistakes(recipe))


def _inside(found, key):
    if isinstance(found, tuple | dict):
        return found[key] if isinstance(found, dict) else found[int(key)]
    return getattr(found, key)


def test_no_field_of_a_recipe_or_selector_takes_true_for_a_number():
    models = [*_models(Recipe), *(registry.options_of(name) for name in registry.traits())]
    for model, key in ((each, key) for each in models for key in each.model_fields):
        field = model.model_fields[key]
        kinds = set(leaf_types(field.annotation))
        if kinds & {int, float} and not kinds & {bool, typing.Any} and typing.get_origin(field.annotation) is None:
            with pytest.raises(ValueError, match=key):
                model.model_validate({key: True})


def _models(model, seen=None):
    seen = [] if seen is None else seen
    if model not in seen:
        seen.append(model)
        for field in model.model_fields.values():
            for inner in leaf_types(field.annotation):
                if isinstance(inner, type) and issubclass(inner, Frozen):
                    _models(inner, seen)
    return seen


# ------------------------------------------------------------------------------------- YAML and overrides

YAMLS = {
    "empty": (b"", "holds nothing"),
    "comment": (b"# nothing\n", "holds nothing"),
    "scalar": (b"5\n", "holds a int"),
    "text": (b"hello\n", "holds a str"),
    "list": (b"- a\n- b\n", "holds a list"),
    "open-list": (b"name: [a", "not valid YAML"),
    "open-quote": (b"name: 'a", "not valid YAML"),
    "twice": (b"name: a\nname: b\n", "line 2", "duplicate key"),
    "twice-inside": (b"training: {threads: 1, threads: 2}\n", "duplicate key"),
    "tab": (b"training:\n\tthreads: 1\n", "not valid YAML"),
    "indent": (b"name: a\n  pool: b\n", "not valid YAML"),
    "nul": (b"name: a\0b\n", "not valid YAML"),
    "control": (b"name: a\x07b\n", "not valid YAML"),
    "utf-16": ("name: a\n".encode("utf-16"), "cannot be read as UTF-8"),
    "latin-1": ("name: für\n".encode("latin-1"), "cannot be read as UTF-8"),
    "two": (b"name: a\n---\nname: b\n", "not valid YAML", "another document"),
    "tag": (b"name: !!python/object/apply:os.system [ls]\n", "not valid YAML"),
    "own-tag": (b"name: !secret x\n", "not valid YAML"),
    "alias": (b"name: *a\n", "not valid YAML"),
    "itself": (b"name: &a [*a]\n", "an alias that holds itself"),
    "merge": (b"training: {<<: 5}\n", "not valid YAML"),
    "nested-lists": (b"name: " + b"[" * 2000 + b"]" * 2000, "nested too deeply"),
    "nested-mappings": (b"name: " + b"{a: " * 2000 + b"}" * 2000, "nested too deeply"),
    "nested-200": (b"name: " + b"[" * 120 + b"]" * 120, "more values than any recipe"),
    "digits": (b"name: " + b"9" * 5000, "not valid YAML", "digits"),
    "date": (b"name: 2020-99-99", "not valid YAML"),
    "laughs": (
        b"a: &a [1,2,3,4,5,6,7,8,9]\n"
        + b"".join(b"%c: &%c [%s]\n" % (c, c, b",".join([b"*%c" % (c - 1)] * 9)) for c in range(98, 106)),
        "more values than any recipe",
    ),
    "key-number": (b"1: a\n", "key 1", "no text"),
    "key-null": (b"~: a\n", "key null", "no text"),
    "key-list": (b"? [a, b]\n: c\n", "key"),
    "key-mapping": (b"? {a: b}\n: c\n", "key"),
    "key-truth": (b"true: a\n", "key true", "no text"),
    "extends-list": (b"extends: [a]\n", "extends ['a']"),
    "extends-number": (b"extends: 5\n", "extends 5"),
    "extends-none": (b"extends: nowhere.yaml\n", "nowhere.yaml is not a file"),
    "extends-folder": (b"extends: .\n", "is not a file"),
    "extends-empty": (b"extends: ''\n", "is not a file"),
    "extends-long": (b"extends: " + b"a" * 5000 + b"\n", "is not a file", "too long"),
    "extends-nul": (b'extends: "a\\0b"\n', "cannot be printed"),
    "extends-itself": (b"extends: recipe.yaml\n", "extends itself"),
    "extends-device": (b"extends: /dev/zero\n", "/dev/zero is not a file"),
    "large": (b"#" * 250_001, "MB"),
}


@pytest.mark.parametrize("case", YAMLS.values(), ids=YAMLS)
def test_a_bad_file_is_one_line(case, tmp_path):
    content, *said = case
    path = tmp_path / "recipe.yaml"
    path.write_bytes(content)
    assert_refuses(lambda: load_recipe(path), *said)


def test_a_byte_order_mark_is_none_of_the_recipe(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + SMALLEST.read_bytes())
    assert load_recipe(path) == load_recipe(SMALLEST)


def test_a_chain_of_parents_has_an_end(tmp_path):
    for number in range(60):
        (tmp_path / f"{number}.yaml").write_text(f"extends: {number + 1}.yaml\n")
    assert_refuses(lambda: load_recipe(tmp_path / "0.yaml"), "more than 20 others in a row")


PATHS = {
    "none": lambda folder: folder / "none.yaml",
    "folder": lambda folder: folder,
    "long": lambda folder: folder / ("a" * 6000),
    "long-name": lambda folder: folder / f"{LETTERS}.yaml",
    "nul": lambda folder: Path(f"{folder}/a\0b"),
    "surrogate": lambda folder: folder / "a\udcff.yaml",
    "newline": lambda folder: folder / "a\nb.yaml",
    "escape": lambda folder: folder / "a\x1b[31mb.yaml",
    "device": lambda folder: Path("/dev/zero"),
    "null": lambda folder: Path("/dev/null"),
    "below-a-file": lambda folder: SMALLEST / "recipe.yaml",
    "empty": lambda folder: Path(),
}


@pytest.mark.parametrize("place", PATHS.values(), ids=PATHS)
def test_a_bad_path_is_one_line(place, tmp_path):
    is_name = place(tmp_path).name not in ("a\0b", "a" * 6000, f"{LETTERS}.yaml")  # else no name of any file
    assert_refuses(lambda: load_recipe(place(tmp_path)), "is not a file" if is_name else "must be a path")


def test_what_is_no_regular_file_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    (tmp_path / "dangling.yaml").symlink_to("nowhere.yaml")
    for name in ("pipe", "loop", "dangling"):
        assert_refuses(lambda name=name: load_recipe(tmp_path / f"{name}.yaml"), f"{name}.yaml is not a file")


OVERRIDES = {
    "no-value": ("training.threads", "has no key and value"),
    "no-key": ("=5", "has no key and value"),
    "empty": ("", "has no key and value"),
    "dots": ("training..threads=5", "has an empty key"),
    "dot-first": (".threads=5", "has an empty key"),
    "dot-last": ("training.=5", "has an empty key"),
    "only-dots": ("...=5", "has an empty key"),
    "superscript": ("pool.sources.²=x", "'²' is no position in a list of 2"),
    "arabic": ("pool.sources.٠=x", "'٠' is no position"),
    "circled": ("pool.sources.①.name=x", "'①' is no position"),
    "beyond": ("pool.sources.2.name=x", "'2' is no position in a list of 2"),
    "below": ("pool.sources.-1.name=x", "'-1' is no position"),
    "plus": ("pool.sources.+1.name=x", "'+1' is no position"),
    "half": ("pool.sources.1_0.name=x", "'1_0' is no position"),
    "many-digits": (f"pool.sources.{'9' * 5000}.name=x", "is no position"),
    "word": ("pool.sources.first=x", "'first' is no position"),
    "yaml": ("training.betas=[0.9", "not valid YAML"),
    "nested": (f"training.betas={'[' * 2000}", "nested too deeply"),
    "tag": ("name=!!python/name:os.system", "not valid YAML"),
    "alias": ("name=*x", "not valid YAML"),
    "two": ("training={threads: 1, threads: 2}", "duplicate key"),
    "documents": ("name=a\n---\nb", "not valid YAML"),
}


@pytest.mark.parametrize("case", OVERRIDES.values(), ids=OVERRIDES)
def test_a_bad_override_is_one_line(case):
    override, *said = case
    assert_refuses(lambda: load_recipe(SMALLEST, [override]), *said)


def test_nothing_of_yaml_escapes():
    """Short pieces of every kind of punctuation give a value or a RecipeError."""
    for text in list(map("".join, itertools.product("[]{}:,-?&*!|>'\"%@`#~<= \na1", repeat=3)))[::31]:
        try:
            parse_yaml(text, "this")
        except RecipeError as error:
            assert str(error).isprintable(), text


# ------------------------------------------------------------------- what takes two values, or a look at the data


@pytest.fixture
def data(tmp_path, monkeypatch):
    """A folder of small files; the recipe's paths are taken from it."""
    monkeypatch.chdir(tmp_path)
    Path("good.jsonl").write_text('{"question": "2 + 3?", "answer": "#### 5", "level": "easy"}\n' * 3)
    Path("other.jsonl").write_text('{"quetsion": "2 + 3?", "answer": "#### 5"}\n')
    Path("empty.jsonl").write_text("")
    Path("broken.jsonl").write_text('{"question": "2 + 3?", "answer": "#### 5"}\n{"question": \n')
    Path("list.json").write_text("[1, 2]")
    Path("scored.jsonl").write_text('{"question": "2?", "answer": "#### 5", "quality": "high"}\n')
    Path("chat.jsonl").write_text('{"messages": [{"role": "user", "content": "2?"}]}\n')
    Path("table.csv").write_text("instruction,output\nAdd 2 and 3.,5\n")
    Path("notes.docx").write_text("x")
    Path("folder").mkdir()
    Path("model").mkdir()
    Path("model/config.json").write_text('{"model_type": "gpt2", "n_layer": 3, "n_positions": 64}')
    return tmp_path


def source(path, more="", format="gsm8k"):
    return f"pool.sources.0={{name: market, licence: MIT, path: {path}, format: {format}{more}}}"


def teacher(more):
    return f"pool.sources.0={{name: market, licence: x, synthetic: {{examples: 5, {more}}}}}"


NEUTRAL = "study.primary={}", "pool.target=null", "machine.dollars_per_hour=0"
"""Leaves the smallest recipe without what a change of its arms or sources would contradict."""
FULL_TOO = "selection.arms=[full, {selector: full, name: NAME}]"
EARLY = {
    # selectors and their options
    "selector": ("selection.arms=[hering]", "unknown selector 'hering'", "did you mean 'herding'?"),
    "option": ("selection.arms=[{selector: stratified, options: {bin: 5}}]", "unknown option bin", "'bins'"),
    "option-true": ("selection.arms=[{selector: stratified, options: {bins: true}}]", "bins", "True", "integer"),
    "option-zero": ("selection.arms=[{selector: stratified, options: {bins: 0}}]", "bins", "0"),
    "option-seed": ("selection.arms=[{selector: cluster_round_robin, options: {seed: -1}}]", "seed", "-1"),
    "option-huge": ("selection.arms=[{selector: facility_location, options: {ground: 1e14}}]", "ground", "1000000"),
    "option-nan": ("selection.arms=[{selector: leverage, options: {ridge: .nan}}]", "ridge", "finite"),
    "ids-file": ("selection.arms=[{selector: ids, options: {path: none.txt}}]", "finds no file at", "none.txt"),
    "no-target-to-choose-by": (
        "evaluation.best_by=target", "evaluation.best_by is target, but the pool has none", "or say validation"),
    "no-target": ("selection.arms=[{selector: random, target: true}]", "cannot aim at a target"),
    "control": ("selection.arms=[{selector: source_matched, of: hering}]", "the control of 'hering'"),
    "no-arms": ("selection={arms: [], controls: false}", "selection.arms is empty"),
    "representation": ("selection.arms=[{selector: herding, representation: hiden}]", "no representation 'hiden'"),
    "useless": ("selection.arms=[{selector: random, score: loss}]", "has no use for a score"),
    "wrong-kind": ("selection.arms=[{selector: herding, representation: loss}]", "gives scores"),
    "twins": ("selection.arms=[{selector: random, name: herding}, herding]", "two arms are named"),
    "close-fractions": ("selection.fractions=[0.1, 0.10000001]", "two arms are named"),
    # names of winnow's own
    "arm-zero-shot": (FULL_TOO.replace("NAME", "zero_shot"), "'zero_shot'", "give it another `name:`"),
    "arm-of-a-seed": (FULL_TOO.replace("NAME", "random_s1"), "'random_s1'", "another `name:`"),
    "arm-of-a-stage": (FULL_TOO.replace("NAME", "random.s0"), "'random.s0'", "another `name:`"),
    "stage-base": ("stages=[{name: base, budget: {examples: 5}}]", "two stages are named 'base'"),
    "stage-pool": ("stages=[{name: pool, budget: {examples: 5}}]", "two stages are named 'pool'"),
    "stage-twice": ("stages=[{name: s, budget: {examples: 5}}, {name: s, budget: {examples: 5}}]", "named 's'"),
    "sources-twice": ("pool.sources.1.name=market", "two", "named 'market'"),
    # the declared comparison
    "primary-arm": ("study.primary.arm=hering_0.25", "study.primary.arm is 'hering_0.25'", "'herding_0.25'"),
    "primary-baseline": ("study.primary.baseline=ful", "study.primary.baseline is 'ful'", "'full'"),
    "primary-itself": ("study.primary.arm=full", "compares 'full' with itself", "another arm or baseline"),
    "metric": ("study.primary.metric=losses", "study.primary.metric is 'losses'", "'loss'", "loss, exact_match"),
    "metric-unmeasured": ("study.primary.metric=strict_exact_match", "the study measures loss, exact_match; name one"),
    "metric-task": ("study.primary.metric=hellaswag", "study.primary.metric is 'hellaswag'", "evaluation.benchmarks"),
    "measure": ("evaluation.measures=[exact_mach]", "unknown measure 'exact_mach'", "did you mean 'exact_match'?"),
    "measure-option": (
        "evaluation.measures=[{name: exact_match, options: {x: 1}}]", "unknown option x of measure exact_match",
        "known: none",
    ),
    "aggregate": ("study.primary.aggregate=nope", "study.primary.aggregate is 'nope'", "micro, macro, easy"),
    "aggregate-near": ("study.primary.aggregate=eazy", "did you mean 'easy'?"),
    "aggregate-empty": ("study.primary.aggregate=''", "study.primary.aggregate is ''"),
    # stages
    "start": ("training.start=frist", "training.start is 'frist'", "known stages"),
    "stage-start": ("stages=[{name: s, start: t, budget: {examples: 5}}]", "starts from 't'"),
    "stage-sources": ("stages=[{name: s, sources: [markt], budget: {examples: 5}}]", "'markt'", "'market'"),
    "target-source": ("pool.target={per_source: {markt: 5}}", "'markt'", "did you mean 'market'?"),
    "cooldown": ("stages=[{name: s, cooldown_of: t, budget: {examples: 5}}]", "'t'"),
    # generated sources
    "where-generated": ("pool.sources.0.where={level: easy}", "is generated and takes no `where`"),
    "families": ("pool.sources.0.problems.families=[adition]", "unknown family 'adition'", "'addition'"),
    "teacher-families": (teacher("teacher: {kind: built_in, families: [adition]}"), "unknown family 'adition'"),
    "synthetic-set": ("evaluation.sets.0={name: e, licence: x, synthetic: {examples: 5}}", "'e' is synthetic"),
    # data: paths, formats, first rows
    "path": (source("none.jsonl"), "finds no file at", "none.jsonl"),
    "glob": (source("'*.parquet'"), "finds no file at", "*.parquet"),
    "one-of-two": (source("[good.jsonl, none.jsonl]"), "finds no file at", "none.jsonl"),
    "hub-folder": (source("hf://./nowhere"), "finds no folder at"),
    "set-path": ("evaluation.sets.0={name: easy, licence: x, path: none.jsonl, format: gsm8k}", "none.jsonl"),
    "target-path": (
        "pool.target={source: {name: t, licence: x, path: none.jsonl, format: gsm8k}}", "'t'", "none.jsonl"),
    "seeds-path": (teacher("seeds: {name: q, licence: x, path: none.jsonl, format: gsm8k}"), "none.jsonl"),
    "pretrain-path": (
        "base.pretrain.sources=[{name: p, licence: x, path: none.txt, format: text}]", "'p'", "none.txt"),
    "plant-path": (
        "pool.plant={off_topic: 0.1, off_topic_source: {name: o, licence: x, path: none.jsonl, format: gsm8k}}",
        "none.jsonl"),
    "ending": (source("notes.docx"), "is of no known type"),
    "format": (source("good.jsonl", format="gsm8q"), "unknown format 'gsm8q'", "did you mean 'gsm8k'?"),
    "column": (source("other.jsonl"), "no column 'question'", "did you mean 'quetsion'?"),
    "second-file": (source("[good.jsonl, other.jsonl]"), "no column 'question'"),
    "fields": (
        source("good.jsonl", ", fields: {question: questions, answer: answer}", "fields"), "did you mean 'question'?"),
    "rationale": (
        source("good.jsonl", ", fields: {question: question, answer: answer, rationale: why}", "fields"),
        "no column 'why'"),
    "where": (source("good.jsonl", ", where: {levle: easy}"), "no column 'levle'", "did you mean 'level'?"),
    "score-column": (source("scored.jsonl", ", scores: {q: qualty}"), "no column 'qualty'", "'quality'"),
    "score-text": (source("scored.jsonl", ", scores: {q: quality}"), "'high'", "finite number"),
    "template-column": (
        "pool.sources.0={name: market, licence: x, path: table.csv, prompt: '{instructions}', completion: '{output}'}",
        "no column 'instructions'", "did you mean 'instruction'?"),
    "empty": (source("empty.jsonl"), "is empty: it has no rows"),
    "broken": (source("broken.jsonl"), "line 2", "not JSON"),
    "no-objects": (source("list.json"), "not an object"),
    # conversations
    "template": ("pool.chat_template='{% for'", "pool.chat_template cannot lay out a conversation"),
    "template-open": ("pool.chat_template='{% if true %}x'", "pool.chat_template cannot lay out"),
    "template-filter": ("pool.chat_template='{{ messages | sorted }}'", "pool.chat_template cannot lay out"),
    "template-fails": ("pool.chat_template='{{ messages[0].content + 1 }}'", "pool.chat_template cannot lay out"),
    "template-zero": ("pool.chat_template='{{ 1 / 0 }}'", "pool.chat_template cannot lay out"),
    "template-file": ("pool.chat_template=none.jinja", "neither a template"),
    "template-folder": ("pool.chat_template=folder", "neither a template"),
    "no-template": (source("chat.jsonl", format="chat"), "give pool.chat_template"),
    # models of representations
    "proxy-folder": ("selection.representations={x: {kind: loss, model: /nowhere}}", "x.model is '/nowhere'"),
    "proxy-home": ("selection.representations={x: {kind: loss, model: ~/nowhere}}", "x.model is '~/nowhere'"),
    "proxy-empty": ("selection.representations={x: {kind: loss, model: folder}}", "no config.json"),
    "proxy-near": ("selection.representations={x: {kind: loss, model: bsae}}", "did you mean 'base'?"),
    "proxy-odd": ("selection.representations={x: {kind: loss, model: 'a b'}}", "that is no folder"),
    "proxy-deep": ("selection.representations={x: {kind: loss, model: a/b/c}}", "that is no folder"),
    "layer": ("selection.representations={x: {kind: hidden_states, layer: 9}}", "x.layer is 9", "has 2 layers"),
    "layer-below": ("selection.representations={x: {kind: hidden_states, layer: -4}}", "x.layer is -4", "-3 to 2"),
    # budgets
    "sequence": ("base.pretrain.budget.tokens=63", "less than one sequence of 64 tokens"),
    "price": ("budget={dollars: 5}", "needs machine.dollars_per_hour above 0"),
}  # fmt: skip


@pytest.mark.parametrize("case", EARLY.values(), ids=EARLY)
def test_a_mistake_is_told_before_the_first_stage(case, data):
    override, *said = case
    recipe = load_recipe(SMALLEST, [*NEUTRAL, override])
    assert_refuses(lambda: checked(recipe), *said, folder=data)


@pytest.mark.parametrize("override", [
    "selection.representations={x: {kind: loss, model: model}}",
    "selection.representations={x: {kind: hidden_states, layer: 2}}",
    "selection.representations={x: {kind: hidden_states, layer: -3}}",
    "pool.chat_template='{{ raise_exception(1) }}'",  # which some say of conversations without a system prompt
    "pool.chat_template='{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% endfor %}'",
    source("good.jsonl", ", where: {level: none}"),  # a later row may have it
    source("'*d.jsonl'", ", scores: {}").replace("*d", "goo*"),
    "study.primary.aggregate=easy",
    "study.primary.aggregate=macro",
    "selection.arms=[]",
])  # fmt: skip
def test_what_may_be_right_is_not_refused(override, data):
    assert mistakes(load_recipe(SMALLEST, [*NEUTRAL, override])) == []


def test_all_mistakes_are_told_at_once(data):
    recipe = load_recipe(SMALLEST, [
        source("none.jsonl"), "evaluation.sets.0.where={a: b}", "study.primary={arm: full, aggregate: nope}",
        "selection.representations={x: {kind: loss, model: /nowhere}}", "pool.target=null",
        "pool.sources.1.problems.families=[adition, subtracton]", "pool.chat_template='{% if'",
        "stages=[{name: s, sources: [x], budget: {examples: 5}}]",
    ])  # fmt: skip
    assert len(mistakes(recipe)) == 9
    with pytest.raises(RecipeError) as caught:
        checked(recipe)
    assert str(caught.value).startswith("9 mistakes in the recipe of smallest:\n  study.primary compares 'full'")
    arms = "selection.arms=[hering, {selector: random, target: true}, {selector: stratified, options: {bins: 0, a: 1}}]"
    assert len(mistakes(load_recipe(SMALLEST, [arms, "pool.target=null"]))) == 4


@pytest.mark.slow
def test_a_plan_refuses_a_budget_below_one_example(tmp_path):
    for budget in ("{tokens: 1}", "{pool_epochs: 1e-9}", "{seconds: 1e-12}"):
        declared = [f"pool.sources.{n}={{name: s{n}, licence: x, path: none, format: gsm8k, examples: 9, tokens: 90}}"
                    for n in (0, 1)]  # fmt: skip
        arms = "selection={arms: [full, random], fractions: [0.5]}"
        recipe = load_recipe(SMALLEST, [*NEUTRAL, *declared, arms, f"budget={budget}"])
        assert_refuses(lambda recipe=recipe: plan(recipe, out=tmp_path / "s"), "less than one example; raise it")


def test_what_a_plan_goes_by_need_not_be_here(data):
    declared = source("none.jsonl", ", examples: 10, tokens: 100")
    recipe = load_recipe(SMALLEST, [declared, "pool.target=null"])
    assert mistakes(recipe, must_exist=False) == []
    assert len(mistakes(recipe)) == 1


LACKING = {
    "mlflow": ("trackers.mlflow={}", "trackers.mlflow needs the package mlflow"),
    "wandb": ("trackers.wandb={}", "trackers.wandb needs the package wandb"),
    "lion": ("training.optimizer=lion", 'pip install "winnow-lm[optimizers]"'),
    "benchmarks": ("evaluation.benchmarks={tasks: [piqa]}", "evaluation.benchmarks needs lm-eval"),
    "stage": ("stages=[{name: s, budget: {examples: 5}, training: {optimizer: lion}}]", "optimizer lion"),
}


@pytest.mark.parametrize("case", LACKING.values(), ids=LACKING)
def test_what_this_machine_lacks_is_told(case, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for module in ("winnow.mistakes", "winnow.training.requirements"):
        monkeypatch.setattr(f"{module}.find_spec", lambda name: None)
    override, *said = case
    assert_refuses(lambda: able(load_recipe(SMALLEST, [override])), *said)


@pytest.mark.parametrize(("peft", "said"), [
    ("{peft_type: LORRA}", "did you mean 'LORA'?"),
    ("{peft_type: 5}", "training.peft.peft_type is 5"),
    ("{}", "training.peft.peft_type is None"),
    ("{peft_type: LORA, rank: 5}", "unknown key training.peft.rank"),
    ("{peft_type: LORA, task_type: SEQ_CLS}", "training.peft.task_type is set by winnow"),
    ("{peft_type: PROMPT_TUNING, num_virtual_tokens: 3}", "virtual tokens"),
])  # fmt: skip
def test_adapters_that_are_none_are_told(peft, said):
    assert_refuses(lambda: able(load_recipe(SMALLEST, [f"training.peft={peft}"])), said)


# ------------------------------------------------------------------------------------------- whatever comes

SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.sampled_from(["1e-3", "off", "x/y"])
)
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
)
SECTIONS = st.sampled_from(sorted(Recipe.model_fields))
KEYS = st.sampled_from([f"{s}.{k}" for s in ("pool", "training", "study", "selection", "evaluation", "machine")
                        for k in Recipe.model_fields[s].annotation.model_fields])  # fmt: skip


@given(st.dictionaries(SECTIONS, TREES, max_size=3), st.dictionaries(KEYS, TREES, max_size=3))
@settings(max_examples=150, deadline=None)
@pytest.mark.slow
def test_any_tree_is_a_recipe_or_is_refused(sections, keys):
    tree = TREE | sections
    for key, value in keys.items():
        section, field = key.split(".")
        if isinstance(tree.get(section, {}), dict):
            tree = with_value(tree, [section, field], value)
    try:
        recipe = parse_recipe(tree)
    except RecipeError as error:
        assert all(line.isprintable() for line in error.lines)
        return
    assert parse_recipe(recipe.model_dump(mode="json")) == recipe
    assert all(mistake.isprintable() for mistake in mistakes(recipe))


@given(st.text(max_size=40), st.text(max_size=60))
@settings(max_examples=150, deadline=None)
@pytest.mark.slow
def test_any_text_is_yaml_or_is_refused(key, text):
    for read in (lambda: parse_yaml(text, "this"), lambda: load_recipe(SMALLEST, [f"{key}={text}"])):
        try:
            read()
        except RecipeError as error:
            assert all(line.isprintable() for line in error.lines)
