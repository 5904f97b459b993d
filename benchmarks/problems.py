"""The problems of gsm8k, for benchmarks that need real lengths; they lie in `../shared`, beside the checkout."""

import gzip
import json
from pathlib import Path

import numpy as np

from winnow.models.rows import rows_of
from winnow.recipe import TokenizerRecipe
from winnow.text.tokenizers import encode_examples, train_tokenizer

SHARED = Path(__file__).parents[2] / "shared"
GSM8K = SHARED / "data" / "gsm8k"
MAX_TOKENS, SMALL_VOCABULARY = 512, 1536


def texts(split="train"):
    """Prompt and completion of every problem, as a recipe's gsm8k source spells them."""
    with gzip.open(GSM8K / f"{split}.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    return [f"Question: {row['question']}\nAnswer:" for row in rows], [f" {row['answer']}" for row in rows]


def small_tokenizer():
    """A tokenizer of 1,536 pieces made from the problems, as small recipes have one."""
    prompts, completions = texts()
    return train_tokenizer(prompts + completions, TokenizerRecipe(vocab_size=SMALL_VOCABULARY), MAX_TOKENS)


def token_rows(tokenizer, split="train"):
    """All problems in a fixed random order, the completion being the target."""
    encoded = encode_examples(tokenizer, *texts(split), max_tokens=MAX_TOKENS)
    order = np.random.default_rng(0).permutation(len(encoded))
    ids = [np.array(encoded[i].prompt_ids + encoded[i].completion_ids, dtype=np.int32) for i in order]
    return rows_of([str(i) for i in order], ids, np.array([len(encoded[i].prompt_ids) for i in order]))
