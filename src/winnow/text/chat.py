"""Conversations as a model reads them: a chat template's tokens, and which of them the assistant wrote.

    template = ChatTemplate(tokenizer)                      # the tokenizer's own; or a Jinja template
    chat = template.encode([("user", "2 + 3?"), ("assistant", "5")], name="mine:0123")
    chat.ids, chat.is_target, chat.answer_from

All turns of the assistant are targets, each with the token that ends it and nothing else. Where the template marks
them (`{% generation %}`), transformers tells which tokens they are; else they are what each turn adds to the text of
those before it.
"""

import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from winnow.errors import DataError, RecipeError
from winnow.text.chat_templates import CHAT_DATE, CLOCK, timeless
from winnow.text.examples import ASSISTANT, USER, Message
from winnow.text.tokenizers import Encoded

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

BLOCKS = re.compile(r"\{%-?\s*generation\s*-?%\}")


@dataclass(frozen=True, slots=True)
class ChatTokens:
    """The tokens of a conversation as a row to train on."""

    prompt_ids: list[int]
    """Up to the last answer."""
    completion_ids: list[int]
    """The last answer, with the token that ends it unless it was cut; empty where no answer fits."""
    truncated: bool
    is_target: list[bool]
    """Of prompt and completion together: the answers."""


RowTokens = Encoded | ChatTokens


@dataclass(frozen=True, slots=True)
class EncodedChat:
    """The tokens of one conversation, up to the end of its last answer."""

    ids: list[int]
    is_target: list[bool]
    """The assistant's own tokens, with those that end its turns."""
    answer_from: int
    """Where the last answer begins; the end of the prompt that it answers."""

    def cut(self, max_tokens: int) -> ChatTokens:
        """Prompt and completion, the last answer that is left; at most `max_tokens` together, cut at the end.

        A row that loses its last answer ends with the one before; one that loses all has an empty completion.
        """
        kept = self.is_target[:max_tokens]
        *_, (start, end) = [(len(kept), len(kept)), *_runs(kept)]
        is_cut = len(self.ids) > max_tokens
        return ChatTokens(self.ids[:start], self.ids[start:end], is_cut, kept[:end])


