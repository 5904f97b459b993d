"""Which source each row is from: how far any prefix is off its shares, and what working it out costs.

First real documents (books, web pages, reference works), 50-30-20, a million tokens: what each way makes of those
shares, and how far the worst prefix of a run is off, in rows of 1,024 tokens. Documents are drawn by
`datasets.interleave_datasets` with probabilities, rows too, and rows by numpy, independently, as most loaders do; ours
are rows in the order of deadlines, and whole documents weighed by their tokens. Then the order of a billion tokens in
rows of 1,024, static, linear and with a hard switch, of 3, 24 and 101 sources: CPU seconds of ours, the median over
rounds, and once a peer's CPU seconds over that: of the textbook's heap, which gives the same order, and of
`interleave_datasets`, which is static alone.
"""

import gzip
import heapq
import json
import statistics
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path

import numpy as np
from tokenizers import ByteLevelBPETokenizer

from winnow.mixing.order import schedule_order
from winnow.mixing.schedule import Knot, Schedule, cumulative
from winnow.mixing.token_order import token_order

DATA = Path(__file__).parents[2] / "shared" / "data"
SHARES = {"books": 0.5, "web": 0.3, "reference": 0.2}
TOKENS, ROW, DOCUMENTS, VOCABULARY = 1_000_000, 1024, 400, 1024
ROWS, ROUNDS = 976_560, 3
"""8,138 steps of 120 rows."""


def documents() -> dict[str, list[int]]:
    """Tokens of some documents of each source, in a random order."""
    texts = {}
    for name in SHARES:
        with gzip.open(DATA / f"text_{name}" / "train.jsonl.gz", "rt", encoding="utf-8") as file:
            rows = [json.loads(line)["text"] for line in file]
        texts[name] = [rows[place] for place in np.random.default_rng(0).permutation(len(rows))[:DOCUMENTS]]
    tokenizer = ByteLevelBPETokenizer()
    beginnings = (text[:2000] for each in texts.values() for text in each)
    tokenizer.train_from_iterator(beginnings, vocab_size=VOCABULARY, show_progress=False)
    return {name: [len(each.ids) + 1 for each in tokenizer.encode_batch(rows)] for name, rows in texts.items()}


def interleaved(probabilities: list[float], count: int) -> np.ndarray:
    """[count]: the source of each of so many rows or documents, as `datasets` draws them."""
    from datasets import Dataset, interleave_datasets

    sources = [Dataset.from_dict({"source": [number] * count}) for number in range(len(probabilities))]
    drawn = interleave_datasets(sources, probabilities=probabilities, seed=0, stopping_strategy="first_exhausted")
    return np.array(drawn["source"][:count])


def taken(order: np.ndarray, lengths: list[Iterator[int]]) -> np.ndarray:
    """[rows, sources]: tokens of each source after each row."""
    steps = np.zeros((len(order), len(lengths)))
    for place, source in enumerate(order.tolist()):
        steps[place, source] = next(lengths[source])
    return steps.cumsum(axis=0)


def print_shares() -> None:
    lengths, shares = documents(), np.array(list(SHARES.values()))
    of_documents, rows = [cycle(row) for row in lengths.values()], TOKENS // ROW
    schedule, draw = Schedule.constant(SHARES), np.random.default_rng(0)
    by_tokens = token_order(schedule, list(SHARES), [cycle(row) for row in lengths.values()], tokens=TOKENS)
    ways = {
        "rows, ours": (schedule_order(schedule, list(SHARES), rows), [cycle([ROW])] * 3),
        "rows, independent draws": (draw.choice(3, size=rows, p=shares), [cycle([ROW])] * 3),
        "rows, interleave_datasets": (interleaved(shares.tolist(), rows), [cycle([ROW])] * 3),
        "documents by their tokens, ours": (by_tokens, [cycle(row) for row in lengths.values()]),
        "documents, interleave_datasets": (interleaved(shares.tolist(), len(by_tokens)), of_documents),
    }
    longest = max(map(max, lengths.values()))
    print(f"50-30-20 of {TOKENS:,} tokens; the longest document has {longest:,} tokens, {longest / ROW:.1f} rows")
    expected = shares * [np.mean(row) for row in lengths.values()]
    print(f"{'documents at 50-30-20, expected':<34} {'-'.join(f'{share:.1%}' for share in expected / expected.sum())}")
    for name, (order, streams) in ways.items():
        placed = taken(order, streams)
        off = np.abs(placed - placed.sum(axis=1, keepdims=True) * shares).max() / ROW
        told = "-".join(f"{share:.1%}" for share in placed[-1] / placed[-1].sum())
        print(f"{name:<34} {told:<20} worst prefix {off:8.2f} rows off")


def heap(schedule: Schedule, names: list[str], rows: int) -> np.ndarray:
    """Earliest deadline first, a row at a time."""
    arriving: list[list[tuple[int, int]]] = [[] for _ in range(rows + 1)]
    for source, column in enumerate(cumulative(schedule, names, rows).T):
        jobs = np.arange(np.ceil(column[-1] - 1e-6))
        ready, due = np.searchsorted(column, jobs + 1e-6, side="right"), np.searchsorted(column, jobs + 1 - 1e-6)
        for place, deadline in zip(ready.tolist(), due.tolist(), strict=True):
            arriving[place].append((deadline, source))
    waiting: list[tuple[int, int]] = []
    order = np.empty(rows, dtype=np.int16)
    for place in range(1, rows + 1):
        for job in arriving[place]:
            heapq.heappush(waiting, job)
        order[place - 1] = heapq.heappop(waiting)[1]
    return order


def schedules(sources: int) -> dict[str, tuple[Schedule, list[str]]]:
    names, draw = [f"s{number}" for number in range(sources)], np.random.default_rng(sources)
    first, last = (dict(zip(names, draw.dirichlet(np.ones(sources)).tolist(), strict=True)) for _ in range(2))
    return {
        "static": (Schedule.constant(first), names),
        "linear": (Schedule((Knot(0, first), Knot(1, last))), names),
        "switch": (Schedule((Knot(0, first), Knot(0.5, last)), "step"), names),
    }


def seconds(way: Callable[[], np.ndarray]) -> tuple[float, np.ndarray]:
    started = time.process_time()
    result = way()
    return time.process_time() - started, result


def print_costs() -> None:
    print(f"\norder of {ROWS:,} rows")
    for sources in (3, 24, 101):
        for name, (schedule, names) in schedules(sources).items():
            rounds = [seconds(lambda s=schedule, n=names: schedule_order(s, n, ROWS)) for _ in range(ROUNDS)]
            ours = statistics.median(each for each, _ in rounds)
            by_heap, order = seconds(lambda s=schedule, n=names: heap(s, n, ROWS))
            assert (order == rounds[0][1]).all(), "the order is that of the heap"
            told = f"{sources:3} sources, {name}: {ours:.2f} CPU s; heap {by_heap / ours:.1f} times that"
            if name == "static" and sources == 3:
                shares = list(schedule.knots[0].shares.values())
                told += f", interleave_datasets {seconds(lambda s=shares: interleaved(s, ROWS))[0] / ours:.1f}"
            print(told)


if __name__ == "__main__":
    print_shares()
    print_costs()
