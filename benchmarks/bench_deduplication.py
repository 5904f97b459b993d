"""Near-duplicates among 24,433 real problems: ours against datatrove's minhash pipeline and datasketch.

The problems are those of gsm8k, MathQA and MATH; planted among them are 1,000 near-copies (other case, spacing and
punctuation, and one word in thirty another one) and 1,000 traps: copies in which only numbers are others. Prints CPU
documents per second of the whole way from texts to groups, start-up excluded, the median over rounds of (peer's CPU
seconds / ours), the share of the near-copies that end in their original's group (higher is better), and of the traps
that do (lower is better: a trap is another problem). Each peer runs with its own defaults and with ours where they
differ: runs of three words. datatrove splits words at spaces here, which is faster than its usual tokenizer; both keep
numbers, which datatrove does not by default; datasketch hashes with xxhash, faster than its default. At last memory:
what ours needs beyond its texts as the number of documents doubles. Peers: `benchmarks/requirements.txt`.
"""

import gzip
import json
import random
import re
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from winnow.pool.hygiene.duplicates import Sketches, find_groups
from winnow.pool.hygiene.words import SPELLED

DATA = Path(__file__).parents[2] / "shared" / "data"
FILES = {
    "gsm8k/train": ("question", "answer"),
    "mathqa/dev": ("Problem", "Rationale"),
    "mathqa/test": ("Problem", "Rationale"),
    "math/train": ("problem", "solution"),
}
PLANTED, ROUNDS, SIMILARITY, OUR_WORDS = 1000, 3, 0.7, 3
MEMORY_DOCUMENTS, SHARD = 100_000, 10_000

Way = Callable[[list[str]], np.ndarray]
"""From texts to the number of each text's group."""


