"""Counts of hashed word n-grams, the features of DSIR (Xie et al. 2023, section 3.2).

A word is a run of letters and digits, or a run of other signs, in small letters. Hashes are BLAKE2b's, so that they
are the same on every machine and in every process.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from hashlib import blake2b

import numpy as np
import pyarrow as pa
from scipy import sparse

from winnow.parts import RepresentPart
from winnow.recipe import NgramsRecipe
from winnow.records import Stored
from winnow.selection.shards import Computed, Extractor, Tell

WORD = re.compile(r"\w+|[^\w\s]+")


def extractor(part: RepresentPart, inputs: Mapping[str, Stored]) -> Extractor:
    """Counts of the n-grams in prompt and completion."""
    recipe = part.representation
    assert isinstance(recipe, NgramsRecipe)

    def compute(examples: pa.Table, tell: Tell) -> Computed:
        both = zip(examples["prompt"].to_pylist(), examples["completion"].to_pylist(), strict=True)
        return Computed(hashed_counts([prompt + completion for prompt, completion in both], recipe))

    return Extractor(("prompt", "completion"), compute)


def hashed_counts(texts: list[str], recipe: NgramsRecipe) -> sparse.csr_array:
    """How often the n-grams of each bucket stand in each text, [texts, buckets], float32."""
    known: dict[str, int] = {}
    indptr, indices, data = [0], list[int](), list[int]()
    for text in texts:
        counts: Counter[int] = Counter()
        for gram in ngrams_of(text, recipe.n):
            if gram not in known:
                known[gram] = bucket_of(gram, recipe.buckets)
            counts[known[gram]] += 1
        indices += sorted(counts)
        data += [counts[bucket] for bucket in sorted(counts)]
        indptr.append(len(indices))
    parts = (np.array(data, dtype=np.float32), np.array(indices, dtype=np.int32), np.array(indptr, dtype=np.int64))
    return sparse.csr_array(parts, shape=(len(texts), recipe.buckets))


def ngrams_of(text: str, n: int) -> Iterator[str]:
    """All runs of 1 to n words, joined by a space."""
    words = WORD.findall(text.lower())
    for size in range(1, n + 1):
        yield from (" ".join(words[start : start + size]) for start in range(len(words) - size + 1))


def bucket_of(gram: str, buckets: int) -> int:
    """The bucket of an n-gram."""
    return int.from_bytes(blake2b(gram.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big") % buckets
