"""The schema of a recipe, on one page.

A recipe is one YAML 1.2 file; `winnow.recipe_file` reads, overrides and checks it. Every model here is frozen
and refuses unknown keys; the text under a field is its documentation (meaning, unit, range). Nothing heavy is
imported, so that `winnow --help` stays instant.
"""

import re
from functools import lru_cache
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Strict,
    model_validator,
)

from winnow.credentials import masked_tree
from winnow.errors import nearest
from winnow.licences import is_noncommercial
from winnow.row_templates import columns_of
from winnow.spellings import as_meant, kinds_in


def _once(given: tuple[Any, ...]) -> tuple[Any, ...]:
    """The same list, if nothing stands in it twice."""
    twice = next((each for at, each in enumerate(given) if each in given[:at]), None)
    if twice is not None:
        raise ValueError(f"{twice!r} stands there twice; give it once")
    return given


def _pattern(text: str) -> str:
    """The same text, if it is a regular expression."""
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"{text[:100]!r} is no regular expression: {error}") from error
    return text


def _free_name(name: str) -> str:
    """The same name, if winnow does not put such endings behind names itself."""
    if re.search(r"\.(partial|lease|lock)$", name):
        raise ValueError(f"{name!r} ends as winnow's own temporary files do; choose another name")
    return name


LARGEST_SIZES = (
    (re.compile("layers?$|depth|blocks$"), 1000),
    (re.compile("vocab|position|theta|window|token|context|len|id$|scal"), 10**9),
    (re.compile(""), 200_000),
)
"""What the name of a model's size holds -> the largest one that is believed; the first that fits counts."""


def _possible_sizes(architecture: dict[str, Any]) -> dict[str, Any]:
    """The same architecture, if no number in it is one that no machine could hold."""
    for key, value in architecture.items():
        most = next(most for pattern, most in LARGEST_SIZES if pattern.search(str(key)))
        if isinstance(value, int | float) and not abs(value) <= most:
            raise ValueError(f"{key} is {value!r}; it must be at most {most:,}")
    return architecture


Number = Annotated[float, Strict()]
"""A float; integers are numbers too, `true` and text are none."""
Whole = Annotated[int, Strict()]
"""An int; `true`, text and 1.5 are none."""
Truth = Annotated[bool, Strict()]
"""A bool; 0, 1 and other text are none."""

# Upper bounds are far above what any machine has or any study needs: what lies beyond is a slip, and is told before it
# fills a memory, overflows a 64-bit number, or is rounded to nothing.
Fraction = Annotated[Number, Field(gt=0.0, le=1.0)]
Share = Annotated[Number, Field(ge=0.0, le=1.0)]
Positive = Annotated[Number, Field(gt=0.0, le=1e6)]
Amount = Annotated[Number, Field(gt=0.0, le=1e30)]
"""Of a budget: FLOPs, seconds, dollars, passes."""
Price = Annotated[Number, Field(ge=0.0, le=1e6)]
"""Dollars."""
Count = Annotated[Whole, Field(ge=1, le=10**15)]
"""How much of what is there: a limit, a budget."""
Size = Annotated[Whole, Field(ge=1, le=10**6)]
"""Of what has to fit into a memory: a batch, a width."""
Seed = Annotated[Whole, Field(ge=0, lt=2**63)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=100), AfterValidator(_free_name)]
Architecture = Annotated[dict[str, Any], Field(min_length=1), AfterValidator(_possible_sizes)]
Text = Annotated[str, Field(min_length=1, max_length=4096)]
"""A path, a column, a name that others gave."""
Pattern = Annotated[Text, AfterValidator(_pattern)]
Texts = Annotated[tuple[Text, ...], Field(min_length=1), AfterValidator(_once)]
Names = Annotated[tuple[Name, ...], Field(min_length=1), AfterValidator(_once)]
Rate = Annotated[Number, Field(gt=0.0, le=1000.0)]
"""A learning rate."""
Beta = Annotated[Number, Field(ge=0.0, lt=1.0)]
Figure = Annotated[Number, Field(ge=0.0, le=1e18)]
"""What somebody published."""

ADDED = "added"
"""Marks a field that came after studies had been made: at its default it is left out of what identifies them."""

HOW = "how"
"""Marks a field that says how to go about it: no result depends on it, and it never identifies anything."""

BUDGET_UNITS = ("pool_epochs", "examples", "tokens", "flops", "seconds", "dollars")


class Frozen(BaseModel):
    """A part of a recipe: immutable, without unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, use_attribute_docstrings=True)

    @model_validator(mode="before")
    @classmethod
    def _as_meant(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {key: as_meant(value, _kinds(cls, key)) if _kinds(cls, key) else value for key, value in given.items()}


@lru_cache(maxsize=4096)
def _kinds(model: type[BaseModel], field: str) -> frozenset[Any]:
    """What a field of numbers or truths may hold; nothing where it may hold something else, too."""
    known = model.model_fields.get(field)
    found = set(kinds_in(known.annotation)) - {type(None)} if known else set()
    return frozenset(found if found <= {int, float, bool} else ())


# ---------------------------------------------------------------------------------------------- data


class ProblemsRecipe(Frozen):
    """Word problems from the built-in generator."""

    examples: Annotated[Whole, Field(ge=1, le=10**7)]
    """How many problems."""
    families: Names | Literal["all", "easy"] = "all"
    """Which families of problems; `easy` are the single-step ones."""
    near_copies: Share = 0.0
    """Share of rows that are near-copies of other rows."""
    wrong_answers: Share = 0.0
    """Share of rows whose worked answer is wrong."""
    off_topic: Share = 0.0
    """Share of rows that are no mathematics at all."""
    largest_number: Annotated[Whole, Field(ge=5, le=10**6)] = 20
    """Size of the numbers in the problems."""
    seed: Seed = 0
    """Seed of the generator; two sources with different seeds hold different problems."""


class PassagesRecipe(Frozen):
    """Plain text from the built-in generator, for pretraining a tiny base model."""

    documents: Annotated[Whole, Field(ge=1, le=10**7)]
    """How many passages."""
    largest_number: Annotated[Whole, Field(ge=5, le=10**6)] = 20
    """Size of the numbers in the passages."""
    seed: Seed = 0
    """Seed of the generator."""


class BuiltInTeacherRecipe(Frozen):
    """The built-in problem generator: it works without a model, and its programs are right."""

    kind: Literal["built_in"] = "built_in"
    """Names this teacher."""
    families: Names | Literal["all", "easy"] = "all"
    """Which families of problems; `easy` are the single-step ones."""
    largest_number: Annotated[Whole, Field(ge=5, le=10**6)] = 20
    """Size of the numbers in the problems."""


class EndpointTeacherRecipe(Frozen):
    """A model behind any endpoint that speaks OpenAI's chat completions."""

    kind: Literal["endpoint"]
    """Names this teacher."""
    url: Text
    """Where, up to and with /v1: http://localhost:8000/v1. Without names or passwords in it."""
    model: Text
    """Model, as the endpoint calls it."""
    api_key_variable: Annotated[Name | None, HOW] = None
    """Name of the environment variable that holds the key; the key itself stands nowhere."""
    max_new_tokens: Size = 4096
    """Longest answer."""
    options: dict[str, Any] = {}
    """More fields of every request, such as {top_p: 0.95}."""
    dollars_per_million_prompt_tokens: Price = 0.0
    """Price of what it reads."""
    dollars_per_million_completion_tokens: Price = 0.0
    """Price of what it writes."""
    concurrency: Annotated[Whole, Field(ge=1, le=1000), HOW] = 8
    """Requests under way at once."""
    requests_per_minute: Annotated[Annotated[Number, Field(ge=0.001, le=1e6)] | None, HOW] = None
    """At most so many requests a minute; null for no limit of our own. What the endpoint asks for is kept anyway."""
    timeout_seconds: Annotated[Positive, HOW] = 120
    """Longest wait for an answer."""
    max_attempts: Annotated[Whole, Field(ge=1, le=1000), HOW] = 6
    """Attempts at one request, with growing waits between them, before generation stops."""

    @model_validator(mode="after")
    def _own_fields(self) -> Self:
        if not re.fullmatch(r"https?://[^@\s]+", self.url):
            raise ValueError("teacher.url is not http(s)://host/v1, or it holds a name or password; mend it")
        for key, value in (("url", self.url), ("options", self.options)):
            if masked_tree(value) != value:
                raise ValueError(f"teacher.{key} holds what looks like a key; name its variable in api_key_variable")
        ours = {"model", "messages", "temperature", "stream", "n"} & set(self.options)
        if ours:
            raise ValueError(f"teacher.options has {sorted(ours)[0]!r}, which winnow sets itself; remove it")
        return self


