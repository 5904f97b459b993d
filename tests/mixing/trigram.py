"""An interpolated trigram model with absolute discounting: seconds where a network takes hours, on real text.

It suffers more from repeats than a network, and knows nothing of order or optimisers.
"""

import gzip
import json

import numpy as np

from tests_support import SHARED
from winnow.mixing.order import schedule_order
from winnow.mixing.schedule import Schedule

DISCOUNT, ROW, VOCABULARY = 0.75, 128, 1024


def documents_of(name, split, characters):
    """Documents in a random order, until they have so many characters."""
    with gzip.open(SHARED / "data" / f"text_{name}" / f"{split}.jsonl.gz", "rt", encoding="utf-8") as file:
        texts = [json.loads(line)["text"] for line in file]
    texts, kept = [texts[place] for place in np.random.default_rng(0).permutation(len(texts))], []
    while texts and sum(map(len, kept)) < characters:
        kept.append(texts.pop())
    return kept


def tokenizer_of(train):
    """A byte-level BPE, trained on the beginning of every training text."""
    from tokenizers import ByteLevelBPETokenizer

    tokenizer = ByteLevelBPETokenizer()
    beginnings = (text[:2000] for texts in train.values() for text in texts[:150])
    tokenizer.train_from_iterator(beginnings, vocab_size=VOCABULARY, show_progress=False)
    return tokenizer


def encoded(tokenizer, documents):
    """Name -> the tokens of each document."""
    return {name: [np.array(each.ids) for each in tokenizer.encode_batch(texts)] for name, texts in documents.items()}


def run_of(streams, shares, tokens):
    """The tokens of a run at these shares: rows of each source in turn, again from the start where it ends."""
    names = list(streams)
    order = schedule_order(Schedule.constant(shares), names, tokens // ROW)
    rows = np.empty((len(order), ROW), dtype=np.int64)
    for number, name in enumerate(names):
        places = np.flatnonzero(order == number)
        rows[places] = np.resize(streams[name], (len(places), ROW)) if len(places) else 0
    return rows.ravel()


class Trigrams:
    """Counted from one stream of tokens."""

    def __init__(self, tokens):
        self.single = (np.bincount(tokens, minlength=VOCABULARY) + 1) / (len(tokens) + VOCABULARY)
        self.pairs = _Counts(tokens[:-1], tokens[1:])
        self.triples = _Counts(tokens[:-2] * VOCABULARY + tokens[1:-1], tokens[2:])

    def log_probabilities(self, tokens):
        """[tokens - 2]: of each token from the third on."""
        last, before = tokens[2:], tokens[1:-1]
        pairs = self.pairs.probabilities(before, last, self.single[last])
        return np.log(self.triples.probabilities(tokens[:-2] * VOCABULARY + before, last, pairs))


class _Counts:
    def __init__(self, contexts, tokens):
        self.keys, self.counts = np.unique(contexts * VOCABULARY + tokens, return_counts=True)
        seen = self.keys // VOCABULARY
        self.contexts, first, self.kinds = np.unique(seen, return_index=True, return_counts=True)
        self.totals = np.add.reduceat(self.counts, first)

    def probabilities(self, contexts, tokens, shorter):
        at = np.minimum(np.searchsorted(self.contexts, contexts), len(self.contexts) - 1)
        is_known = self.contexts[at] == contexts
        keys = contexts * VOCABULARY + tokens
        place = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        counts = np.where(self.keys[place] == keys, self.counts[place], 0)
        kept = np.maximum(counts - DISCOUNT, 0) + DISCOUNT * self.kinds[at] * shorter
        return np.where(is_known, kept / self.totals[at], shorter)
