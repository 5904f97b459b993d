"""Tokenizers: train a small one, load one, and turn prompt and completion into token ids.

    tokenizer = train_tokenizer(texts, TokenizerRecipe(vocab_size=1024), context_tokens=256)
    prompt_ids, completion_ids, truncated = encode_example(tokenizer, "Question: ...", " 5", max_tokens=256)

Prompt and completion are encoded apart, so that the boundary between them is the same in training, in scoring and
in generation, whatever stands beside it.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from winnow.errors import RecipeError
from winnow.recipe import GivenTokenizerRecipe, TokenizerRecipe
from winnow.records import Stored
from winnow.store import read_json

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase, PreTrainedTokenizerFast

END_OF_TEXT = "<|endoftext|>"
TOKENIZER = "tokenizer"
CONFIG = "tokenizer_config.json"
MODEL_REFERENCE = "model.json"
TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model")
BATCH = 1000
"""Texts per call of the fast tokenizer."""
PORTION_CHARACTERS = 400_000
"""Of documents that are encoded at once."""
TOKEN_CHARACTERS = 256
"""No token spells more. Tokenizers that do not split at spaces take minutes for a text of ten million characters."""


class Encoded(NamedTuple):
    """The tokens of one example."""

    prompt_ids: list[int]
    completion_ids: list[int]
    """End-of-text last, unless truncated; empty where the prompt alone is too long."""
    truncated: bool


def train_tokenizer(texts: Iterable[str], recipe: TokenizerRecipe, context_tokens: int) -> "PreTrainedTokenizerFast":
    """A byte-level BPE tokenizer of the texts: no text is unknown to it, and one special token serves for all ends.

    Holds fewer pieces than `vocab_size` where the texts do not give so many.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    digits = [pre_tokenizers.Digits(individual_digits=True)] if recipe.split_digits else []
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*digits, byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=recipe.vocab_size,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=END_OF_TEXT,
        eos_token=END_OF_TEXT,
        pad_token=END_OF_TEXT,
        unk_token=END_OF_TEXT,
        model_max_length=context_tokens,
        clean_up_tokenization_spaces=False,
    )


def load_tokenizer(folder_or_name: str | Path, revision: str | None = None) -> "PreTrainedTokenizerBase":
    """The tokenizer of a model folder or hub name. Raises RecipeError where there is none."""
    from transformers import AutoTokenizer

    name, folder = str(folder_or_name), Path(folder_or_name).expanduser()
    is_folder = folder.exists() or name.startswith(("/", ".", "~"))
    if is_folder and not any((folder / file).is_file() for file in TOKENIZER_FILES):
        found = "has no tokenizer" if folder.is_dir() else "does not exist"
        raise RecipeError(f"model folder {folder.absolute()} {found}; it needs {TOKENIZER_FILES[0]} beside its weights")
    if is_folder and folder.is_dir():
        _check_readable(folder)
    try:
        read: PreTrainedTokenizerBase = AutoTokenizer.from_pretrained(
            str(folder) if is_folder else name, revision=revision, trust_remote_code=False
        )
        read("x")
    # The Rust library behind transformers raises a bare Exception for a tokenizer.json that it cannot make sense of.
    except Exception as error:
        raise RecipeError(
            f"no tokenizer can be loaded from {name}: {_reason(error)}; name a folder that holds one"
        ) from error
    return read


def asked_pieces(recipe: TokenizerRecipe | GivenTokenizerRecipe) -> int:
    """Size of the vocabulary that is asked for. Raises RecipeError where the model that has it is out of reach."""
    return (
        recipe.vocab_size if isinstance(recipe, TokenizerRecipe) else len(load_tokenizer(recipe.model, recipe.revision))
    )


def _reason(error: Exception) -> str:
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    if "custom code" in first:
        return "it brings code of its own, which is never run"
    told = first if isinstance(error, OSError | ValueError) and first else f"{type(error).__name__}: {first}"
    return "".join(letter if letter.isprintable() else "?" for letter in told)[:300]


