"""Questions to a checkpoint of a finished study, laid out as the study laid out its rows.

    chat = Chat(choose("runs/quickstart", arm="full"))
    chat.answer("Tom has 3 apples and buys 4 more. How many has he?")

A pool of conversations makes a conversation: what was said before is read again. Of all others each line stands alone.
"""

from collections.abc import Callable
from typing import Any

from winnow.errors import RecipeError
from winnow.models.activations import fuse_activations
from winnow.models.generate import context_of, generate_greedy
from winnow.models.loading import best_device, seeded
from winnow.recipe import Recipe, SourceRecipe
from winnow.recipe.row_templates import parse_template
from winnow.text.chat import ChatTemplate
from winnow.text.chat_templates import read_template
from winnow.text.examples import ASSISTANT, USER, Message, prompt_of
from winnow.text.tokenizers import encode_prompts, eos_id, load_tokenizer
from winnow.verbs.checkpoints import Checkpoint, open_checkpoint

CONVERSATIONS = ("chat", "sharegpt")
"""Formats whose rows are turns."""
AS_THEY_ARE = ("prompt_completion", "text")
"""Formats whose prompts have nothing around them."""
Layout = Callable[[str], str]


def layout_of(source: SourceRecipe) -> Layout:
    """From a user's line to a prompt, as the rows of the source are laid out; other columns of a template are empty."""
    if source.prompt is not None:
        return template_layout(source.prompt)
    return str if source.format in AS_THEY_ARE else prompt_of


def template_layout(template: str) -> Layout:
    """The line in the place of the first column in braces, nothing in the places of others.

    Raises RecipeError where the template has no place for it.
    """
    try:
        pieces = parse_template(template)
    except ValueError as error:
        raise RecipeError(f"--template {error}") from error
    first = next((name for _, name in pieces if name is not None), None)
    if first is None:
        raise RecipeError(f"--template {template!r} has no place for what is said; write one, such as {{question}}")
    return lambda said: "".join(text + (said if name == first else "") for text, name in pieces)


def is_conversation(recipe: Recipe) -> bool:
    """Whether the first source of the pool holds conversations."""
    return recipe.pool.sources[0].path is not None and recipe.pool.sources[0].format in CONVERSATIONS


class Chat:
    """A checkpoint that answers. `temperature` 0 takes the most likely token, else tokens are drawn from `draw_seed`.

    Raises RecipeError where the answers leave no room in the model's context, or there is no chat template.
    """

    def __init__(
        self, chosen: Checkpoint, *, template: str | None = None, max_new_tokens: int | None = None,
        temperature: float = 0.0, draw_seed: int = 0,
    ) -> None:  # fmt: skip
        recipe = chosen.study.recipe
        self.layout = layout_of(recipe.pool.sources[0]) if template is None else template_layout(template)
        self.max_new_tokens = max_new_tokens or recipe.evaluation.max_new_tokens
        self.temperature, self.draw_seed = temperature, draw_seed
        self.tokenizer: Any = load_tokenizer(chosen.folder)
        self.turns: list[Message] = []
        self.template: ChatTemplate | None = None
        if template is None and is_conversation(recipe):
            self.template = ChatTemplate(self.tokenizer, read_template(recipe.pool.chat_template))
        self.stop_id = eos_id(self.tokenizer) if self.template is None else self.template.stop_id
        self.model = fuse_activations(open_checkpoint(chosen)).to(best_device()).eval()
        if self.max_new_tokens >= context_of(self.model):
            raise RecipeError(
                f"--max-new-tokens is {self.max_new_tokens}; the model takes {context_of(self.model)} tokens, prompt "
                "and answer together; lower it"
            )

    def answer(self, said: str) -> str:
        """What the model says to this. Raises DataError where the text spells out a special token of a conversation."""
        if self.template is None:
            return self._complete(encode_prompts(self.tokenizer, [self.layout(said)])[0])
        turns = [*self.turns, (USER, said)]
        answered = self._complete(self.template.encode_opening(turns, name="of this session"))
        self.turns = [*turns, (ASSISTANT, answered)]
        return answered

    def _complete(self, prompt: list[int]) -> str:
        if self.temperature == 0:
            ids = generate_greedy(
                self.model, [prompt], max_new_tokens=self.max_new_tokens, eos_id=self.stop_id, batch_size=1
            ).completions[0]
        else:
            ids = self._drawn(prompt[-(context_of(self.model) - self.max_new_tokens) :])
        return str(self.tokenizer.decode(ids, skip_special_tokens=True)).strip()

    def _drawn(self, prompt: list[int]) -> list[int]:
        """A sample; each answer of a session draws numbers of its own."""
        import torch

        ids = torch.tensor([prompt], device=self.model.device)
        self.draw_seed += 1
        with seeded(self.draw_seed):
            written = self.model.generate(
                input_ids=ids, attention_mask=torch.ones_like(ids), do_sample=True, temperature=self.temperature,
                top_k=0, top_p=1.0, max_new_tokens=self.max_new_tokens, eos_token_id=self.stop_id,
                pad_token_id=self.stop_id,
            )  # fmt: skip
        found: list[int] = written[0, len(prompt) :].tolist()
        return found