class LocalTeacherRecipe(Frozen):
    """A model on this machine."""

    kind: Literal["local"]
    """Names this teacher."""
    model: Text = "base"
    """`base`, or a folder or hub name."""
    max_new_tokens: Size = 512
    """Longest answer."""
    batch_size: Size = 16
    """Requests answered at once."""


class SyntheticRecipe(Frozen):
    """Word problems with programs, written by a teacher, parsed, filtered and verified (Liu et al. 2023, TinyGSM).

    Answers are kept: another number of examples, other filters or a higher limit pay for no answer twice.
    """

    teacher: Annotated[
        BuiltInTeacherRecipe | EndpointTeacherRecipe | LocalTeacherRecipe, Field(discriminator="kind")
    ] = BuiltInTeacherRecipe()
    """Who writes."""
    examples: Annotated[Whole, Field(ge=1, le=10**9)]
    """How many problems to end with, after all filters."""
    seeds: "SourceRecipe | None" = None
    """Questions to start from, such as a training set's; null for questions of the built-in generator."""
    irrelevant_share: Share = 0.33
    """Share of the problems asked for that hold facts which do not matter (variants of a question, then a program)."""
    reworded_share: Share = 0.0
    """Share that are asked for as variants of a question, then a program; the rest is written in one step."""
    problems_per_request: Annotated[Whole, Field(ge=1, le=1000)] = 10
    """Problems that one request asks for."""
    temperature: Annotated[Number, Field(ge=0.0, le=100.0)] = 1.0
    """Of the teacher's sampling: the one source of variety, as all requests on a question are alike."""
    min_characters: Annotated[Whole, Field(ge=0, le=10**6)] = 40
    """Shorter questions are left out."""
    min_sentences: Annotated[Whole, Field(ge=0, le=10**6)] = 1
    """Questions of fewer sentences are left out."""
    require_numbers: Truth = True
    """Leave out questions without a number, in digits or words."""
    run_programs: Literal["python", "arithmetic", "none"] = "python"
    """How programs get their number; those that give none are left out. `arithmetic`: in an interpreter apart from this
    process (extra `sandbox`); `python`: there, and what it lacks, such as sympy, in confined full Python (Linux);
    `none`: plain assignments are worked out, and all else is left out."""
    majority_of: Annotated[Whole, Field(ge=3, le=1000)] | None = None
    """Programs asked for each question in all; kept where more than half of them give one number. It leaves the easy
    problems: an ablation."""
    written_as: Literal["program", "function", "worked"] = "program"
    """What is trained on: the program; a function with the question as its docstring; or the program's equations,
    where it is made of plain assignments alone."""
    max_dollars: Annotated[Positive | None, HOW] = None
    """Generation stops before it could cost more; required where the teacher has a price."""
    max_teacher_tokens: Annotated[Count | None, HOW] = None
    """Generation stops once the teacher has read and written so many tokens."""
    seed: Seed = 0
    """Decides which questions are shown and what the teacher draws."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.irrelevant_share + self.reworded_share > 1:
            raise ValueError("synthetic.irrelevant_share and reworded_share exceed 1 together; lower one")
        if self.majority_of is not None and self.run_programs == "none":
            raise ValueError("synthetic.majority_of compares what programs give; leave out `run_programs: none`")
        if self.seeds is not None and self.seeds.synthetic is not None:
            raise ValueError("synthetic.seeds is synthetic itself; give files, or leave it out")
        teacher = self.teacher
        has_price = isinstance(teacher, EndpointTeacherRecipe) and (
            teacher.dollars_per_million_prompt_tokens or teacher.dollars_per_million_completion_tokens
        )
        if has_price and self.max_dollars is None:
            raise ValueError("synthetic.teacher has a price; say with synthetic.max_dollars what it may cost")
        if self.max_dollars is not None and not has_price:
            raise ValueError("synthetic.max_dollars needs the teacher's price: dollars_per_million_..._tokens")
        return self


class FieldsRecipe(Frozen):
    """Which columns of a file hold the parts of an example (format `fields`)."""

    question: str | tuple[str, ...]
    """Column of the question; several are joined by a space."""
    answer: str
    """Column of the final answer."""
    rationale: str | None = None
    """Column of the worked answer, if there is one."""
    options: str | None = None
    """Column of the options of a multiple-choice question, a list."""


class SourceRecipe(Frozen):
    """One origin of data: files, a hub data set, or the built-in generator."""

    name: Name
    """Name in tables."""
    licence: Annotated[str, Field(min_length=1)]
    """Licence of the data, as an SPDX name where there is one; `unknown` is allowed and is shown."""
    path: Text | Texts | None = None
    """Glob(s) of JSONL(.gz|.zst), JSON, Parquet, CSV or TXT files, from the current folder; or `hf://owner/name`."""
    split: str = "train"
    """Split of a hub data set."""
    subset: str | None = None
    """Configuration of a hub data set."""
    revision: str | None = None
    """Revision of a hub data set."""
    format: Name = "fields"
    """Of problems with a final answer: gsm8k, aqua_rat, math_qa, svamp; of instructions with open answers:
    prompt_completion, alpaca; of conversations: chat, sharegpt; of plain documents: text. Or `fields` with `fields:`
    below, or neither with `prompt:` and `completion:`."""
    fields: FieldsRecipe | None = None
    """Columns, for format `fields`."""
    prompt: Annotated[str | None, ADDED] = None
    """What the model is given, with columns in braces, such as "{instruction}\\n\\n{context}\\n\\n", to the letter;
    {{ and }} are braces, a column that is empty or null in a row is empty text. Goes with `completion`."""
    completion: Annotated[str | None, ADDED] = None
    """What it shall say, likewise, such as "{response}"; nothing is put between the two."""
    answers: Annotated[Literal["open", "final"] | None, ADDED] = None
    """Of formats fields, chat and sharegpt: `open` answers are trained on as they stand and measured by loss alone;
    `final` ones are compared as numbers, letters or phrases, and format fields trains on them in one spelling. Null
    tells by the row: open are several lines, more than 6 words or more than 100 characters, and all answers of a source
    where more than a fifth are such; with a column for rationale or options all are final."""
    text_field: str = "text"
    """Column of the text, for format `text`."""
    messages_field: Annotated[str, ADDED] = "messages"
    """Column of the conversation, for format `chat`: a list of {role, content}. For format `sharegpt`, a list of {from,
    value}: `conversations`, where a row has no column of this name."""
    where: dict[str, str] | None = None
    """Keep only rows whose column has this value, as text."""
    scores: dict[Name, str] = {}
    """Numbers that the data bring with them: name -> column; representations of kind `column` read them."""
    problems: ProblemsRecipe | None = None
    """Generate word problems instead of reading files."""
    passages: PassagesRecipe | None = None
    """Generate plain text instead of reading files (pretraining only)."""
    synthetic: Annotated[SyntheticRecipe | None, ADDED] = None
    """Have a teacher write word problems instead of reading files (sources of the pool only)."""
    limit: Count | None = None
    """Keep a seeded sample of so many rows."""
    limit_words: Annotated[Count | None, ADDED] = None
    """Of text for pretraining: keep a seeded sample of documents that reaches so many words between spaces, each
    document as likely as any other; the rest of the source is read past, not held in memory."""
    examples: Annotated[Whole, Field(ge=1, le=10**9)] | None = None
    """Declared number of examples, used by `winnow plan` alone where the data are out of reach."""
    tokens: Count | None = None
    """Declared number of tokens, likewise."""

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        given = [key for key in ("path", "problems", "passages", "synthetic") if getattr(self, key) is not None]
        if len(given) != 1:
            raise ValueError(
                f"source {self.name!r} has {given or 'no origin'}; give exactly one of path, problems, passages and "
                "synthetic"
            )
        if self.path is not None and self.format == "fields" and self.fields is None and not self.has_templates:
            raise ValueError(f"source {self.name!r} has neither a format nor fields; name a format or give `fields:`")
        check_templates(self)
        if self.answers is not None and (
            self.path is None or self.has_templates or self.format not in ("fields", "chat", "sharegpt")
        ):
            raise ValueError(
                f"source {self.name!r} has answers, which is for formats fields, chat and sharegpt; leave it out"
            )
        if self.limit_words is not None and self.passages is None and self.format != "text":
            raise ValueError(
                f"source {self.name!r} has limit_words, which is for plain text (format text, or passages); use limit"
            )
        return self

    @model_validator(mode="after")
    def _known_sizes(self) -> Self:
        if self.examples is not None and self.tokens is not None and self.tokens < self.examples:
            raise ValueError(
                f"source {self.name!r} declares {self.tokens} tokens in {self.examples} examples; each has one at least"
            )
        return self

    @property
    def has_templates(self) -> bool:
        """Whether its rows are laid out by `prompt` and `completion`."""
        return self.prompt is not None or self.completion is not None


def check_templates(source: SourceRecipe) -> None:
    """Raises ValueError where `prompt` and `completion` are not templates, or do not go with the rest of the source."""
    if not source.has_templates:
        return
    if source.path is None or source.format != "fields" or source.fields is not None:
        raise ValueError(
            f"source {source.name!r} has prompt or completion beside another format; give either `prompt:` and "
            "`completion:`, or `format:`, or `fields:`"
        )
    for key, template in (("prompt", source.prompt), ("completion", source.completion)):
        if template is None:
            raise ValueError(f"source {source.name!r} has no {key}; `prompt:` and `completion:` go together")
        try:
            columns = columns_of(template)
        except ValueError as error:
            raise ValueError(f"source {source.name!r}: {key} {error}") from error
        if not columns:
            raise ValueError(f"source {source.name!r}: {key} names no column; write one in braces, such as {{text}}")


SyntheticRecipe.model_rebuild()


class TargetRecipe(Frozen):
    """Training data set aside as the target of targeted selectors; never evaluation data."""

    per_source: dict[str, Annotated[Whole, Field(ge=1, le=10**9)]] | None = None
    """How many examples to set aside from each named source of the pool."""
    source: SourceRecipe | None = None
    """Or a user's own file."""

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.per_source is None) == (self.source is None):
            raise ValueError("pool.target needs exactly one of per_source and source")
        return self


