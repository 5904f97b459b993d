"""Toy models with random weights, a toy tokenizer, toy rows: for the tests of models, training and evaluation."""

from functools import cache

import numpy as np
import pyarrow as pa
import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GPTNeoConfig,
    LlamaConfig,
    Qwen2Config,
    Qwen3Config,
)

from winnow.models import loading
from winnow.models.rows import pad, rows_of
from winnow.recipe import TokenizerRecipe
from winnow.records import Artifact, Cost, Stored, to_json
from winnow.store import write_json
from winnow.text.examples import POOL_SCHEMA, build_example, to_table
from winnow.text.tokenizers import encode_examples, train_tokenizer

VOCABULARY = 270
EOS = 0
SIZES = {"vocab_size": VOCABULARY, "bos_token_id": EOS, "eos_token_id": EOS, "pad_token_id": EOS}
LLAMA_SIZES = {
    "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 96,
}  # fmt: skip
SMOLLM_SIZES = {"hidden_size": 36, "intermediate_size": 96, "num_attention_heads": 9, "num_key_value_heads": 3}
"""SmolLM2-135M, divided by 16: three queries to a key, embeddings and head the same."""
ARCHITECTURE = {
    "model_type": "gpt2", "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 96,
    "resid_pdrop": 0.0, "embd_pdrop": 0.0, "attn_pdrop": 0.0,
}  # fmt: skip


@pytest.fixture(autouse=True)
def one_cpu_thread(monkeypatch):
    """Tests give the same bits on a machine with an accelerator."""
    monkeypatch.setattr(loading, "best_device", lambda: torch.device("cpu"))
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def config_of(kind):
    return {
        "gpt2": lambda: GPT2Config(**{k: v for k, v in ARCHITECTURE.items() if k != "model_type"}, **SIZES),
        "llama": lambda: LlamaConfig(**LLAMA_SIZES, **SIZES),
        "qwen2": lambda: Qwen2Config(**LLAMA_SIZES, **SIZES, tie_word_embeddings=True),
        "smollm": lambda: LlamaConfig(**LLAMA_SIZES | SMOLLM_SIZES, **SIZES, tie_word_embeddings=True),
        "qwen3": lambda: Qwen3Config(**LLAMA_SIZES, **SIZES, head_dim=16),
        "gpt_neo": lambda: GPTNeoConfig(
            hidden_size=32,
            num_layers=2,
            num_heads=4,
            attention_types=[[["global"], 2]],
            max_position_embeddings=96,
            **SIZES,
        ),  # fmt: skip
    }[kind]()


def toy_model(kind="gpt2", *, seed=0, spread=0.02, attention="sdpa", dtype=torch.float32):
    """A random model in evaluation mode; a wide spread makes its outputs lively."""
    config = config_of(kind)
    config.initializer_range = spread
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return AutoModelForCausalLM.from_config(config, attn_implementation=attention, dtype=dtype).eval()


@cache
def toy_tokenizer():
    return train_tokenizer(["Question: Tom has 12 eggs\nAnswer:"], TokenizerRecipe(vocab_size=VOCABULARY), 96)


def toy_rows(count=24, *, shortest=4, longest=20, seed=0):
    """Rows of random tokens; the second part of each is the target."""
    rng = np.random.default_rng(seed)
    ids = [rng.integers(1, VOCABULARY, rng.integers(shortest, longest + 1)).astype(np.int32) for _ in range(count)]
    return rows_of([f"row{i}" for i in range(count)], ids, np.array([max(1, len(row) // 2) for row in ids]))


def whole_batch(rows):
    return pad(rows, np.arange(len(rows.names)))


def naive_losses(model, ids, target_from):
    """Cross-entropy of one row's targets, from all logits of the row alone."""
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([list(ids)])).logits[0].double()
    return [-torch.log_softmax(logits[at - 1], -1)[int(ids[at])].item() for at in range(target_from, len(ids))]


def store_artifact(root, kind, name, numbers=None):
    """An artifact with a record, where `loading.start_of` looks for it; its folder is still empty."""
    folder = root / kind / name
    folder.mkdir(parents=True, exist_ok=True)
    artifact = Artifact(name, kind, name, name, {}, {}, Cost(), numbers or {}, {})
    write_json(folder / "record.json", to_json(artifact))
    return Stored(artifact, folder)


def toy_examples(count, source="sums"):
    return [
        build_example(source, f"{n} + {n + 3}?", rationale=f"{n} + {n + 3} = {2 * n + 3}", answer=str(2 * n + 3))
        for n in range(1, count + 1)
    ]


def choice_examples():
    """Two multiple-choice items, of two and of four options."""
    return [
        build_example("choices", "which is odd?", options=("2", "3"), answer="B"),
        build_example("choices", "which is even?", options=("4", "5", "7", "9"), answer="A"),
    ]


def token_table(examples):
    """The examples as they stand in a pool's files."""
    texts = [each.prompt for each in examples], [each.completion for each in examples]
    encoded = encode_examples(toy_tokenizer(), *texts, max_tokens=96)
    table = to_table(examples)
    for name in ("prompt_ids", "completion_ids"):
        field = POOL_SCHEMA.field(name)
        table = table.append_column(field, pa.array([getattr(each, name) for each in encoded], field.type))
    return table


def store_tokenizer(root):
    stored = store_artifact(root, "tokenizer", "toy")
    toy_tokenizer().save_pretrained(stored.folder / "tokenizer")
    return stored
