import random
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from winnow.errors import DataError, RecipeError
from winnow.parts import TextPoolPart, TokenizerPart, TokensPart
from winnow.pool import shared_documents
from winnow.pool import tokenizer as tokenizer_stage
from winnow.pool.documents import SCHEMA
from winnow.pool.text_pool import make_text_pool
from winnow.pool.tokenizer import equal_texts, make_tokenizer
from winnow.pool.tokens import make_tokens
from winnow.recipe import GivenTokenizerRecipe, SourceRecipe, TokenizerRecipe
from winnow.records import Artifact, Context, Cost, Stored
from winnow.text import tokenizers
from winnow.text.examples import digest
from winnow.text.token_cache import TokenCache
from winnow.text.tokenizers import encode_documents, encode_texts, encode_with_ends, eos_id, tokenizer_of

TEXTS = [f"Tom has {number} eggs and <|endoftext|> é{'!' * (number % 7)}" for number in range(40)]


def with_numbers(stored, **numbers):
    return Stored(Artifact(stored.artifact.name, "x", "x", "x", {}, {}, Cost(), numbers, {}), stored.folder)


@pytest.fixture
def made(stored, tokenizer):
    """The documents artifact of a source, and its tokens."""

    def build(name, texts=TEXTS, **part):
        artifact = with_numbers(stored(f"documents.{name}"), source=name, documents=len(texts), repeats=0, overlaps=0,
                                found_by_set={}, dropped_by_reason={}, read=len(texts),
                                bytes=sum(len(text.encode()) for text in texts))  # fmt: skip
        rows = [{"id": f"{name}:{number:016x}", "text": text} for number, text in enumerate(texts)]
        table = pa.Table.from_pylist(rows, schema=SCHEMA)
        pq.write_table(table, artifact.folder / "documents.parquet", row_group_size=7)
        tokens = stored(f"tokens.{name}")
        inputs = {"documents": artifact, "tokenizer": tokenizer}
        outcome = make_tokens(TokensPart(**{"validation_tokens": 100} | part), inputs, Context(tokens.folder))
        return artifact, with_numbers(tokens, **outcome.numbers)

    return build


def test_the_first_documents_are_held_out_and_the_rest_are_tokens(made, tokenizer):
    loaded = tokenizer_of(tokenizer)
    _, tokens = made("a")
    encoded = encode_texts(loaded, TEXTS)
    held_out = pq.read_table(tokens.folder / "validation.parquet").to_pylist()
    count = len(held_out)
    assert [row["text"] for row in held_out] == TEXTS[:count]
    assert sum(map(len, encoded[:count])) >= 100 > sum(map(len, encoded[: count - 1]))
    cache = TokenCache.open(tokens.folder)
    read = [cache.document(number).tolist() for number in range(len(cache.lengths))]
    assert read == [[*ids, eos_id(loaded)] for ids in encoded[count:]]
    assert tokens.numbers["tokens"] == sum(map(len, read))
    assert tokens.numbers["bytes"] == sum(len(text.encode()) for text in TEXTS[count:])


def test_a_smaller_limit_takes_the_beginning_of_a_larger_one(made):
    def tokens(limit):
        return TokenCache.open(made("a", limit_tokens=limit)[1].folder).tokens.tolist()

    small, large = tokens(50), tokens(300)
    assert large[: len(small)] == small and 50 <= len(small) < 100 and 300 <= len(large) < 350


def test_a_source_that_is_held_out_whole_is_told(made):
    with pytest.raises(DataError, match=r"'a' has .* tokens in 40 documents, all of which are held out"):
        made("a", validation_tokens=10**6)


def test_special_tokens_spelled_out_are_plain_text(tokenizer):
    loaded = tokenizer_of(tokenizer)
    assert list(encode_documents(loaded, TEXTS)) == encode_texts(loaded, TEXTS)
    ids, ends = encode_with_ends(loaded, TEXTS[3])
    assert ids == encode_texts(loaded, TEXTS[3:4])[0] and ends[-1] == len(TEXTS[3])
    assert loaded("<|endoftext|>")["input_ids"] == [eos_id(loaded)]


def pooled(made, stored, context_tokens, **sources):
    inputs, recipes = {}, []
    for name, texts in sources.items():
        inputs[f"documents.{name}"], inputs[f"tokens.{name}"] = made(name, texts)
        recipes.append(SourceRecipe(name=name, licence="x", format="text", path="x.txt"))
    part = TextPoolPart(sources=tuple(recipes), context_tokens=context_tokens)
    return make_text_pool(part, inputs, Context(stored("pool").folder)), stored("pool").folder


def test_a_source_shorter_than_a_row_is_told(made, stored):
    with pytest.raises(DataError, match=r"'b' has .* tokens to train on, less than one row of 2,000"):
        pooled(made, stored, 2000, a=TEXTS * 9, b=TEXTS)


def test_documents_that_two_sources_share_are_counted(made, stored):
    import json

    outcome, folder = pooled(made, stored, 16, a=TEXTS, b=TEXTS[:30])
    statistics = json.loads((folder / "statistics.json").read_text())
    assert statistics["shared"] == [{"sources": ["a", "b"], "documents": 30}]
    assert outcome.numbers["tokens"] == sum(row["tokens"] for row in statistics["sources"])