class PlantRecipe(Frozen):
    """Noise put into training rows on purpose, in the places of others; validation and target stay clean."""

    wrong_answers: Share = 0.0
    """Share of the training rows whose final answer becomes another one of its source, or another option."""
    copies: Share = 0.0
    """Share that become exact copies of a few others."""
    copied_rows: Annotated[Whole, Field(ge=1, le=10**9)] = 50
    """How many rows are copied."""
    off_topic: Share = 0.0
    """Share that become questions of another kind."""
    off_topic_source: SourceRecipe | None = None
    """Where those come from: files or a hub data set with questions and answers."""
    seed: Seed = 0
    """Decides which rows; the same rows for all arms and seeds of a study."""

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.wrong_answers + self.copies + self.off_topic > 0.95:
            raise ValueError("pool.plant changes more than 95 % of the rows; lower its shares")
        if (self.off_topic > 0) != (self.off_topic_source is not None):
            raise ValueError("pool.plant needs both off_topic and off_topic_source, or neither")
        if self.off_topic_source is not None and self.off_topic_source.path is None:
            raise ValueError("pool.plant.off_topic_source is generated; give files or a hub data set")
        return self


class HygieneRecipe(Frozen):
    """What is looked for in all rows of the pool's sources before any is drawn: evaluation items, and copies."""

    contamination: Literal["report", "drop_examples", "drop_source"] = "drop_examples"
    """`report` leaves all rows in, those of equal questions too; `drop_examples` drops the rows that `drop_by` finds,
    `drop_source` those and every source above `max_contaminated_fraction`."""
    drop_by: Annotated[
        tuple[Literal["equal_question", "covered_8", "shared_13"], ...], Field(min_length=1), AfterValidator(_once)
    ] = (
        "equal_question",
        "covered_8",
        "shared_13",
    )
    """Rules: the same question; over half of the item's words in 8-grams shared with one question (Tulu 3); a shared
    13-gram without digits (TinyGSM)."""
    max_contaminated_fraction: Share = 0.02
    """Share of one evaluation set's items, by `equal_question` or `covered_8`, above which a source is contaminated."""
    duplicates: Literal["report", "drop_exact", "drop_near"] = "report"
    """Of equal rows, or of nearly equal rows with the same numbers, the first one stays, in the recipe's order."""
    similarity: Fraction = 0.7
    """Estimated Jaccard similarity of three-word runs from which on two rows are nearly equal."""


