import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from winnow.parts import PoolPart, TestsPart
from winnow.pool.stages import make_pool, make_tests
from winnow.recipe import PoolRecipe, SourceRecipe, TokenizerRecipe
from winnow.records import Artifact, Context, Cost, Stored
from winnow.text.tokenizers import train_tokenizer

DATA = Path(__file__).parents[2].parent / "shared" / "data"


def pytest_collection_modifyitems(items):
    for item in items:
        if "data" in getattr(item, "fixturenames", ()) and not DATA.is_dir():
            item.add_marker(pytest.mark.skip(reason=f"no public data at {DATA}"))


@pytest.fixture
def data():
    return DATA


@pytest.fixture
def stored(tmp_path):
    """An empty artifact of this name, in a folder of its own."""

    def build(name):
        folder = tmp_path / "store" / name
        folder.mkdir(parents=True, exist_ok=True)
        return Stored(Artifact(name, name, name, name, {}, {}, Cost(), {}, {}), folder)

    return build


@pytest.fixture
def source(tmp_path):
    """A gsm8k source of these (question, worked answer) rows; other keys go to the recipe."""

    def build(name, rows, **others):
        path = tmp_path / f"{name}.jsonl.gz"
        with gzip.open(path, "wt", encoding="utf-8") as file:
            file.writelines(json.dumps({"question": question, "answer": answer}) + "\n" for question, answer in rows)
        return SourceRecipe(**({"name": name, "licence": "MIT", "path": str(path), "format": "gsm8k"} | others))

    return build


@pytest.fixture
def generated(stored):
    """The artifact of a generated source with these rows."""

    def build(name, rows):
        artifact = stored(f"generated.{name}")
        pq.write_table(pa.Table.from_pylist(rows), artifact.folder / "rows.parquet")
        return artifact

    return build


@pytest.fixture(scope="session")
def toy_tokenizer():
    return train_tokenizer(["Question: Tom has 12 eggs\nAnswer:"], TokenizerRecipe(vocab_size=270), 64)


@pytest.fixture
def tokenizer(stored, toy_tokenizer):
    artifact = stored("tokenizer")
    toy_tokenizer.save_pretrained(artifact.folder / "tokenizer")
    return artifact


@pytest.fixture
def run_pool(stored, tokenizer):
    """Make a pool of these sources against these evaluation sets; gives the stored pool and its outcome."""

    def build(sources, sets, inputs=None, name="pool", validates_target=False, **recipe):
        tests, pool = stored("tests"), stored(name)
        make_tests(TestsPart(sets=tuple(sets)), inputs or {}, Context(tests.folder))
        part = PoolPart(pool=PoolRecipe(sources=tuple(sources), **recipe), validates_target=validates_target)
        outcome = make_pool(part, {"tests": tests, "tokenizer": tokenizer, **(inputs or {})}, Context(pool.folder))
        return pool, outcome

    return build
