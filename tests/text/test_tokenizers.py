import json
from pathlib import Path

import pytest

from winnow.errors import RecipeError
from winnow.recipe import TokenizerRecipe
from winnow.text.tokenizers import encode_example, encode_examples, eos_id, load_tokenizer, train_tokenizer

MODELS = Path(__file__).parents[2].parent / "shared" / "models"
needs_models = pytest.mark.skipif(not MODELS.is_dir(), reason=f"no models at {MODELS}")

TEXTS = ["Question: Tom has 12 eggs and 345 nuts. How many?\nAnswer: 12 + 345 = 357\n#### 357"] * 3


@pytest.fixture(scope="module")
def tokenizer():
    return train_tokenizer(TEXTS, TokenizerRecipe(vocab_size=280), 64)


def test_every_text_comes_back(tokenizer):
    text = "Größe 3½ \n\t <|endoftext|> 日本"
    prompt_ids, completion_ids, _ = encode_example(tokenizer, text, " 5", 100)
    assert tokenizer.decode(prompt_ids) == text
    assert tokenizer.eos_token_id not in prompt_ids
    assert tokenizer.decode(completion_ids[:-1]) == " 5"


def test_digits_are_tokens_of_their_own(tokenizer):
    assert tokenizer.tokenize("357")[-3:] == ["3", "5", "7"]
    whole = train_tokenizer(TEXTS, TokenizerRecipe(vocab_size=400, split_digits=False), 64)
    assert len(whole.tokenize(" 345")) < 3


def test_one_special_token_serves_for_all_ends(tokenizer):
    assert tokenizer.all_special_tokens == ["<|endoftext|>"]
    assert {tokenizer.bos_token_id, tokenizer.pad_token_id, tokenizer.unk_token_id} == {eos_id(tokenizer)} == {0}
    assert (tokenizer.model_max_length, len(tokenizer)) == (64, 280)


def test_training_is_repeatable_and_survives_saving(tokenizer, tmp_path):
    again = train_tokenizer(iter(TEXTS), TokenizerRecipe(vocab_size=280), 64)
    again.save_pretrained(tmp_path)
    loaded = load_tokenizer(tmp_path)
    assert loaded.get_vocab() == tokenizer.get_vocab()
    assert encode_example(loaded, TEXTS[0], " 5", 99) == encode_example(tokenizer, TEXTS[0], " 5", 99)
    assert (loaded.model_max_length, eos_id(loaded)) == (64, 0)


def test_completions_end_in_end_of_text_unless_cut(tokenizer):
    prompt_ids, completion_ids, truncated = encode_example(tokenizer, "Tom", " 123", 99)
    assert (completion_ids[-1], truncated) == (eos_id(tokenizer), False)
    size = len(prompt_ids) + len(completion_ids)
    assert encode_example(tokenizer, "Tom", " 123", size) == (prompt_ids, completion_ids, False)
    assert encode_example(tokenizer, "Tom", " 123", size - 1) == (prompt_ids, completion_ids[:-1], True)
    assert encode_example(tokenizer, "Tom", " 123", len(prompt_ids)) == (prompt_ids, [], True)
    assert encode_example(tokenizer, "Tom", " 123", 1).completion_ids == []


def test_a_batch_gives_what_each_gives(tokenizer):
    prompts, completions = ["Tom", "", "eggs and 12"], [" 1", " nuts", " 345 eggs"]
    together = encode_examples(tokenizer, prompts, completions, max_tokens=20)
    assert together == [encode_example(tokenizer, *pair, 20) for pair in zip(prompts, completions, strict=True)]


@needs_models
def test_gpt2_adds_no_first_token():
    tokenizer = load_tokenizer(MODELS / "gpt2-tokenizer")
    assert encode_example(tokenizer, "Answer:", " 5", 99) == ([33706, 25], [642, 50256], False)


@needs_models
def test_llama_adds_one_first_token_and_no_second_space():
    tokenizer = load_tokenizer(MODELS / "stories260K")
    prompt_ids, completion_ids, _ = encode_example(tokenizer, "Answer:", " 5", 99)
    assert prompt_ids.count(tokenizer.bos_token_id) == 1
    assert [*prompt_ids, *completion_ids] == [*tokenizer("Answer: 5")["input_ids"], tokenizer.eos_token_id]


def test_a_folder_without_tokenizer_is_named(tmp_path):
    with pytest.raises(RecipeError, match="has no tokenizer"):
        load_tokenizer(tmp_path)
    with pytest.raises(RecipeError, match="does not exist"):
        load_tokenizer(tmp_path / "nowhere")


def test_a_damaged_tokenizer_is_named(tmp_path):
    (tmp_path / "tokenizer.json").write_text("{")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}))
    with pytest.raises(RecipeError, match="no tokenizer can be loaded"):
        load_tokenizer(tmp_path)


def test_a_tokenizer_without_end_is_refused(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    loaded = load_tokenizer(tmp_path)
    loaded.eos_token = None
    with pytest.raises(RecipeError, match="no end-of-text token"):
        eos_id(loaded)