class PoolRecipe(Frozen):
    """All candidates for training."""

    sources: Annotated[tuple[SourceRecipe, ...], Field(min_length=1)]
    """Where the examples come from."""
    sample: Count | None = None
    """Keep a seeded sample of so many examples of all sources together."""
    max_tokens: Annotated[Whole, Field(ge=8, le=10**7)] = 512
    """Longest example in tokens; longer ones are treated by `too_long`."""
    too_long: Literal["truncate", "drop", "error"] = "truncate"
    """`truncate` cuts the end of the completion and counts it."""
    validation_fraction: Annotated[Number, Field(gt=0.0, lt=1.0)] = 0.1
    """Share of the examples held out for validation, by group of near-equal questions."""
    max_validation: Count = 500
    """At most so many validation examples."""
    completion: Literal["rationale", "answer"] = "rationale"
    """Train on the worked answer followed by the final one, or on the final answer alone."""
    chat_template: Annotated[str | None, ADDED] = None
    """Jinja template of conversations (format `chat`), or a file that holds one; null for the tokenizer's own."""
    target: TargetRecipe | None = None
    """Sample for targeted selectors."""
    plant: PlantRecipe | None = None
    """Noise put into the training rows, for studies of what selection makes of it."""
    hygiene: Annotated[HygieneRecipe | None, ADDED] = None
    """Look for evaluation items and for copies; null drops equal questions of the evaluation sets, and nothing else."""
    licence_policy: Annotated[Literal["flag", "refuse"], HOW] = "flag"
    """Sources whose licence forbids commercial use, as far as its name tells: mark them, or refuse the recipe."""
    seed: Seed = 0
    """Seed of sampling and splitting."""

    @model_validator(mode="after")
    def _plants_into_questions(self) -> Self:
        chats = [source.name for source in self.sources if source.path is not None and source.format == "chat"]
        if self.plant is not None and chats:
            raise ValueError(f"pool.plant cannot change conversations, such as those of {chats[0]!r}; remove it")
        return self

    @model_validator(mode="after")
    def _licences_allowed(self) -> Self:
        own = (self.target.source if self.target else None, self.plant.off_topic_source if self.plant else None)
        for source in (*self.sources, *own):
            if self.licence_policy == "refuse" and source is not None and is_noncommercial(source.licence):
                raise ValueError(
                    f"source {source.name!r} has licence {source.licence!r}, which forbids commercial use, and "
                    "pool.licence_policy is refuse; remove it, or set flag"
                )
        return self


# --------------------------------------------------------------------------------------------- budget


class BudgetRecipe(Frozen):
    """What a run may spend: exactly one unit. It is the axis on which arms are equal."""

    pool_epochs: Positive | None = None
    """Example visits, in passes over the whole pool: fraction x epochs is constant."""
    examples: Count | None = None
    """Example visits."""
    tokens: Count | None = None
    """Real tokens, padding not counted."""
    flops: Amount | None = None
    """Reference FLOPs, selection included."""
    seconds: Annotated[Number, Field(gt=0.0, le=1e12)] | None = None
    """Seconds on `machine`, selection included."""
    dollars: Annotated[Number, Field(gt=0.0, le=1e12)] | None = None
    """Dollars on `machine`, selection included."""

    @model_validator(mode="after")
    def _one_unit(self) -> Self:
        given = [unit for unit in BUDGET_UNITS if getattr(self, unit) is not None]
        if len(given) != 1:
            raise ValueError(f"budget names {given or 'no unit'}; give exactly one of {', '.join(BUDGET_UNITS)}")
        return self

    @property
    def unit(self) -> str:
        """The unit that is given."""
        return next(unit for unit in BUDGET_UNITS if getattr(self, unit) is not None)

    @property
    def amount(self) -> float:
        """How much of it."""
        return float(getattr(self, self.unit))


class MachineRecipe(Frozen):
    """What turns FLOPs into seconds and dollars: declared, or measured when the run starts."""

    name: str = "this machine"
    """Name in tables."""
    devices: Annotated[Whole, Field(ge=1, le=1024)] = 1
    """Devices that train one run together, each a process of its own: GPUs, or on a CPU as many as are asked for."""
    flops_per_second: Annotated[Number, Field(ge=1.0, le=1e24)] | None = None
    """Useful FLOPs per second, all devices together; measured where it is not given and needed."""
    flops_convention: Literal["reference", "6n"] = "reference"
    """What `flops_per_second` counts."""
    fixed_seconds: Annotated[Number, Field(ge=0.0, le=1e12)] = 0.0
    """Seconds that every run costs beside training, such as evaluation (for `winnow plan`)."""
    dollars_per_hour: Price = 0.0
    """Price of the whole machine."""
    memory_bytes: Count | None = None
    """Memory of one device, of which `winnow plan` warns where a run needs more; null for what is found here."""


# ------------------------------------------------------------------------------------ model and training


class LoraRecipe(Frozen):
    """A low-rank adapter, in PEFT's words."""

    r: Annotated[Whole, Field(ge=1, le=8192)] = 8
    """Rank."""
    lora_alpha: Size = 16
    """Scale is lora_alpha / r."""
    lora_dropout: Annotated[Number, Field(ge=0.0, lt=1.0)] = 0.05
    """Dropout before the adapter."""
    target_modules: Texts | Pattern = ("c_attn", "c_proj")
    """Names of the adapted modules, or `all-linear`."""
    use_rslora: Annotated[Truth, ADDED] = False
    """Scale is lora_alpha / sqrt(r): rank-stabilised LoRA (Kalajdzievski 2023)."""
    use_dora: Annotated[Truth, ADDED] = False
    """Train each weight's magnitude beside its direction: DoRA (Liu et al. 2024); takes more compute."""


