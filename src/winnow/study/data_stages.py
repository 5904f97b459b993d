"""Stages that read and make data: sources, evaluation sets, hygiene, pool."""

from winnow.errors import RecipeError
from winnow.parts import GeneratePart, HygienePart, ModelPart, PoolPart, TestsPart
from winnow.recipe import LocalTeacherRecipe, Recipe, SourceRecipe
from winnow.records import Stage
from winnow.text.chat_templates import read_template


def tokenizer_stage(recipe: Recipe) -> str:
    """Name of the stage that has the tokenizer."""
    return "tokenizer" if recipe.base.pretrain or recipe.base.from_scratch else "base"


def _all_sources(recipe: Recipe) -> list[SourceRecipe]:
    text = recipe.base.pretrain.sources if recipe.base.pretrain else ()
    own = recipe.pool.target.source if recipe.pool.target else None
    seeds = [source.synthetic.seeds for source in recipe.pool.sources if source.synthetic and source.synthetic.seeds]
    sets = (*recipe.evaluation.sets, *(recipe.evaluation.text or ()))
    return [*sets, *recipe.pool.sources, *text, *([own] if own else []), *seeds]


def generated_inputs(sources: tuple[SourceRecipe, ...]) -> dict[str, str]:
    """Inputs of a stage that reads these sources: the ones that are generated."""
    made = [source for source in sources if source.problems or source.passages or source.synthetic]
    return {f"generated.{source.name}": f"generated.{source.name}" for source in made}


def data_stages(recipe: Recipe) -> list[Stage]:
    """Sources that winnow generates, then the evaluation sets."""
    sources = _all_sources(recipe)
    names = [source.name for source in sources if source.problems or source.passages or source.synthetic]
    for name in names:
        if names.count(name) > 1:
            raise RecipeError(f"two generated sources are named {name!r}; give each a name of its own")
    made = [
        Stage(f"generated.{source.name}", "generate", GeneratePart(source=source))
        for source in sources
        if source.problems or source.passages
    ]
    sets, text = recipe.evaluation.sets, recipe.evaluation.text or ()
    part = TestsPart(
        sets=sets, completion=recipe.pool.completion, chat_template=read_template(recipe.pool.chat_template), text=text
    )
    return [*made, Stage("tests", "tests", part, generated_inputs((*sets, *text)))]


def synthetic_stages(recipe: Recipe) -> list[Stage]:
    """A stage for each source of the pool that a teacher writes, after those of its questions and its model."""
    elsewhere = [source.name for source in _all_sources(recipe) if source.synthetic]
    for source in recipe.pool.sources:
        if source.synthetic:
            elsewhere.remove(source.name)
    if elsewhere:
        raise RecipeError(f"source {elsewhere[0]!r} is synthetic; that is possible for pool.sources alone")
    return [stage for source in recipe.pool.sources if source.synthetic for stage in _synthetic(recipe, source)]


def _synthetic(recipe: Recipe, source: SourceRecipe) -> list[Stage]:
    assert source.synthetic is not None
    seeds, teacher = source.synthetic.seeds, source.synthetic.teacher
    stages, inputs = [], {}
    if seeds is not None:
        inputs["seeds"] = f"seeds.{source.name}"
        stages.append(Stage(inputs["seeds"], "seeds", TestsPart(sets=(seeds,)), generated_inputs((seeds,))))
    if isinstance(teacher, LocalTeacherRecipe):
        if teacher.model == "base":
            inputs |= {"teacher": "base", "tokenizer": tokenizer_stage(recipe)}
        else:
            name = f"teacher.{source.name}"
            inputs |= {"teacher": name, "tokenizer": name}
            stages.append(Stage(name, "model", ModelPart(model=teacher.model)))
    return [*stages, Stage(f"generated.{source.name}", "generate", GeneratePart(source=source), inputs)]


def pool_stages(recipe: Recipe) -> list[Stage]:
    """The pool, after what hygiene finds in its sources. Raises RecipeError where it lacks the target that is asked."""
    target, hygiene = recipe.pool.target, recipe.pool.hygiene
    own = (target.source,) if target and target.source else ()
    inputs = {"tests": "tests", "tokenizer": tokenizer_stage(recipe)} | generated_inputs((*recipe.pool.sources, *own))
    pool = recipe.pool.model_copy(update={"chat_template": read_template(recipe.pool.chat_template)})
    if recipe.best_by == "target" and target is None:
        raise RecipeError("evaluation.best_by is target, but the pool has none; give pool.target, or say validation")
    made = PoolPart(pool=pool, validates_target=recipe.best_by == "target")
    if hygiene is None:
        return [Stage("pool", "pool", made, inputs)]
    sources, sets = recipe.pool.sources, recipe.evaluation.sets
    part = HygienePart(sources=sources, sets=sets, completion=pool.completion, similarity=hygiene.similarity)
    return [
        Stage("hygiene", "hygiene", part, generated_inputs((*sources, *sets))),
        Stage("pool", "pool", made, inputs | {"hygiene": "hygiene"}),
    ]