def _check_readable(folder: Path) -> None:
    """Raises RecipeError naming the file of a tokenizer that is no JSON object."""
    for path in (folder / TOKENIZER_FILES[0], folder / CONFIG):
        try:
            tree = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        except (OSError, ValueError, RecursionError) as error:
            reason = f"{path.name} cannot be read ({_reason(error)})"
            raise RecipeError(f"no tokenizer can be loaded from {folder}: {reason}; get the file again") from error
        if not isinstance(tree, dict):
            reason = f"{path.name} holds no JSON object but a {type(tree).__name__}"
            raise RecipeError(f"no tokenizer can be loaded from {folder}: {reason}; get the file again")


def check_vocabulary(tokenizer: "PreTrainedTokenizerBase", rows: int, model: str) -> None:
    """Raises RecipeError where the tokenizer has ids that the model, with an embedding of so many rows, has not."""
    vocabulary = tokenizer.get_vocab()
    ends = [tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id]
    largest = max([*vocabulary.values(), *(end for end in ends if isinstance(end, int))], default=-1)
    if largest < 0:
        raise RecipeError(f"the tokenizer of {model} is empty; take the one that the model was trained with")
    if largest >= rows:
        beyond = sorted((at, token) for token, at in vocabulary.items() if at >= rows)
        named = f", such as {beyond[0][1]!r} = {beyond[0][0]}" if beyond else ""
        raise RecipeError(
            f"the tokenizer of {model} has {len(vocabulary)} tokens with ids up to {largest}, the model's embedding "
            f"has {rows} rows: {max(1, len(beyond))} tokens lie outside{named}; take the tokenizer that the model was "
            "trained with, or enlarge the embedding (resize_token_embeddings) and save the model again"
        )


def tokenizer_of(stored: Stored) -> "PreTrainedTokenizerBase":
    """The tokenizer of a tokenizer artifact, or of the model that a model artifact points at."""
    return load_tokenizer(tokenizer_folder(stored), tokenizer_revision(stored))


def tokenizer_folder(stored: Stored) -> str:
    """Where the tokenizer of a tokenizer or model artifact is: a folder or a hub name."""
    reference = stored.folder / MODEL_REFERENCE
    return str(read_json(reference)["model"] if reference.is_file() else stored.folder / TOKENIZER)


def tokenizer_revision(stored: Stored) -> str | None:
    """The revision that a model artifact names."""
    reference = stored.folder / MODEL_REFERENCE
    return read_json(reference).get("revision") if reference.is_file() else None


def eos_id(tokenizer: "PreTrainedTokenizerBase") -> int:
    """The id of the token that ends a completion. Raises RecipeError where there is none."""
    found = tokenizer.eos_token_id
    if not isinstance(found, int):
        name = tokenizer.name_or_path or "of the base model"
        raise RecipeError(f"tokenizer {name} has no end-of-text token; set eos_token in its tokenizer_config.json")
    return found


def encode_example(tokenizer: "PreTrainedTokenizerBase", prompt: str, completion: str, max_tokens: int) -> Encoded:
    """As `encode_examples`, for one example."""
    return encode_examples(tokenizer, [prompt], [completion], max_tokens=max_tokens)[0]


def encode_examples(
    tokenizer: "PreTrainedTokenizerBase", prompts: Sequence[str], completions: Sequence[str], *, max_tokens: int
) -> list[Encoded]:
    """The tokens of each example, at most `max_tokens` together; the end of the completion is what is cut.

    One token begins the text where the tokenizer adds one by default, and one ends the completion unless it is cut.
    Where the prompt alone reaches `max_tokens`, the completion is empty: such a row is of no use.
    """
    end = eos_id(tokenizer)
    firsts = encode_prompts(tokenizer, prompts, max_tokens=max_tokens)
    pairs = zip(firsts, encode_completions(tokenizer, completions, max_tokens=max_tokens), strict=True)
    return [cut(prompt_ids, [*completion_ids, end], max_tokens) for prompt_ids, completion_ids in pairs]


def cut(prompt_ids: list[int], completion_ids: list[int], max_tokens: int) -> Encoded:
    """The example cut to `max_tokens`."""
    room = max(0, max_tokens - len(prompt_ids))
    return Encoded(prompt_ids, completion_ids[:room], len(completion_ids) > room)


def encode_prompts(
    tokenizer: "PreTrainedTokenizerBase", prompts: Sequence[str], *, max_tokens: int | None = None
) -> list[list[int]]:
    """The tokens of each prompt, as the model is given them: with a first token where the tokenizer adds one."""
    begin = tokenizer("x")["input_ids"][0]
    first = [begin] if begin == tokenizer.bos_token_id else []
    return [[*first, *ids] for ids in encode_texts(tokenizer, prompts, max_tokens=max_tokens)]


