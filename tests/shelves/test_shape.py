"""The shape of the package: no import circle, files that can be read in one sitting, few rooms and shelves."""

import grimp
import pytest

from tests_support import ROOT

PACKAGE = ROOT / "src" / "winnow"
MOST_LINES, MOST_MODULES = 320, 20


@pytest.fixture(scope="module")
def imports():
    """Module -> what it imports, in functions and for annotations too."""
    graph = grimp.build_graph("winnow", cache_dir=None)
    return {name: sorted(graph.find_modules_directly_imported_by(name)) for name in sorted(graph.modules)}


def circle(imports):
    """The modules of one import circle, in order; empty where there is none."""
    settled = set()

    def search(name, path):
        if name in path:
            return [*path[path.index(name) :], name]
        if name in settled:
            return []
        found = next((found for inner in imports.get(name, ()) if (found := search(inner, [*path, name]))), [])
        settled.add(name)
        return found

    return next((found for name in imports if (found := search(name, []))), [])


def test_no_import_circle_lazy_ones_included(imports):
    assert len(imports) > 200 and "winnow.evaluation.probe" in imports["winnow.walk"], "lazy imports are seen"
    assert circle(imports) == []


def test_the_search_finds_a_circle():
    assert circle({"a": ["b", "c"], "b": [], "c": ["d"], "d": ["b", "a"]}) == ["a", "c", "d", "a"]
    assert circle({"a": ["b", "c"], "b": ["c"], "c": []}) == []


def test_every_file_can_be_read_in_one_sitting():
    lines = {
        path.relative_to(PACKAGE).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for path in PACKAGE.rglob("*.py")
    }
    assert {name: count for name, count in lines.items() if count > MOST_LINES} == {}


def test_the_top_level_is_a_short_list():
    modules = sorted(path.stem for path in PACKAGE.glob("*.py") if not path.stem.startswith("__"))
    assert len(modules) <= MOST_MODULES, modules
