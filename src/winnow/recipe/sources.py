"""Origins of data: files, hub data sets, the built-in generator, teachers."""

import re
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from winnow.credentials import masked_tree
from winnow.recipe.row_templates import columns_of
from winnow.recipe.values import (
    ADDED,
    HOW,
    Count,
    Frozen,
    Name,
    Names,
    Number,
    Positive,
    Price,
    Seed,
    Share,
    Size,
    Text,
    Texts,
    Truth,
    Whole,
)


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
        prices = "dollars_per_million_prompt_tokens", "dollars_per_million_completion_tokens"
        has_price = any(getattr(teacher, price, 0) for price in prices)
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
    """Of text for pretraining: keep a seeded sample of documents that reaches so many words between spaces, each as
    likely as any other."""
    limit_tokens: Annotated[Count | None, ADDED] = None
    """Of plain text in the pool: train on a seeded sample of documents that reaches so many tokens; samples nest."""
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
            found = f"{self.tokens} tokens in {self.examples} examples"
            raise ValueError(f"source {self.name!r} declares {found}; each has one at least")
        return self

    @property
    def is_text(self) -> bool:
        """Whether it holds plain documents."""
        return self.passages is not None or (self.path is not None and self.format == "text")

    @property
    def has_templates(self) -> bool:
        """Whether its rows are laid out by `prompt` and `completion`."""
        return self.prompt is not None or self.completion is not None


SyntheticRecipe.model_rebuild()


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
