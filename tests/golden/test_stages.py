"""What every recipe in recipes/ asks of every stage: the kept file tells whether a change moved a fingerprint.

python tests/golden/test_stages.py      # writes stages.json anew; say in the changelog why it changed
"""

import json
from pathlib import Path

from winnow.parts import asked
from winnow.pipeline import selector_traits
from winnow.recipe.file import load_recipe
from winnow.store import hash_json
from winnow.study.graph import expand

HERE = Path(__file__).parent
KEPT = HERE / "stages.json"
RECIPES = sorted((HERE.parent.parent / "recipes").glob("*.yaml"))


def questions():
    """Recipe -> stage -> hash of its kind, what is asked, its inputs, its arm and its seed."""
    graphs = {path.stem: expand(load_recipe(path), selector_traits()) for path in RECIPES}
    return {
        recipe: {
            name: hash_json([stage.kind, asked(stage.part), dict(stage.inputs), stage.arm, stage.seed])[:12]
            for name, stage in graph.stages.items()
        }
        for recipe, graph in graphs.items()
    }


def test_recipes_ask_what_they_asked():
    kept, now = json.loads(KEPT.read_text()), questions()
    assert now.keys() >= kept.keys()
    for recipe, stages in kept.items():
        assert {name: now[recipe].get(name) for name in stages} == stages, recipe
        assert list(now[recipe]) == list(stages), recipe


if __name__ == "__main__":
    KEPT.write_text(json.dumps(questions(), indent=0) + "\n")
