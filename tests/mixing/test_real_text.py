"""On real text: a scarce source's share is found by proxies that repeat it as the run will; what mixmin gains."""

from itertools import cycle, islice

import numpy as np
import pytest

from mixing.trigram import VOCABULARY, Trigrams, documents_of, encoded, run_of, tokenizer_of
from mixing.worlds import learned, sources_of
from tests_support import SHARED
from winnow.mixing.learned import ProxyReading
from winnow.mixing.schedule import Schedule
from winnow.mixing.token_order import token_order

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not (SHARED / "data" / "text_books").is_dir(), reason="no real text in ../shared/data"),
]
SCARCE, SCARCE_TOKENS, RUN = "abstracts", 60_000, 1_000_000
COMMON = ["books", "web", "reference"]
GRID = [0.0, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.7]


@pytest.fixture(scope="module")
def text():
    """Training documents by source, held-out tokens by set, and the latter's bytes a token."""
    train = {name: documents_of(name, "train", 1_100_000) for name in [*COMMON, SCARCE]}
    held_out = {name: documents_of(name, "validation", 60_000) for name in [*COMMON, SCARCE, "papers"]}
    tokenizer = tokenizer_of(train)
    documents = encoded(tokenizer, train)
    tokens = {name: np.concatenate(rows) for name, rows in encoded(tokenizer, held_out).items()}
    sizes = {name: sum(len(text.encode()) for text in texts) for name, texts in held_out.items()}
    return documents, tokens, {name: sizes[name] / len(row) for name, row in tokens.items()}


@pytest.fixture(scope="module")
def streams(text):
    return {name: np.concatenate(documents) for name, documents in text[0].items()}


def loss(streams, shares, tokens, held_out):
    return -Trigrams(run_of(streams, shares, tokens)).log_probabilities(held_out).mean()


def test_the_model_is_one(streams):
    """Its probabilities sum to 1 behind any context, one never seen too."""
    model = Trigrams(streams["web"][:5000])
    for context in ([5, 6], [int(streams["web"][40]), int(streams["web"][41])]):
        every = [np.exp(model.log_probabilities(np.array([*context, token])))[0] for token in range(VOCABULARY)]
        assert sum(every) == pytest.approx(1)


def test_matched_proxies_find_a_scarce_source_s_share_and_others_do_not(text, streams):
    _, held_out, _ = text
    full = {name: streams[name] for name in COMMON} | {SCARCE: streams[SCARCE][:SCARCE_TOKENS]}

    def losses(cut_streams, tokens):
        return np.array([
            loss(cut_streams, dict.fromkeys(COMMON, (1 - share) / 3) | {SCARCE: share}, tokens, held_out[SCARCE])
            for share in GRID
        ])  # fmt: skip

    def cut(part):
        return {name: row[: len(row) // part] for name, row in full.items()}

    run = losses(full, RUN)
    chosen = {
        (part, is_matched): GRID[losses(cut(part) if is_matched else full, RUN // part).argmin()]
        for part in (8, 16)
        for is_matched in (True, False)
    }
    cost = {how: run[GRID.index(share)] - run.min() for how, share in chosen.items()}
    for part in (8, 16):
        assert cost[part, True] < 0.06 < 0.15 < cost[part, False]
        assert abs(GRID.index(chosen[part, True]) - int(run.argmin())) <= 1
        assert chosen[part, False] > 2 * GRID[run.argmin()]


def test_mixmin_gains_towards_a_text_that_one_source_is_like_and_nothing_towards_all(text, streams):
    """Proxies of 1 % of the run, all four sources plentiful; realised against equal shares at the full run."""
    _, held_out, bytes_per_token = text
    names, equal = list(streams), dict.fromkeys(streams, 0.25)

    def gains(sets):
        def reading(proxy):
            model = Trigrams(run_of(streams, dict.fromkeys(streams, 0.0) | dict(proxy.shares), RUN // 100))
            logs = {name: model.log_probabilities(held_out[name]) for name in sets}
            losses = {name: -row.mean() / bytes_per_token[name] for name, row in logs.items()}
            return ProxyReading(proxy, losses, logs)

        result = learned("mixmin", sources_of(names, [len(row) for row in streams.values()]), reading, tokens=RUN)
        realised = [
            np.mean([loss(streams, shares, RUN, held_out[name]) / bytes_per_token[name] for name in sets])
            for shares in (equal, dict(result.shares))
        ]
        return result, realised[0] - realised[1]

    papers, gained = gains(["papers"])
    assert papers.shares[SCARCE] > 0.4 and papers.gain_interval[0] > 0 and gained > 0.02
    mean, nothing = gains(names)
    assert abs(nothing) < 0.01 and list(mean.shares.values()) == pytest.approx([0.25] * 4, abs=0.12)


def test_m5_tokens_are_counted_not_documents(text):
    """50-30-20 drawn by documents is about 75-13-12 in tokens: books are long."""
    wanted = np.array([0.5, 0.3, 0.2])
    lengths = [[len(tokens) for tokens in text[0][name]] for name in COMMON]
    by_documents = wanted * [np.mean(row) for row in lengths]
    assert by_documents / by_documents.sum() == pytest.approx([0.748, 0.133, 0.119], abs=0.03)
    shares = dict(zip(COMMON, wanted.tolist(), strict=True))
    order = token_order(Schedule.constant(shares), COMMON, [cycle(row) for row in lengths], tokens=RUN)
    taken = [sum(islice(cycle(row), int((order == number).sum()))) for number, row in enumerate(lengths)]
    assert np.array(taken) / sum(taken) == pytest.approx(wanted, abs=max(map(max, lengths)) / RUN)
