import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from winnow.pipeline import selector_traits
from winnow.recipe.file import parse_recipe
from winnow.records import Artifact, Cost, Stored
from winnow.store import hash_tree, write_atomic, write_json
from winnow.study.folder import write_folder
from winnow.study.graph import expand

PROBLEMS = {"licence": "MIT", "problems": {"examples": 50}}


@pytest.fixture(scope="session")
def traits():
    return selector_traits()


@pytest.fixture(scope="session")
def make_recipe():
    """Makes a small recipe, with other sections: make_recipe(budget={"tokens": 5})."""
    tree = {
        "name": "small",
        "pool": {"sources": [PROBLEMS | {"name": "a"}]},
        "base": {"model": "some/model"},
        "budget": {"pool_epochs": 2},
        "evaluation": {"sets": [PROBLEMS | {"name": "test"}]},
    }
    return lambda **sections: parse_recipe(tree | sections)


@pytest.fixture(scope="session")
def make_graph(make_recipe, traits):
    """Makes the graph of a small recipe with other sections."""
    return lambda **sections: expand(make_recipe(**sections), traits)


SELECTION = {"arms": ["full", "random"], "controls": False}
FILES = {
    "tests": {"statistics.json": {"items": 5}},
    "pool": {"statistics.json": {"examples": 50}},
    "select": {"selection.json": {"size": 5}, "selection.parquet": "rows"},
    "train": {"training_records.json": {"objective": "sft"}, "best/weights": "best", "last/weights": "last"},
    "evaluate": {
        "evaluation_best.json": {"step": 2}, "items_best.parquet": "best items",
        "evaluation_last.json": {"step": 4}, "items_last.parquet": "last items",
    },
}  # fmt: skip


ITEMS = [{"source": "test", "id": "test:1", "prompt": "Question: 1?"}, {"source": "own", "id": "own:2", "prompt": "2?"}]


@pytest.fixture
def study(tmp_path, make_recipe, traits):
    """Writes the study folder of the small recipe, as if every stage had left its files, and gives its path."""

    def make(stage, attempt):
        folder = tmp_path / "store" / f"{stage.name}.{attempt}"
        for name, content in FILES.get(stage.kind, {}).items():
            if isinstance(content, dict):
                write_json(folder / name, content | {"made": f"{stage.name} {attempt}"})
            elif stage.name != "evaluate.zero_shot" or "last" in name:
                write_atomic(folder / name, f"{content} {stage.name} {attempt}")
        if stage.kind == "tests":
            pq.write_table(pa.Table.from_pylist(ITEMS), folder / "tests.parquet")
        if stage.name == "evaluate.zero_shot":
            (folder / "evaluation_best.json").unlink()
        numbers = {"model": "some/model"} if stage.kind == "model" else {}
        hashes = hash_tree(folder, sorted(path.name for path in folder.glob("*")))
        return Stored(
            Artifact(stage.name, stage.kind, f"{stage.name}{attempt}", "d", {}, {}, Cost(), numbers, hashes), folder
        )

    def write(*, attempt=1, only=None, not_affordable=(), folder=tmp_path / "study", weights=True, **sections):
        recipe = make_recipe(**({"selection": SELECTION, "study": {"seeds": [3, 4]}} | sections))
        graph = expand(recipe, traits)
        done = {name: make(stage, attempt) for name, stage in graph.stages.items() if only is None or name in only}
        write_folder(folder, recipe, graph, done, dict(not_affordable), weights=weights)
        return folder

    return write