class TrainingRecipe(Frozen):
    """How a run trains."""

    method: Literal["lora", "full"] = "lora"
    """Train an adapter or all weights."""
    lora: LoraRecipe = LoraRecipe()
    """The adapter, for method `lora`."""
    peft: Annotated[dict[str, Any] | None, ADDED] = None
    """For method `lora`, in place of `lora`: any adapter of PEFT, by its `peft_type` and that type's own options."""
    quantise: Annotated[Literal["4bit", "8bit"] | None, ADDED] = None
    """Hold the frozen base in 4 bits (NF4, as in QLoRA, Dettmers et al. 2023) or 8; needs a GPU and the extra `gpu`."""
    start: Name = "base"
    """Stage whose checkpoint the runs start from: `base` or one of `stages`."""
    freeze: tuple[Pattern, ...] = ()
    """Weights whose name matches one of these regular expressions are not trained (method `full`)."""
    optimizer: Literal["adamw", "sgd", "adafactor", "lion", "muon", "adamw_8bit"] = "adamw"
    """`muon` takes the matrices inside the layers, AdamW the rest; `lion` needs the extra `optimizers`, `adamw_8bit`
    (its state in 8 bits) a GPU and the extra `gpu`."""
    learning_rate: Rate = 2e-4
    """Peak learning rate."""
    schedule: Literal["constant", "linear", "cosine", "inverse_sqrt", "warmup_stable_decay"] = "linear"
    """Learning rate over the steps."""
    warmup_fraction: Share = 0.0
    """Share of the steps with linear warm-up."""
    decay_fraction: Share = 0.2
    """Share of the steps in the decay of `warmup_stable_decay`."""
    final_learning_rate_fraction: Share = 0.0
    """Learning rate at the end over the peak (linear, cosine, warmup_stable_decay)."""
    weight_decay: Annotated[Number, Field(ge=0.0, le=1000.0)] = 0.0
    """Decoupled weight decay of matrices."""
    betas: tuple[Beta, Beta] = (0.9, 0.999)
    """Averaging of AdamW and Lion; the first is SGD's momentum."""
    max_grad_norm: Positive | None = 1.0
    """Gradients are clipped to this norm; null for none."""
    per_device_batch_size: Size = 40
    """Examples in one micro-batch on one device; on a CPU up to so many, fewer where that spares padding."""
    gradient_accumulation_steps: Size = 1
    """Micro-batches per step; the global batch is per_device_batch_size x this x machine.devices."""
    loss_on: Literal["completion", "all"] = "completion"
    """Tokens that are trained on."""
    sharding: Annotated[Literal["none", "full"], ADDED] = "none"
    """On several devices: `full` cuts each layer's weights, gradients and optimizer state over them (FSDP2)."""
    precision: Literal["auto", "float32", "bfloat16", "float64"] = "auto"
    """`auto` is bfloat16 where the device has it, float32 elsewhere."""
    packing: Annotated[Truth, ADDED] = False
    """Examples stand end to end in lines hardly longer than the step's longest one, each seeing only itself: less
    padding, most of all where micro-batches are large."""
    gradient_checkpointing: Annotated[Truth, ADDED] = False
    """Keep the inputs of layers alone and compute the rest again in the backward pass: less memory, more time."""
    compile: Annotated[Truth, ADDED] = False
    """Train through torch.compile: minutes at the start, faster steps after; pays on a GPU."""
    threads: Annotated[Whole, Field(ge=1, le=1024)] = 1
    """CPU threads of one run; part of what makes the bits, so it stands here and not in the environment."""
    checkpoint_every_seconds: Annotated[Number, Field(ge=0.0, le=1e9)] = 60.0
    """How much work a kill may cost."""

    @property
    def adapter(self) -> LoraRecipe | dict[str, Any]:
        """What method `lora` trains: `peft` where it is given, else `lora`."""
        return self.lora if self.peft is None else self.peft

    @model_validator(mode="after")
    def _one_adapter(self) -> Self:
        if self.method == "full" and (self.peft is not None or self.quantise is not None):
            given = "peft" if self.peft is not None else "quantise"
            raise ValueError(f"training.{given} goes with training.method lora; this one is full")
        if self.peft is not None and self.lora != LoraRecipe():
            raise ValueError("training has both lora and peft; give one of them")
        if self.quantise is not None and self.precision == "float64":
            raise ValueError("training.quantise cannot go with training.precision float64; use auto or bfloat16")
        return self

    @model_validator(mode="after")
    def _phases_fit(self) -> Self:
        if self.schedule == "warmup_stable_decay" and self.warmup_fraction + self.decay_fraction > 1:
            raise ValueError("training.warmup_fraction and decay_fraction exceed 1 together; lower one")
        return self


class TokenizerRecipe(Frozen):
    """A byte-level BPE tokenizer for a base model that the recipe pretrains."""

    vocab_size: Annotated[Whole, Field(ge=260, le=10**7)] = 1024
    """Pieces, the 256 bytes and the end-of-text token among them."""
    split_digits: Truth = True
    """Every digit is a token of its own."""


def _over(defaults: TrainingRecipe) -> BeforeValidator:
    """A section that is written in part keeps the other defaults of its place, such as method `full`."""
    return BeforeValidator(lambda given: defaults.model_dump() | given if isinstance(given, dict) else given)


PRETRAINING = TrainingRecipe(method="full", loss_on="all", schedule="cosine", learning_rate=1e-3)
FULL_TRAINING = TrainingRecipe(method="full")


class PretrainRecipe(Frozen):
    """A base model made from scratch by the recipe itself."""

    architecture: Architecture
    """`model_type` and sizes, as in transformers; vocab_size comes from the tokenizer."""
    tokenizer: TokenizerRecipe = TokenizerRecipe()
    """Its tokenizer, trained on the same text."""
    sources: Annotated[tuple[SourceRecipe, ...], Field(min_length=1)]
    """Text to train on: format `text`, `passages`, or problems (question and answer as text)."""
    context_tokens: Annotated[Whole, Field(ge=8, le=10**7)] = 256
    """Length of the packed sequences."""
    budget: BudgetRecipe
    """What pretraining may spend."""
    training: Annotated[TrainingRecipe, _over(PRETRAINING)] = PRETRAINING
    """How it trains."""
    seed: Seed = 0
    """Seed of the weights and of the order of the data."""


