"""A study of plain text that takes seconds: three generated sources, a model from scratch, two mixtures, two seeds."""

from winnow.recipe.file import parse_recipe

PASSAGES = {"books": (60, 20, 1), "web": (90, 200, 2), "notes": (40, 50_000, 3)}
"""Source -> documents, size of its numbers, seed."""


def passages(name, documents, largest_number, seed):
    made = {"documents": documents, "largest_number": largest_number, "seed": seed}
    return {"name": name, "licence": "CC0-1.0", "passages": made}


def text_tree(**others):
    """The recipe as keys and values."""
    return {
        "name": "mixing",
        "pool": {
            "sources": [passages(name, *sizes) for name, sizes in PASSAGES.items()],
            "text": {"context_tokens": 32, "validation_tokens": 300},
        },
        "base": {
            "from_scratch": {
                "architecture": {
                    "model_type": "gpt2", "n_layer": 1, "n_embd": 16, "n_head": 2, "resid_pdrop": 0.0,
                    "embd_pdrop": 0.0, "attn_pdrop": 0.0,
                },
                "tokenizer": {"vocab_size": 300},
            }
        },
        "vary": {"mixture": {"equal": {"mixture": "equal"}, "notes": {"mixture": {"notes": 0.6, "web": 0.4}}}},
        "training": {"objective": "pretraining", "method": "full", "learning_rate": 3e-3, "per_device_batch_size": 4},
        "budget": {"tokens": 2000},
        "evaluation": {"every_steps": 5, "sample": 5, "text": [passages("others", 12, 9, 7)]},
        "study": {
            "seeds": [0, 1],
            "primary": {"arm": "notes", "baseline": "equal", "metric": "bits_per_byte", "aggregate": "out_of_domain"},
        },
        "machine": {"flops_per_second": 1e10},
    } | others  # fmt: skip


def text_recipe(**others):
    return parse_recipe(text_tree(**others))