def encode_completions(
    tokenizer: "PreTrainedTokenizerBase", completions: Sequence[str], *, max_tokens: int | None = None
) -> list[list[int]]:
    """The tokens of each completion, without an end.

    Tokenizers in the style of SentencePiece put a space before every text; there the completion's own is left out.
    """
    start = tokenizer.convert_ids_to_tokens(tokenizer("x", add_special_tokens=False)["input_ids"])[0]
    has_own_space = start.startswith("▁")
    said = [text.removeprefix(" ") if has_own_space else text for text in completions]
    return encode_texts(tokenizer, said, max_tokens=max_tokens)


def encode_texts(
    tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str], *, max_tokens: int | None = None
) -> list[list[int]]:
    """The tokens of each text and nothing around them; a special token spelled out in a text is plain text.

    With `max_tokens` the end of a text that is certainly longer is left out: more tokens than these come back.
    """
    found: list[list[int]] = []
    for start in range(0, len(texts), BATCH):
        batch = list(texts[start : start + BATCH])
        clipped = [clip(text, max_tokens) for text in batch]
        ids = tokenizer(clipped, add_special_tokens=False, split_special_tokens=True, verbose=False)["input_ids"]
        for place, (text, short) in enumerate(zip(batch, clipped, strict=True)):
            if len(short) < len(text) and len(ids[place]) <= (max_tokens or 0):  # such as spaces, which some pass over
                ids[place] = tokenizer(text, add_special_tokens=False, split_special_tokens=True, verbose=False)[
                    "input_ids"
                ]
        found += ids
    return found


def encode_documents(tokenizer: "PreTrainedTokenizerBase", texts: Sequence[str]) -> Iterator[list[int]]:
    """As `encode_texts`, for whole documents: at the speed of the library below, where the tokenizer has one.

    A few hundred kB go at once, since it takes a hundred bytes for each token until they are done.
    """
    if not getattr(tokenizer, "is_fast", False):
        yield from encode_texts(tokenizer, texts)
        return
    backend = tokenizer.backend_tokenizer
    for portion in _portions(texts):
        with _plain_special_tokens(backend):
            encoded = [each.ids for each in backend.encode_batch_fast(portion, add_special_tokens=False)]
        yield from encoded


def _portions(texts: Sequence[str]) -> Iterator[list[str]]:
    """The texts in their order, `PORTION_CHARACTERS` at a time, or a longer one alone."""
    start = size = 0
    for place, text in enumerate(texts):
        if size and size + len(text) > PORTION_CHARACTERS:
            yield list(texts[start:place])
            start, size = place, 0
        size += len(text)
    yield list(texts[start:])


def encode_with_ends(tokenizer: "PreTrainedTokenizerBase", text: str) -> tuple[list[int], list[int]]:
    """The tokens of a document, and the character that each ends before.

    Raises RecipeError where the tokenizer does not tell.
    """
    if not getattr(tokenizer, "is_fast", False):
        name = tokenizer.name_or_path or "of the base model"
        raise RecipeError(f"tokenizer {name} does not tell where its tokens stand in a text; take a fast one")
    backend = tokenizer.backend_tokenizer
    with _plain_special_tokens(backend):
        encoded = backend.encode(text, add_special_tokens=False)
    return encoded.ids, [end for _, end in encoded.offsets]


@contextmanager
def _plain_special_tokens(backend: Any) -> Iterator[None]:
    """Special tokens that are spelled out in a text are plain text inside the block; nothing is cut or padded."""
    before = backend.encode_special_tokens
    backend.no_truncation()
    backend.no_padding()
    backend.encode_special_tokens = True
    try:
        yield
    finally:
        backend.encode_special_tokens = before


def vocabulary_of(tokenizer: "PreTrainedTokenizerBase") -> int:
    """One more than its largest id."""
    return max(len(tokenizer), 1 + max(tokenizer.get_vocab().values(), default=0))


def clip(text: str, max_tokens: int | None) -> str:
    """As much of a text as could give more tokens than these."""
    return text if max_tokens is None else text[: TOKEN_CHARACTERS * (max_tokens + 1)]