def test_a_tokenizer_is_trained_on_equal_bytes_of_each_source(made):
    inputs = {f"documents.{name}": made(name, texts)[0] for name, texts in {"a": TEXTS, "b": TEXTS[:10]}.items()}
    size = sum(len(text.encode()) for text in TEXTS[:10])
    texts = list(equal_texts(inputs))
    assert texts[10:20] == TEXTS[:10] and abs(sum(len(text.encode()) for text in texts) - 2 * size) < 4


@pytest.mark.parametrize("guess", [1, 4, 8])
def test_a_tokenizer_sees_nothing_of_what_is_held_out(made, stored, monkeypatch, guess):
    monkeypatch.setattr(tokenizer_stage, "BYTES_PER_TOKEN", guess)
    seen, train = [], tokenizer_stage.train_tokenizer
    monkeypatch.setattr(tokenizer_stage, "train_tokenizer", lambda texts, *rest: train(seen_in(texts, seen), *rest))
    words = ["and so on " * 9 + text for text in TEXTS]  # of which a token has many bytes
    inputs = {f"documents.{name}": made(name, words[::step])[0] for name, step in {"a": 1, "b": -1}.items()}
    part = TokenizerPart(tokenizer=TokenizerRecipe(vocab_size=400), context_tokens=8, validation_tokens=150)
    make_tokenizer(part, inputs, Context(stored("trained").folder))
    for role, documents in inputs.items():
        tokens, beside = stored(f"held_out.{role}"), {"documents": documents, "tokenizer": stored("trained")}
        make_tokens(TokensPart(validation_tokens=150), beside, Context(tokens.folder))
        held_out = pq.read_table(tokens.folder / "validation.parquet")["text"].to_pylist()
        own = seen[-1][: len(seen[-1]) // 2] if role.endswith("a") else seen[-1][len(seen[-1]) // 2 :]
        assert held_out and own and not set(held_out) & set(own)


def seen_in(texts, seen):
    """The same texts, noted."""
    seen.append(list(texts))
    return seen[-1]


def test_a_source_too_small_for_what_is_held_out_and_a_tokenizer_is_told(made, stored):
    part = TokenizerPart(tokenizer=TokenizerRecipe(vocab_size=300), context_tokens=8, validation_tokens=10**6)
    with pytest.raises(DataError, match=r"'a' has .* bytes of text, too few to hold pool.text.validation_tokens out"):
        make_tokenizer(part, {"documents.a": made("a")[0]}, Context(stored("trained").folder))


def test_a_tokenizer_may_be_that_of_a_model(stored, tokenizer):
    part = TokenizerPart(tokenizer=GivenTokenizerRecipe(model=str(tokenizer.folder / "tokenizer")), context_tokens=8)
    make_tokenizer(part, {}, Context(stored("copied").folder))
    assert tokenizer_of(stored("copied")).get_vocab() == tokenizer_of(tokenizer).get_vocab()


def test_a_slow_tokenizer_is_told_apart():
    class Slow:
        is_fast, name_or_path = False, "slow"

    with pytest.raises(RecipeError, match="slow does not tell where"):
        encode_with_ends(Slow(), "text")


@pytest.mark.parametrize("at_once", [7, 10**6])
def test_shared_documents_are_counted_with_the_first_source_that_has_them(tmp_path, monkeypatch, at_once):
    monkeypatch.setattr(shared_documents, "IDS_AT_ONCE", at_once)
    rng, paths, expected, seen = random.Random(0), {}, Counter(), {}
    for name in "abcd":
        contents = rng.sample(range(60), 30)
        rows = [{"id": f"{name}:{digest(str(each))}", "text": str(each)} for each in contents]
        pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), tmp_path / name, row_group_size=8)
        paths[name] = tmp_path / name
        expected.update((seen[each], name) for each in contents if each in seen)
        seen |= {each: name for each in contents if each not in seen}
    found = shared_documents.shared_documents(paths)
    assert {tuple(row["sources"]): row["documents"] for row in found} == expected
    assert [row["sources"] for row in found] == sorted(row["sources"] for row in found)


def test_documents_are_encoded_a_few_at_a_time(tokenizer, monkeypatch):
    loaded, sizes = tokenizer_of(tokenizer), []
    most = 3 * len(TEXTS[1])
    monkeypatch.setattr(tokenizers, "PORTION_CHARACTERS", most)
    portions = tokenizers._portions
    monkeypatch.setattr(tokenizers, "_portions", lambda texts: (sizes.append(each) or each for each in portions(texts)))
    texts = [TEXTS[0], "egg " * 40, *TEXTS[1:9]]
    assert list(encode_documents(loaded, texts)) == encode_texts(loaded, texts)
    assert [text for portion in sizes for text in portion] == texts
    assert all(len(portion) == 1 or sum(map(len, portion)) <= most for portion in sizes) and len(sizes) < len(texts)