class BaseRecipe(Frozen):
    """The model that every arm starts from: a folder, a hub name, or one that the recipe pretrains."""

    model: Text | None = None
    """Folder or hub name."""
    revision: str | None = None
    """Revision of a hub model."""
    architecture: Architecture | None = None
    """Declared architecture, used by `winnow plan` alone where the hub is out of reach."""
    pretrain: PretrainRecipe | None = None
    """Or: pretrain it."""

    @model_validator(mode="after")
    def _one_origin(self) -> Self:
        if (self.model is None) == (self.pretrain is None):
            raise ValueError("base needs exactly one of model and pretrain")
        return self


class StageRecipe(Frozen):
    """A training stage of its own, such as a first fine-tuning that all arms start from, or a branch of another one."""

    name: Name
    """Name, for `start`."""
    start: Name = "base"
    """Stage whose checkpoint it starts from."""
    sources: Names | None = None
    """Sources of the pool it trains on; null for all."""
    training: Annotated[TrainingRecipe, _over(FULL_TRAINING)] = FULL_TRAINING
    """How it trains."""
    budget: BudgetRecipe
    """What it may spend; a branch, together with the part of the other stage that it goes on from."""
    seed: Seed = 0
    """Its seed."""
    keep_every_steps: Annotated[Count | None, ADDED] = None
    """Keep the whole state every so many steps, for branches; each is as large as a checkpoint."""
    keep_at: Annotated[tuple[Fraction, ...], AfterValidator(_once), ADDED] = ()
    """Keep the whole state at these shares of its steps, for branches."""
    cooldown_of: Annotated[Name | None, ADDED] = None
    """Branch: go on from the last state that this stage keeps before the cooldown; data, order, optimizer, learning
    rate, seed and start are that stage's, until in the last steps the learning rate falls to zero."""
    cooldown_fraction: Annotated[Fraction, ADDED] = 0.2
    """Share of a branch's steps, those of the other stage before it counted, in which the learning rate falls."""

    @model_validator(mode="after")
    def _leaves_a_whole_model(self) -> Self:
        if self.training.quantise is not None:
            raise ValueError(f"stage {self.name!r} leaves a whole model; training.quantise is for the arms' adapters")
        return self

    @model_validator(mode="after")
    def _branch_trains_as_its_trunk(self) -> Self:
        own = {"start": "base", "sources": None, "training": FULL_TRAINING, "seed": 0}
        given = [key for key, default in own.items() if getattr(self, key) != default]
        kept = [key for key in ("keep_every_steps", "keep_at") if getattr(self, key)]
        if self.cooldown_of is not None and given + kept:
            raise ValueError(
                f"stage {self.name!r} cools down {self.cooldown_of!r} and trains as that does; "
                f"remove {', '.join(given + kept)}"
            )
        return self


# ------------------------------------------------------------------------- selection, evaluation, study


class FourierRecipe(Frozen):
    """Random Fourier features of vectors, for kernel methods such as herding."""

    features: Annotated[Whole, Field(ge=2, le=10**6, multiple_of=2)] = 1024
    """Cosines and sines together."""
    bandwidth_scale: Annotated[Number, Field(ge=1e-6, le=1e6)] = 1.0
    """Multiplies the median-heuristic bandwidth."""
    seed: Seed = 0
    """Seed of the frequencies."""


class _Batched(Frozen):
    """What all passes of a model over the pool share."""

    model: Text = "base"
    """Proxy model: `base`, one of `stages`, or a folder or hub name of another model."""
    batch_size: Size = 64
    """Examples per forward pass: part of the recipe, since the last bits depend on it."""
    shard_size: Annotated[Whole, Field(ge=1, le=10**9)] = 4096
    """Examples that are read, batched and written together: a kill costs one shard at most."""


class _Vectors(_Batched):
    """What all vectors share."""

    fourier: FourierRecipe | None = FourierRecipe()
    """The map to features for kernel methods; null to use the vectors as they are."""
    dtype: Literal["float32", "float16"] = "float32"
    """How vectors are stored."""


class HiddenStatesRecipe(_Vectors):
    """Hidden states of a causal language model, pooled over an example's tokens, then whitened."""

    kind: Literal["hidden_states"] = "hidden_states"
    """Names this representation."""
    layer: Annotated[Whole, Field(ge=-1000, le=1000)] = -1
    """Hidden layer, as in `hidden_states`; -1 is the last."""
    pooling: Literal["weighted_mean", "mean", "last"] = "weighted_mean"
    """`weighted_mean`: weights grow with the position (Muennighoff 2022)."""
    dimensions: Size | None = 32
    """Principal components kept, whitened; null to keep the states as they are."""


class GradientsRecipe(_Vectors):
    """Gradients of each example's mean loss with respect to LoRA's B matrices, projected (LESS, Xia et al. 2024)."""

    kind: Literal["gradients"] = "gradients"
    """Names this representation."""
    lora: LoraRecipe | None = None
    """The adapter; `training.lora` where it is not given."""
    projection: Size = 512
    """Width of the random projection, all modules together."""
    adam: Truth = False
    """Precondition by Adam's second moment, estimated on the pool itself."""
    dimensions: Size | None = None
    """Principal components kept, whitened; null to keep the gradients as they are."""
    seed: Seed = 0
    """Seed of the adapter's A matrices and of the projection."""


class EmbeddingsRecipe(_Vectors):
    """Sentence embeddings of a transformers encoder, scaled to length 1."""

    kind: Literal["embeddings"] = "embeddings"
    """Names this representation."""
    model: Text
    """Folder or hub name of the encoder."""
    pooling: Literal["mean", "first"] = "mean"
    """Mean over the tokens, or the first (CLS) token's state."""
    max_tokens: Size = 512
    """Longer texts are cut."""
    of: Literal["all", "prompt", "completion"] = "all"
    """Text that is embedded."""
    dimensions: Size | None = None
    """Principal components kept, whitened; null to keep the embeddings as they are."""


class LossRecipe(_Batched):
    """Loss of each example in nats; its exponential is the perplexity and gives the same order."""

    kind: Literal["loss"] = "loss"
    """Names this score."""
    over: Literal["completion", "all"] = "completion"
    """Tokens that count."""
    reduce: Literal["mean", "sum"] = "mean"
    """Sums rank by length: take means."""


class IfdRecipe(_Batched):
    """Instruction-following difficulty: completion loss with the prompt over that without it (Li et al. 2024)."""

    kind: Literal["ifd"] = "ifd"
    """Names this score."""
    ratio: Literal["perplexity", "loss"] = "perplexity"
    """Ratio of perplexities, as published, or of losses."""


class LengthRecipe(Frozen):
    """Number of tokens."""

    kind: Literal["length"] = "length"
    """Names this score."""
    of: Literal["all", "prompt", "completion"] = "all"
    """Tokens that count."""


