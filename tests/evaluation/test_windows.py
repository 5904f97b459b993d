import math

import numpy as np
import pytest
import torch

from models.toys import toy_model, toy_tokenizer
from winnow.errors import DataError
from winnow.evaluation.measured import item_rows as rows_of_items
from winnow.evaluation.measured import levels
from winnow.evaluation.measures.asking import asked_measures, metrics_of
from winnow.evaluation.scoring import score_set
from winnow.evaluation.stages import mean_of_sets
from winnow.evaluation.windows import byte_ends, window_set
from winnow.recipe import TEXT_MEASURES
from winnow.text.tokenizers import eos_id

DOCUMENTS = [("a:1", "Tom has 12 eggs. " * 9), ("a:2", "Ünï€ode 😀 eggs, many of them."), ("a:3", "x")]


def windows(context=16, documents=DOCUMENTS):
    return window_set("a", documents, toy_tokenizer(), context_tokens=context)


def test_windows_cover_a_document_without_overlap_and_their_first_token_is_no_target():
    tokenizer, items = toy_tokenizer(), windows()
    for identity, text in DOCUMENTS[:2]:
        rows = [place for place, name in enumerate(items.rows.names) if name.startswith(f"{identity}@")]
        ids = [token for place in rows for token in items.rows.row(place)]
        assert ids == tokenizer(text, add_special_tokens=False)["input_ids"]
        assert all(items.rows.targets(place).tolist() == [False, *[True] * (len(items.rows.row(place)) - 1)]
                   for place in rows)  # fmt: skip
    assert not any(name.startswith("a:3@") for name in items.rows.names)  # one token, so that nothing is predicted
    assert eos_id(tokenizer) not in items.rows.ids


def test_bytes_are_those_of_the_targets_text():
    """Token by token, decoded: what windows of whole characters say."""
    tokenizer, items = toy_tokenizer(), windows(documents=DOCUMENTS[:1])
    expected = [len(tokenizer.decode(items.rows.row(place)[1:]).encode()) for place in range(len(items.rows.names))]
    assert list(items.target_bytes) == expected
    whole = windows(10**6, DOCUMENTS[1:2])
    text, first = DOCUMENTS[1][1], len("Ü".encode())
    assert whole.target_bytes == (len(text.encode()) - first,)  # the first token is half of Ü, and ends where Ü does


def test_ends_of_tokens_in_bytes_are_those_of_the_text_before_them():
    text = "aé€😀b"
    assert byte_ends(text, list(range(6))).tolist() == [len(text[:end].encode()) for end in range(6)]


def test_levels_are_nats_a_token_and_bits_a_byte_of_the_whole_set():
    model, items, asked = toy_model(spread=0.5), windows(), asked_measures(TEXT_MEASURES)
    scored = score_set(model, items, toy_tokenizer(), eos_id=0, max_new_tokens=4, batch_size=4, answered=[])
    nats = tokens = 0.0
    with torch.no_grad():
        for place in range(len(items.rows.names)):
            ids = torch.from_numpy(items.rows.row(place).astype(np.int64))[None]
            logits = model(ids).logits[0, :-1].log_softmax(-1)
            nats -= float(logits.gather(-1, ids[0, 1:, None]).sum())
            tokens += ids.shape[1] - 1
    found = levels(metrics_of(asked), rows_of_items(asked, items, scored))
    assert found["loss"][0] == pytest.approx(nats / tokens, rel=1e-5)
    assert found["bits_per_byte"][0] == pytest.approx(nats / math.log(2) / sum(items.target_bytes), rel=1e-5)
    assert found["perplexity"][0] == pytest.approx(math.exp(nats / tokens), rel=1e-4)


def test_a_sample_is_the_first_windows_and_knows_their_bytes():
    items = windows()
    assert items.sample(2).target_bytes == items.target_bytes[:2] and items.sample(2).rows.names == items.rows.names[:2]


def test_an_average_of_sets_counts_each_alike():
    def summary(loss, bits, items):
        return {"loss": loss, "items": items, "measured": {"bits_per_byte": {"level": bits}}}

    sets = {"a": summary(1.0, 2.0, 1000), "b": summary(3.0, 6.0, 1), "c": summary(9.0, 9.0, 1)}
    found = mean_of_sets(sets, ["a", "b"])
    assert (found["loss"], found["measured"], found["items"]) == (2.0, {"bits_per_byte": 4.0}, 1001)


def test_text_without_two_tokens_in_a_row_is_told():
    with pytest.raises(DataError, match="'a' has no two tokens in a row"):
        windows(documents=[("a:1", "x"), ("a:2", "y")])
