import pytest

from winnow.errors import ArtifactError
from winnow.store import write_json
from winnow.study.identity import check_contents, check_identity, identity, known_study
from winnow.study_files import STUDY

SOURCE = {"name": "a", "licence": "MIT", "problems": {"examples": 50}}
PRETRAIN = {"architecture": {"model_type": "gpt2"}, "budget": {"tokens": 9}, "sources": [SOURCE | {"name": "text"}]}
LARGER = SOURCE | {"problems": {"examples": 60}}
OTHER_SET = {"name": "more", "licence": "MIT", "problems": {"examples": 5, "seed": 9}}
SETS = [{"name": "test", "licence": "MIT", "problems": {"examples": 50}}, OTHER_SET]


@pytest.fixture
def folder(tmp_path, make_recipe):
    """A study folder of the small recipe."""
    known = {"identity": identity(make_recipe()), "first_seed": 0, "digests": {"pool": "p", "base": "b"}}
    write_json(tmp_path / STUDY, known)
    return tmp_path


@pytest.mark.parametrize("sections", [
    {},
    {"name": "other"},
    {"selection": {"arms": ["random"], "fractions": [0.3, 0.4], "controls": False}},
    {"study": {"seeds": [4, 5], "confidence": 0.9}},
    {"evaluation": {"sets": SETS, "sample": 3}},
    {"machine": {"name": "elsewhere", "devices": 2}},
    {"training": {"checkpoint_every_seconds": 1}},
    {"published": {"full": {"epochs": 3}}},
])  # fmt: skip
def test_arms_seeds_fractions_and_sets_extend_a_study(folder, make_recipe, sections):
    check_identity(make_recipe(**sections), folder)


@pytest.mark.parametrize(("sections", "difference"), [
    ({"training": {"learning_rate": 0.5}}, "training.learning_rate (0.0002 there, 0.5 here)"),
    ({"training": {"method": "full", "learning_rate": 2e-4}}, "training.method (lora there, full here)"),
    ({"training": {"packing": True}}, "training.packing (nothing there, True here)"),
    ({"training": {"lora": {"target_modules": "all-linear"}}}, "training.lora.target_modules"),
    ({"budget": {"pool_epochs": 3}}, "budget.pool_epochs (2.0 there, 3.0 here)"),
    ({"budget": {"tokens": 5}}, "budget.pool_epochs (2.0 there, nothing here)"),
    ({"pool": {"sources": [SOURCE | {"licence": "other"}]}}, "pool.sources[0].licence (MIT there, other here)"),
    ({"pool": {"sources": [LARGER]}}, "pool.sources[0].problems.examples (50 there, 60 here)"),
    ({"pool": {"sources": [SOURCE], "max_tokens": 64}}, "pool.max_tokens (nothing there, 64 here)"),
    ({"base": {"model": "other/model"}}, "base.model (some/model there, other/model here)"),
    ({"base": {"pretrain": PRETRAIN}}, "base.model (some/model there, nothing here)"),
    ({"study": {"primary": {"metric": "exact_match"}}}, "primary.metric (loss there, exact_match here)"),
])  # fmt: skip
def test_another_study_is_refused_with_its_difference(folder, make_recipe, sections, difference):
    with pytest.raises(ArtifactError) as caught:
        check_identity(make_recipe(**sections), folder)
    assert str(caught.value).startswith(f"study folder {folder} was made with another {difference}")
    assert str(caught.value).endswith("use another --out or name, or remove the folder to begin anew")


def test_more_sources_are_another_pool(folder, make_recipe):
    with pytest.raises(ArtifactError, match=r"another pool\.sources .* there, .*\.\.\. here"):
        check_identity(make_recipe(pool={"sources": [SOURCE, SOURCE | {"name": "b"}]}), folder)


def test_how_often_a_base_model_is_saved_is_no_identity(make_recipe):
    def of(training):
        return identity(make_recipe(base={"pretrain": PRETRAIN | {"training": training}}))

    assert of({}) == of({"checkpoint_every_seconds": 5})
    assert of({}) != of({"learning_rate": 0.5})


def test_the_stages_that_the_arms_start_from_are_identity(make_recipe):
    def of(start, examples):
        stage = {"name": "first", "budget": {"examples": examples}}
        return identity(make_recipe(training={"start": start}, stages=[stage]))

    assert of("base", 5) == of("base", 6)
    assert of("first", 5) != of("first", 6)


def test_a_new_folder_belongs_to_nobody(tmp_path, make_recipe):
    assert known_study(tmp_path / "none") is None
    check_identity(make_recipe(), tmp_path / "none")
    check_contents(tmp_path / "none", {"pool": "p"})


def test_the_same_recipe_with_other_data_is_refused(folder):
    check_contents(folder, {"pool": "p", "base": "b"})
    check_contents(folder, {"new": "x"})
    with pytest.raises(ArtifactError, match="made with another pool: its contents are not the same"):
        check_contents(folder, {"base": "b", "pool": "q"})


@pytest.mark.parametrize(
    "damage", ["", "{", "{}", "[]", "null", "[" * 100_000, '{"identity": 3, "first_seed": 0, "files": {}}']
)
def test_a_damaged_study_file_is_named(folder, make_recipe, damage):
    (folder / STUDY).write_text(damage)
    with pytest.raises(ArtifactError, match=r"study\.json is damaged: .*; remove this file and run the study again"):
        check_identity(make_recipe(), folder)