class ColumnRecipe(Frozen):
    """A number that the data bring with them: `scores:` of a source says where it stands."""

    kind: Literal["column"] = "column"
    """Names this score."""
    column: str
    """Its name in `scores:`."""


class NgramsRecipe(Frozen):
    """Hashed word n-grams (DSIR, Xie et al. 2023)."""

    kind: Literal["ngrams"] = "ngrams"
    """Names this representation."""
    n: Annotated[Whole, Field(ge=1, le=100)] = 2
    """n-grams of 1 to n words."""
    buckets: Annotated[Whole, Field(ge=1, le=10**8)] = 10_000
    """Size of the hash table."""


RepresentationRecipe = (
    HiddenStatesRecipe
    | GradientsRecipe
    | EmbeddingsRecipe
    | LossRecipe
    | IfdRecipe
    | LengthRecipe
    | ColumnRecipe
    | NgramsRecipe
)
DEFAULT_REPRESENTATIONS: dict[str, RepresentationRecipe] = {
    "hidden_states": HiddenStatesRecipe(),
    "gradients": GradientsRecipe(),
    "loss": LossRecipe(),
    "ifd": IfdRecipe(),
    "length": LengthRecipe(),
    "ngrams": NgramsRecipe(),
}
"""What an arm may name without a word in `representations`."""
GIVES = {
    "hidden_states": "vectors", "gradients": "vectors", "embeddings": "vectors", "ngrams": "counts",
    "loss": "scores", "ifd": "scores", "length": "scores", "column": "scores",
}  # fmt: skip
"""Kind of representation -> what a selector gets of it."""


def _kind_from_name(given: Any) -> Any:
    """An entry without `kind:` is of the kind that it is named after."""
    if not isinstance(given, dict):
        return given
    return {
        name: {"kind": name} | entry if isinstance(entry, dict) and name in GIVES else entry
        for name, entry in given.items()
    }


class ArmRecipe(Frozen):
    """One way to choose rows."""

    selector: Name
    """Name of a selector or control; `winnow select --list` shows them."""
    name: Name | None = None
    """Name of the arm without its fraction; derived where it is not given."""
    target: Truth = False
    """Select towards `pool.target` instead of the pool; selectors that cannot do without a target do so anyway."""
    representation: Name | None = None
    """What it sees of the examples, one of `representations`; the selector's own default where it is not given."""
    score: Name | None = None
    """The number per example that it goes by, one of `representations`."""
    of: Name | None = None
    """For a control: the arm (without fraction) that it is the control of."""
    options: dict[str, Any] = {}
    """The selector's own options."""
    fractions: Annotated[tuple[Fraction, ...], Field(min_length=1)] | None = None
    """Fractions of this arm alone."""


class SelectionRecipe(Frozen):
    """Which parts of the pool are compared."""

    fractions: Annotated[tuple[Fraction, ...], Field(min_length=1)] = (0.1,)
    """Selected examples over pool examples."""
    arms: tuple[ArmRecipe | str, ...] = ("full", "random", "equal_shares", "herding")
    """Arms; a bare name stands for `{selector: name}`."""
    representations: Annotated[
        dict[Name, Annotated[RepresentationRecipe, Field(discriminator="kind")]], BeforeValidator(_kind_from_name)
    ] = {}
    """What selectors may see, by name; `hidden_states`, `gradients`, `loss`, `ifd`, `length` and `ngrams` are there
    with their defaults."""
    sized_by: Literal["examples", "tokens"] = "examples"
    """What a fraction is a fraction of; controls match their arm's examples either way."""
    controls: Truth = True
    """Add the arms that a fair study needs where they are missing: full, random, equal shares by source, and for each
    targeted selector a source-matched random and random plus the target sample."""


BENCHMARKS = {
    "hellaswag": 0, "arc_easy": 0, "arc_challenge": 0, "piqa": 0, "winogrande": 0, "truthfulqa_mc1": 0,
    "truthfulqa_mc2": 0, "mmlu": 5, "commonsense_qa": 0, "boolq": 0, "lambada_openai": 0, "gsm8k": 5,
    "minerva_math500": 4, "ifeval": 0,
}  # fmt: skip
"""Benchmark, by lm-eval's name -> solved examples in its prompts where the recipe gives no other number."""
PROMPTS_AS_THEY_ARE = "truthfulqa_mc1", "truthfulqa_mc2", "lambada_openai", "ifeval"
"""Benchmarks whose prompts take no examples."""


class BenchmarksRecipe(Frozen):
    """Benchmarks of the field, with the tasks, prompts and metrics of lm-eval (extra `benchmarks`)."""

    tasks: Annotated[tuple[Name, ...], Field(min_length=1)]
    """Which ones, by lm-eval's names: hellaswag, arc_easy, arc_challenge, piqa, winogrande, truthfulqa_mc1,
    truthfulqa_mc2, mmlu, commonsense_qa, boolq, lambada_openai, gsm8k, minerva_math500, ifeval."""
    data_dir: str | None = None
    """Folder of local files that stand in for the hub's data; docs/benchmarks.md says where each task looks."""
    limit: Count | None = None
    """Ask the first so many items of each task (of mmlu: of each subject); null for all."""
    num_fewshot: dict[Name, Annotated[Whole, Field(ge=0, le=1000)]] = {}
    """Solved examples in the prompts of the named tasks, where not the usual number."""
    forgetting: Annotated[tuple[Name, ...], AfterValidator(_once)] = ("hellaswag", "arc_challenge", "winogrande")
    """Tasks whose average tells how much of its earlier abilities a tuned model has lost; those of `tasks` count."""

    @model_validator(mode="after")
    def _known_tasks(self) -> Self:
        for name in (*self.tasks, *self.num_fewshot, *self.forgetting):
            if name not in BENCHMARKS:
                raise ValueError(
                    f"evaluation.benchmarks names {name!r}{nearest(name, BENCHMARKS)}; known: {', '.join(BENCHMARKS)}"
                )
        if len(set(self.tasks)) < len(self.tasks):
            raise ValueError("evaluation.benchmarks.tasks names a task twice")
        fixed = [name for name in self.num_fewshot if name in PROMPTS_AS_THEY_ARE]
        if fixed:
            raise ValueError(f"evaluation.benchmarks.num_fewshot names {fixed[0]}, whose prompts take no examples")
        return self


OWN_ROWS = "micro", "macro", "validation"
"""What tables call the averages over sets, and the part of the pool that is held out; no set has such a name."""


