"""Rows, a tiny model and its tokenizer for selections outside a study."""

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from winnow.recipe import TokenizerRecipe
from winnow.text.tokenizers import train_tokenizer


@pytest.fixture
def rows():
    """Sixty distinct rows from two places, with different qualities."""
    return [
        {
            "prompt": f"What is {n} plus {n + 1}?",
            "completion": f" {2 * n + 1}" + " indeed" * (n % 7),
            "site": "ab"[n % 3 == 0],
            "quality": n * 37 % 61,
        }
        for n in range(60)
    ]


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory):
    """A random GPT-2 of one layer with a tokenizer, as transformers saves them."""
    folder = tmp_path_factory.mktemp("model")
    tokenizer = train_tokenizer(["What is 12 plus 3? indeed"], TokenizerRecipe(vocab_size=270), 64)
    torch.manual_seed(0)
    end = tokenizer.eos_token_id
    config = GPT2Config(
        vocab_size=len(tokenizer), n_embd=16, n_layer=1, n_head=2, n_positions=64, bos_token_id=end, eos_token_id=end
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