def problems() -> list[str]:
    """Question and answer of every problem."""
    texts = []
    for name, fields in FILES.items():
        with gzip.open(DATA / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
            texts += [" ".join(row[field] for field in fields) for row in map(json.loads, file)]
    return texts


def near_copy(text: str, rng: random.Random) -> str:
    """The text with other case and spacing, and one word in thirty, no number, another one."""
    words = text.upper().split()
    plain = [place for place, word in enumerate(words) if word.isalpha() and word.casefold() not in SPELLED]
    for place in rng.sample(plain, min(len(plain), max(1, len(words) // 30))):
        words[place] = rng.choice(["AGAIN", "INDEED", "LARGE", "THING"])
    return "  ".join(words) + " !"


def trap(text: str, rng: random.Random) -> str:
    """The text with all its numbers others."""
    return re.sub(r"\d+", lambda found: str(int(found[0]) + rng.randint(1, 9)), text)


def planted() -> tuple[list[str], np.ndarray]:
    """The texts in random order, and [PLANTED, 3]: places of originals, their near-copies and their traps."""
    rng = random.Random(0)
    texts = problems()
    able = [place for place, text in enumerate(texts) if re.search(r"\d", text) and len(text.split()) >= 40]
    originals = rng.sample(able, PLANTED)
    texts += [near_copy(texts[place], rng) for place in originals]
    texts += [trap(texts[place], rng) for place in originals]
    order = rng.sample(range(len(texts)), len(texts))
    where = np.argsort(order)
    first = len(texts) - 2 * PLANTED
    places = [[where[each], where[first + row], where[first + PLANTED + row]] for row, each in enumerate(originals)]
    return [texts[place] for place in order], np.array(places)


def ours(texts: list[str]) -> np.ndarray:
    sketches = Sketches()
    sketches.add(texts)
    return find_groups(sketches, similarity=SIMILARITY).near


def datatrove(words: int) -> Way:
    import xxhash
    from datatrove.data import Document
    from datatrove.pipeline.dedup.minhash import (
        MinhashConfig,
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupSignature,
    )
    from datatrove.utils.text import TextNormConfig
    from datatrove.utils.word_tokenizers import WordTokenizer
    from loguru import logger

    class Spaces(WordTokenizer):
        """Words between spaces."""

        def word_tokenize(self, text: str) -> list[str]:
            return text.split()

        def sent_tokenize(self, text: str) -> list[str]:
            return [text]

        def span_tokenize(self, text: str) -> list[tuple[int, int]]:
            return [(0, len(text))]

    logger.remove()
    config = MinhashConfig(n_grams=words, norm_config=TextNormConfig(norm_numbers=False))

    def group(texts: list[str]) -> np.ndarray:
        with tempfile.TemporaryDirectory() as folder:
            documents = (Document(text=text, id=str(place)) for place, text in enumerate(texts))
            first = MinhashDedupSignature(f"{folder}/signatures", config, language=Spaces())
            first._hash_func = lambda text: xxhash.xxh64_intdigest(text.encode())  # newer xxhash takes no text
            first.run(documents)
            for bucket in range(config.num_buckets):
                step = MinhashDedupBuckets(f"{folder}/signatures", f"{folder}/buckets", config=config)
                step.run(rank=bucket, world_size=config.num_buckets)
            MinhashDedupCluster(f"{folder}/buckets", f"{folder}/ids", config, save_cluster_id=True).run()
            clusters = Path(folder) / "ids" / "000000.clusters"
            found = np.fromfile(clusters, np.uint32).reshape(-1, 2) if clusters.exists() else np.empty((0, 2), int)
        groups = np.arange(len(texts)) + len(texts)
        groups[found[:, 0]] = found[:, 1]
        return groups

    return group


def datasketch(words: int) -> Way:
    import xxhash
    from datasketch import MinHash, MinHashLSH

    def shingles(text: str) -> list[bytes]:
        split = re.findall(r"\w+", text.lower())
        return [" ".join(split[place : place + words]).encode() for place in range(max(1, len(split) - words + 1))]

    def group(texts: list[str]) -> np.ndarray:
        index = MinHashLSH(threshold=SIMILARITY, num_perm=128)
        groups = np.arange(len(texts))
        made = MinHash.generator((shingles(text) for text in texts), num_perm=128, hashfunc=xxhash.xxh32_intdigest)
        for place, minhash in enumerate(made):
            known = index.query(minhash)
            if known:
                groups[place] = groups[min(known)]
            index.insert(place, minhash)
        return groups

    return group


def peers() -> dict[str, Way]:
    found: dict[str, Way] = {}
    for load in (datatrove, datasketch):
        try:
            found |= {f"{load.__name__}, runs of {words} words": load(words) for words in (5, OUR_WORDS)}
        except ImportError as error:
            print(f"{load.__name__} is left out: {error}; pip install -r benchmarks/requirements.txt")
    return found


def compare() -> None:
    texts, places = planted()
    ways: dict[str, Way] = {"ours": ours, **peers()}
    for way in ways.values():
        way(texts[:200])  # libraries load
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    groups = {}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            started = time.process_time()
            groups[name] = way(texts)
            seconds[name].append(time.process_time() - started)
    print(f"{len(texts):,} documents, {sum(len(text.split()) for text in texts) / len(texts):.0f} words each")
    for name in ways:
        ratio = statistics.median(peer / mine for peer, mine in zip(seconds[name], seconds["ours"], strict=True))
        rate = len(texts) / statistics.median(seconds[name])
        original, copy, other = groups[name][places].T
        print(
            f"{name}: {rate:,.0f} documents per CPU second, {ratio:.1f}x ours in CPU time; near-copies found "
            f"{(original == copy).mean():.1%}, traps taken for copies {(original == other).mean():.1%}"
        )


def shards(documents: int) -> Iterator[list[str]]:
    """Texts made up as they are asked for."""
    rng = random.Random(1)
    names = [f"{one}{other}" for one in "bcdfghjklm" for other in ("ane", "ork", "ip", "ust", "eel", "ond", "arl")]
    for _ in range(documents // SHARD):
        yield [" ".join(rng.choices(names, k=60)) for _ in range(SHARD)]


def memory(documents: int) -> None:
    """Print by how much the memory of this process grows over so many documents, their sketches being on disk."""
    ours([text for shard in shards(SHARD) for text in shard])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as folder:
        sketches = Sketches(Path(folder) / "sketches")
        for shard in shards(documents):
            sketches.add(shard)
        find_groups(sketches, similarity=SIMILARITY)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(f"memory: {documents:,} documents of 60 words, {grown / 1024:.0f} MiB more than {SHARD:,} of them")


if __name__ == "__main__":
    for count in (MEMORY_DOCUMENTS, 2 * MEMORY_DOCUMENTS):
        memory(count)
    if DATA.is_dir():
        compare()
    else:
        sys.exit(f"the comparison needs the problems in {DATA}")