class EvaluationRecipe(Frozen):
    """What is measured, and when."""

    sets: Annotated[tuple[SourceRecipe, ...], Field(min_length=1)]
    """Evaluation sets."""
    every_steps: Count = 200
    """Steps between two evaluations on the way."""
    sample: Count = 100
    """Items of each set that are evaluated on the way; at the end the whole sets are."""
    max_new_tokens: Size = 64
    """Length of a generated answer."""
    batch_size: Size = 256
    """Items generated at once: part of the recipe, since the last bits depend on it."""
    best_by: Literal["validation", "test"] = "validation"
    """How the best checkpoint is chosen. `test` is the published rule of some references; it leaks, and the
    report says so."""
    benchmarks: Annotated[BenchmarksRecipe | None, ADDED] = None
    """Benchmarks of the base model and of every run's checkpoint; null for none."""

    @model_validator(mode="after")
    def _free_set_names(self) -> Self:
        taken = next((source.name for source in self.sets if source.name in OWN_ROWS), None)
        if taken is not None:
            raise ValueError(
                f"evaluation.sets has one named {taken!r}, as rows of the tables are: {', '.join(OWN_ROWS)}; rename it"
            )
        return self


class PrimaryRecipe(Frozen):
    """The one comparison that the verdict answers, declared before the runs."""

    arm: str | None = None
    """Arm with its fraction, such as herding_0.1; the first selected arm where it is not given."""
    baseline: str = "full"
    """Arm it is compared with."""
    metric: Literal["loss", "exact_match"] = "loss"
    """What is compared."""
    aggregate: str = "micro"
    """micro (over items), macro (over sets), or the name of one set."""
    checkpoint: Literal["best", "last"] = "best"
    """Which checkpoint of each run."""
    cost: Literal["flops", "seconds", "dollars", "tokens"] = "flops"
    """The cost whose saving is stated."""


class SweepRecipe(Frozen):
    """A learning-rate sweep: short trials on a grid, judged on validation, before any run of the study.

    The rate with the lowest validation loss among the stable ones is the peak learning rate of the runs;
    `training.learning_rate` is then not used. Evaluation sets are not looked at.
    """

    learning_rate: Annotated[tuple[Rate, ...], Field(min_length=2)]
    """The grid: peak learning rates, one trial each."""
    per: Literal["arm", "study"] = "arm"
    """`arm`: each arm on its own data; `study`: once for all arms, on the data of `study.primary.baseline`."""
    choose: Literal["lowest_loss", "highest_stable"] = "lowest_loss"
    """Among the stable rates: the one with the lowest validation loss, or the highest (Biderman et al. 2024)."""
    budget_fraction: Fraction = 0.25
    """Length of a trial over that of the arm's run. Trials are charged to the arm beside its budget, not out of it."""
    seed: Seed = 0
    """Seed of the trials, one of `study.seeds`: their rows are the ones that this seed selects."""

    @model_validator(mode="after")
    def _different_rates(self) -> Self:
        if len(set(self.learning_rate)) < len(self.learning_rate):
            raise ValueError(f"study.sweep.learning_rate is {list(self.learning_rate)}; give every rate once")
        return self


class StudyRecipe(Frozen):
    """How often, and what is claimed."""

    seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0,)
    """Seeds of selection and training; more can be added later."""
    resample_pool: Fraction = 1.0
    """Share of the pool that each seed draws as candidates; below 1 a deterministic selector has a variance too."""
    primary: PrimaryRecipe = PrimaryRecipe()
    """The declared comparison."""
    sweep: SweepRecipe | None = None
    """Choose the learning rate on validation; null trains with `training.learning_rate`, which the report says."""
    confidence: Annotated[Number, Field(gt=0.5, le=0.999999)] = 0.95
    """Level of all intervals."""

    @model_validator(mode="after")
    def _different_seeds(self) -> Self:
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"study.seeds is {list(self.seeds)}; give every seed once")
        return self

    @model_validator(mode="after")
    def _sweep_of_a_seed(self) -> Self:
        if self.sweep is not None and self.sweep.seed not in self.seeds:
            raise ValueError(f"study.sweep.seed is {self.sweep.seed}; it must be one of study.seeds {list(self.seeds)}")
        return self


class MlflowRecipe(Frozen):
    """MLflow: each study an experiment."""

    uri: str | None = None
    """Where: http://host:5000, or sqlite:///file.db; null for what MLflow's own environment variables say."""


class WandbRecipe(Frozen):
    """Weights & Biases: each study a group of runs."""

    project: Name | None = None
    """Project; null for the study's name."""
    entity: str | None = None
    """User or team; null for the one that is logged in."""
    mode: Literal["online", "offline"] = "online"
    """`offline` writes folders for `wandb sync`."""
    folder: str = "runs/wandb"
    """Folder of what W&B writes here."""


class TrackioRecipe(Frozen):
    """Trackio: each study a project, in Trackio's own folder on this machine."""

    project: Name | None = None
    """Project; null for the study's name."""


class TensorboardRecipe(Frozen):
    """TensorBoard: event files."""

    folder: str = "runs/tensorboard"
    """Folder to give to `tensorboard --logdir`; each study and each run has its own folder in it."""


class TrackersRecipe(Frozen):
    """Who else is told what the runs record, while they train and when the study is done.

    None of it changes a result, nor ends a run: a tracker that fails is one warning. An empty `{}` takes the defaults.
    """

    mlflow: MlflowRecipe | None = None
    """MLflow; null for none."""
    wandb: WandbRecipe | None = None
    """Weights & Biases; null for none."""
    trackio: TrackioRecipe | None = None
    """Trackio; null for none."""
    tensorboard: TensorboardRecipe | None = None
    """TensorBoard; null for none."""


class PublishedArm(Frozen):
    """Figures that somebody published for an arm; `winnow plan` prints them beside ours."""

    epochs: Figure | None = None
    """Epochs over the selected examples."""
    exaflops: Figure | None = None
    """1e18 FLOPs, in the publisher's convention."""
    seconds: Figure | None = None
    """Wall time."""
    dollars: Figure | None = None
    """Price."""


class Recipe(Frozen):
    """A whole study."""

    name: Name
    """Name of the study and of its folder."""
    pool: PoolRecipe
    """All candidates."""
    base: BaseRecipe
    """Where training starts."""
    selection: SelectionRecipe = SelectionRecipe()
    """What is compared."""
    training: TrainingRecipe = TrainingRecipe()
    """How every arm trains."""
    budget: BudgetRecipe
    """What every arm may spend."""
    evaluation: EvaluationRecipe
    """What is measured."""
    study: StudyRecipe = StudyRecipe()
    """Seeds and the declared comparison."""
    machine: MachineRecipe = MachineRecipe()
    """Speed and price."""
    stages: tuple[StageRecipe, ...] = ()
    """Training stages between the base and the arms."""
    published: dict[str, PublishedArm] = {}
    """Published figures by arm."""
    trackers: TrackersRecipe = TrackersRecipe()
    """Who else is told what the runs record."""
