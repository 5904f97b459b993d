from functools import cache
from pathlib import Path

import pytest

from winnow.errors import DataError, RecipeError
from winnow.recipe import TokenizerRecipe
from winnow.text.chat import ChatTemplate
from winnow.text.chat_templates import read_template
from winnow.text.tokenizers import load_tokenizer, train_tokenizer

MODELS = Path(__file__).parents[2].parent / "shared" / "models"
CHATML = (
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\n' }}"
    "{% if m.role == 'assistant' %}{% generation %}{{ m.content + '<|im_end|>' }}{% endgeneration %}{{ '\n' }}"
    "{% else %}{{ m.content + '<|im_end|>\n' }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
UNMARKED = CHATML.replace("{% generation %}", "").replace("{% endgeneration %}", "")
LLAMA = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}{{ '[INST] ' + m.content + ' [/INST]' }}"
    "{% elif m.role == 'assistant' %}{{ ' ' + m.content + eos_token }}"
    "{% else %}{{ raise_exception('no role but user and assistant') }}{% endif %}{% endfor %}"
)
FORGETFUL = (
    "{% for m in messages %}{{ m.role + ': ' + m.content + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)
TEMPLATES = {"chatml": CHATML, "unmarked": UNMARKED, "llama": LLAMA}
TALK = (("user", "Has Tom 12 eggs?"), ("assistant", "12 eggs."), ("user", "So?"), ("assistant", "\nTom has\n12."))


@cache
def tokenizer():
    made = train_tokenizer(["user: Tom has 12 eggs\nassistant:"], TokenizerRecipe(vocab_size=270), 256)
    made.add_special_tokens({"additional_special_tokens": ["<|im_start|>", "<|im_end|>"]})
    return made


def said(chat):
    """The texts of the stretches that are targets."""
    marked = "".join(
        piece if hit else "\0"
        for piece, hit in zip(tokenizer().convert_ids_to_tokens(chat.ids), chat.is_target, strict=True)
    )
    return [each.replace("Ġ", " ").replace("Ċ", "\n") for each in marked.split("\0") if each]


@pytest.mark.parametrize(
    ("kind", "answers"),
    [
        ("chatml", ["12 eggs.<|im_end|>", "\nTom has\n12.<|im_end|>"]),
        ("unmarked", ["12 eggs.<|im_end|>", "\nTom has\n12.<|im_end|>"]),
        ("llama", [" 12 eggs.<|endoftext|>", " \nTom has\n12.<|endoftext|>"]),
    ],
)
def test_every_answer_is_a_target_with_the_token_that_ends_it_and_nothing_else(kind, answers):
    chat = ChatTemplate(tokenizer(), TEMPLATES[kind]).encode(TALK, name="x")
    assert said(chat) == answers
    assert chat.is_target[-1] and len(chat.ids) == len(chat.is_target)


@pytest.mark.parametrize("kind", TEMPLATES)
def test_the_prompt_of_the_last_answer_is_what_the_template_opens_an_answer_with(kind):
    template = TEMPLATES[kind]
    chat = ChatTemplate(tokenizer(), template).encode(TALK, name="x")
    messages = [{"role": role, "content": text} for role, text in TALK[:-1]]
    opened = tokenizer().apply_chat_template(messages, chat_template=template, add_generation_prompt=True)
    assert chat.ids[: chat.answer_from] == opened["input_ids"]


def test_a_template_marks_the_same_tokens_by_blocks_and_by_prefixes():
    marked, unmarked = (ChatTemplate(tokenizer(), each).encode(TALK, name="x") for each in (CHATML, UNMARKED))
    assert marked == unmarked
    assert ChatTemplate(tokenizer(), CHATML).has_blocks and not ChatTemplate(tokenizer(), UNMARKED).has_blocks


def test_one_token_begins_a_text_and_two_are_refused():
    chat = ChatTemplate(tokenizer(), LLAMA).encode(TALK, name="x")
    assert chat.ids[0] == tokenizer().bos_token_id != chat.ids[1]
    with pytest.raises(RecipeError, match="begins a text twice"):
        ChatTemplate(tokenizer(), "{{ bos_token }}" + LLAMA).encode(TALK, name="x")


@pytest.mark.parametrize(
    "template",
    [
        FORGETFUL,
        FORGETFUL.replace("{{ m.role + ': ' + m.content", "{{ m.role + ': '}}{% generation %}{{ m.content").replace(
            "{% endfor", "{% endgeneration %}{% endfor", 1
        ),
        CHATML.replace("+ '<|im_end|>' }}{% endgeneration %}{{", "}}{% endgeneration %}{{ '<|im_end|>' +"),
    ],
)
def test_a_template_whose_answers_have_no_end_to_learn_is_refused_by_name(template):
    with pytest.raises(RecipeError, match=r"chat template of .* would never learn to stop"):
        ChatTemplate(tokenizer(), template).encode(TALK, name="x")


def test_a_template_that_does_not_go_turn_by_turn_is_refused():
    forgets = UNMARKED.replace("for m in messages", "for m in messages[-2:]")
    with pytest.raises(RecipeError, match="does not lay out conversation x turn by turn.*generation"):
        ChatTemplate(tokenizer(), forgets).encode(TALK, name="x")
    partly = CHATML.replace("{% if m.role == 'assistant' %}", "{% if m.role == 'assistant' and loop.last %}")
    with pytest.raises(RecipeError, match="marks 1 of the 2 answers"):
        ChatTemplate(tokenizer(), partly).encode(TALK, name="x")


def test_what_a_template_refuses_names_the_conversation():
    with pytest.raises(DataError, match="refuses conversation x: no role but user and assistant"):
        ChatTemplate(tokenizer(), LLAMA).encode((("system", "Be brief."), *TALK), name="x")


def test_a_conversation_without_a_prompt_is_refused():
    alone = "{% for m in messages %}{{ m.content + eos_token }}{% endfor %}"
    with pytest.raises(DataError, match="conversation x is all answer"):
        ChatTemplate(tokenizer(), alone).encode((("assistant", "12 eggs"),), name="x")
    greeting = ChatTemplate(tokenizer(), UNMARKED).encode((("assistant", "12 eggs"), *TALK), name="x")
    assert said(greeting)[0] == "12 eggs<|im_end|>"


def test_a_message_that_spells_out_a_special_token_is_refused():
    template, forged = ChatTemplate(tokenizer(), CHATML), (("user", "Say <|im_end|>"), ("assistant", "12"))
    assert template.spelled_out(forged) == "<|im_end|>" and template.spelled_out(TALK) is None
    with pytest.raises(DataError, match=r"x spells out the special token '<\|im_end\|>'"):
        template.encode(forged, name="x")


def test_a_cut_takes_the_end_and_keeps_the_answers_before():
    chat = ChatTemplate(tokenizer(), CHATML).encode(TALK, name="x")
    whole = chat.cut(len(chat.ids))
    assert whole.prompt_ids + whole.completion_ids == chat.ids and not whole.truncated
    shorter = chat.cut(len(chat.ids) - 1)
    assert shorter.truncated and shorter.prompt_ids == whole.prompt_ids
    assert shorter.completion_ids == whole.completion_ids[:-1]
    one_left = chat.cut(chat.answer_from)
    assert tokenizer().decode(one_left.completion_ids) == "12 eggs.<|im_end|>"
    assert one_left.is_target == [False] * len(one_left.prompt_ids) + [True] * len(one_left.completion_ids)
    assert chat.cut(3).completion_ids == [] and chat.cut(3).truncated


def test_a_tokenizer_without_a_template_needs_one():
    with pytest.raises(RecipeError, match=r"has no chat template; give one as pool\.chat_template"):
        ChatTemplate(tokenizer())


def test_a_recipe_gives_a_template_or_the_file_that_holds_it(tmp_path):
    path = tmp_path / "chat.jinja"
    path.write_text(CHATML)
    assert read_template(str(path)) == read_template(CHATML) == CHATML and read_template(None) is None
    with pytest.raises(RecipeError, match=r"pool\.chat_template is 'nowhere\.jinja', neither"):
        read_template("nowhere.jinja")


def real_templates():
    found = sorted(place.parent for place in MODELS.glob("*/chat_template.jinja"))
    return found or [pytest.param(None, marks=pytest.mark.skip(reason=f"no tokenizer with a template in {MODELS}"))]


@pytest.mark.parametrize("folder", real_templates(), ids=str)
def test_the_templates_of_real_tokenizers_mask_all_but_the_answers(folder):
    real = load_tokenizer(folder)
    chat = ChatTemplate(real).encode((("system", "Be brief."), *TALK), name="x")
    stop = chat.ids[-1]
    assert stop == real.eos_token_id and chat.is_target[-1]
    assert real.pad_token_id == stop, "its pad is a target here by content"
    learned = real.decode([token for token, hit in zip(chat.ids, chat.is_target, strict=True) if hit])
    assert learned == f"12 eggs.{real.eos_token}\nTom has\n12.{real.eos_token}"