class ChatTemplate:
    """A tokenizer and the chat template by which it lays out conversations."""

    def __init__(self, tokenizer: "PreTrainedTokenizerBase", template: str | None = None) -> None:
        """`template` is the tokenizer's own where it is not given. Raises RecipeError where there is none."""
        self.name = tokenizer.name_or_path or "of the base model"
        if template is None and not tokenizer.chat_template:
            raise RecipeError(f"tokenizer {self.name} has no chat template; give one as pool.chat_template")
        if not tokenizer.is_fast:
            raise RecipeError(f"tokenizer {self.name} cannot tell where its tokens stand; chats need a fast tokenizer")
        self.tokenizer = tokenizer
        self.template = timeless(tokenizer.get_chat_template(template))
        if CLOCK in self.template:
            warnings.warn(
                f"the chat template of {self.name} asks for today's date; it is told {CHAT_DATE} on every day",
                stacklevel=2,
            )
        self.has_blocks = bool(BLOCKS.search(self.template))

    @cached_property
    def special(self) -> dict[int, str]:
        """The tokens that no text gives, such as those that begin and end a turn."""
        return {token: str(added.content) for token, added in self.tokenizer.added_tokens_decoder.items()}

    def spelled_out(self, messages: Sequence[Message]) -> str | None:
        """A special token that a message spells out, which would end a turn in its middle; None where none does."""
        texts = [text for _, text in messages]
        return next((each for each in self.special.values() if any(each in text for text in texts)), None)

    def encode(self, messages: Sequence[Message], *, name: str) -> EncodedChat:
        """The tokens of a conversation whose last turn is the assistant's.

        Raises DataError, naming the example, where the template refuses it or leaves nothing to learn or to learn
        from; RecipeError where the template does not tell which tokens are the assistant's, or lets no answer end.
        """
        if found := self.spelled_out(messages):
            raise DataError(f"conversation {name} spells out the special token {found!r}; remove it from its text")
        marked = self._marked_by_blocks if self.has_blocks else self._marked_by_prefixes
        ids, is_inside = marked(messages, name)
        self._check_begin(ids)
        answers = [(start, self._end_of(ids, start, end)) for start, end in _runs(is_inside)]
        turns = sum(role == ASSISTANT for role, _ in messages)
        if len(answers) != turns:
            raise self._unfit(f"marks {len(answers)} of the {turns} answers of conversation {name}")
        last = answers[-1][1]
        is_target = [False] * last
        for start, end in answers:
            is_target[start:end] = [True] * (end - start)
        if all(is_target[1:]):
            raise DataError(f"conversation {name} is all answer, without a prompt; remove it, or train on it as text")
        return EncodedChat(ids[:last], is_target, answers[-1][0])

    def encode_opening(self, messages: Sequence[Message], *, name: str) -> list[int]:
        """The tokens of a conversation that waits for the assistant: all before the answer. Raises DataError."""
        if found := self.spelled_out(messages):
            raise DataError(f"conversation {name} spells out the special token {found!r}; remove it from its text")
        text = self._render(messages, name, is_opened=True)
        return list(self.tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"])

    @cached_property
    def stop_id(self) -> int:
        """The token that ends an answer."""
        return self.encode([(USER, "2 + 3?"), (ASSISTANT, "5")], name="of a sum").ids[-1]

    def _marked_by_blocks(self, messages: Sequence[Message], name: str) -> tuple[list[int], list[bool]]:
        """Token ids, and which stand in a `{% generation %}` block."""
        with self._naming(name):
            made: Any = self.tokenizer.apply_chat_template(
                _as_dicts(messages), chat_template=self.template, return_dict=True, return_assistant_tokens_mask=True
            )
        return list(made["input_ids"]), [bool(each) for each in made["assistant_masks"]]

    def _marked_by_prefixes(self, messages: Sequence[Message], name: str) -> tuple[list[int], list[bool]]:
        """Token ids, and which begin in what a turn of the assistant adds to the text of the turns before it."""
        text = self._render(messages, name)
        is_inside = bytearray(len(text) + 1)
        for at, (role, said) in enumerate(messages):
            if role == ASSISTANT:
                start, end = self._place_of(messages[: at + 1], said.strip(), text, name)
                is_inside[start:end] = b"\1" * (end - start)
        made = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        # A token of white space may be told to stand, empty, where it ends: it belongs to what is before that.
        return list(made["input_ids"]), [bool(is_inside[min(a, b - 1)]) for a, b in made["offset_mapping"]]

    def _place_of(self, messages: Sequence[Message], said: str, text: str, name: str) -> tuple[int, int]:
        """Where in `text` the last of the messages begins and ends, its header left out."""
        after = self._render(messages, name)
        opening = messages[:-1]
        before = self._render(opening, name, is_opened=True) if opening else after.partition(said)[0]
        if not (text.startswith(after) and after.startswith(before) and said in after[len(before) :]):
            raise self._unfit(f"does not lay out conversation {name} turn by turn")
        return len(before), len(after)

    def _render(self, messages: Sequence[Message], name: str, *, is_opened: bool = False) -> str:
        """The text of the messages; `is_opened` adds what stands before an answer."""
        with self._naming(name):
            text = self.tokenizer.apply_chat_template(
                _as_dicts(messages), chat_template=self.template, tokenize=False, add_generation_prompt=is_opened
            )
        return str(text)

    def _end_of(self, ids: Sequence[int], start: int, end: int) -> int:
        """The end of an answer, just after the token that ends its turn; white space may follow that."""
        stop = next((at for at in reversed(range(start, end)) if ids[at] in self.special), None)
        if stop is None or self._text_of(ids[stop + 1 : end]).strip():
            said = self._text_of(ids[start:end])[-30:]
            raise RecipeError(
                f"the chat template of {self.name} lets the assistant end with {said!r} and no special token: a model "
                f"would never learn to stop; end its turns with one, such as {{{{ eos_token }}}}, inside any "
                "{% generation %} block, and give that as pool.chat_template"
            )
        return stop + 1

    def _text_of(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(list(ids)))

    def _check_begin(self, ids: Sequence[int]) -> None:
        begin = self.tokenizer.bos_token_id
        if begin is not None and list(ids[:2]) == [begin, begin]:
            raise RecipeError(f"the chat template of {self.name} begins a text twice; remove one {{{{ bos_token }}}}")

    def _unfit(self, what: str) -> RecipeError:
        return RecipeError(
            f"the chat template of {self.name} {what}, so that the assistant's tokens cannot be told from the others; "
            "give one with {% generation %} blocks around them as pool.chat_template"
        )

    @contextmanager
    def _naming(self, name: str) -> Iterator[None]:
        """Says whose template refuses which conversation."""
        from jinja2 import TemplateError

        try:
            yield
        except (TemplateError, TypeError, ValueError, LookupError, ArithmeticError, RecursionError) as error:
            raise DataError(
                f"the chat template of {self.name} refuses conversation {name}: {error}; "
                "remove it, or give another template as pool.chat_template"
            ) from error


def _as_dicts(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": role, "content": text} for role, text in messages]


def _runs(mask: Sequence[bool]) -> list[tuple[int, int]]:
    """Start and end of each stretch of the mask that is true."""
    edges = [at for at in range(len(mask) + 1) if (at > 0 and mask[at - 1]) != (at < len(mask) and mask[at])]
    return list(zip(edges[::2], edges[1::2], strict=True))
