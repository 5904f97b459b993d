import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import AutoModel, BertConfig, BertModel, PreTrainedTokenizerFast, T5Config, T5Model

from represent_support import make_pool, run, stored
from tests_support import SMALLEST
from winnow.errors import RecipeError
from winnow.models import loading
from winnow.models.flops import flop_model
from winnow.parts import ModelPart
from winnow.recipe import ArmRecipe, EmbeddingsRecipe, HiddenStatesRecipe
from winnow.recipe.file import load_recipe
from winnow.records import Context
from winnow.selection.embeddings import text_rows
from winnow.selection.proxy import Proxy
from winnow.selection.registry import traits
from winnow.study.graph import expand
from winnow.training.pointing import point_at_model

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "question", "answer", "egg", "nut", "a", "two", "so", "it", "is", ":", "?"]
SMALL = {"batch_size": 8, "shard_size": 16}


@pytest.fixture(autouse=True)
def on_cpu(monkeypatch):
    monkeypatch.setattr(loading, "best_device", lambda: torch.device("cpu"))


@pytest.fixture
def encoder(tmp_path):
    """A random BERT with a tokenizer of its own, and the artifact that points at it."""
    words = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, unk_token="[UNK]", pad_token="[PAD]", cls_token="[CLS]", sep_token="[SEP]"
    )
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(WORDS), hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=64, initializer_range=0.5,
    )  # fmt: skip
    BertModel(config).save_pretrained(tmp_path / "bert")
    tokenizer.save_pretrained(tmp_path / "bert")
    made = stored(tmp_path / "proxy")
    outcome = point_at_model(ModelPart(model=str(tmp_path / "bert"), is_encoder=True), {}, Context(made.folder))
    assert outcome.numbers["parameters"] == loading.load_encoder(made).num_parameters()
    return made, tokenizer


def embed(tmp_path, encoder, name, **options):
    pool = stored(tmp_path / "pool") if (tmp_path / "pool").is_dir() else make_pool(tmp_path / "pool", 30, 5)
    recipe = EmbeddingsRecipe(model=str(tmp_path / "bert"), **SMALL, **options)
    return run(tmp_path / name, recipe, {"pool": pool, "model": encoder[0], "tokenizer": encoder[0]})


@pytest.mark.parametrize("pooling", ["mean", "first"])
@pytest.mark.parametrize("of", ["all", "prompt", "completion"])
def test_a_batch_gives_what_each_text_gives_alone(tmp_path, encoder, pooling, of):
    outcome, vectors = embed(tmp_path, encoder, "a", pooling=pooling, of=of)
    model, tokenizer = AutoModel.from_pretrained(tmp_path / "bert").eval(), encoder[1]
    for row, vector in zip(pq.read_table(tmp_path / "pool" / "train.parquet").to_pylist(), vectors, strict=True):
        text = row["prompt"] + row["completion"] if of == "all" else row[of]
        with torch.no_grad():
            states = model(**tokenizer(text, return_tensors="pt")).last_hidden_state[0].numpy()
        state = states.mean(axis=0) if pooling == "mean" else states[0]
        assert vector == pytest.approx(state / np.linalg.norm(state), abs=1e-5)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-6)
    assert len(np.load(tmp_path / "a" / "target_vectors.npy")) == 5 and outcome.numbers["truncated"] == 0


def test_long_texts_are_cut_and_counted(tmp_path, encoder):
    outcome, vectors = embed(tmp_path, encoder, "a", max_tokens=16)
    lengths = [
        len(encoder[1](row["prompt"] + row["completion"])["input_ids"])
        for name in ("train", "target")
        for row in pq.read_table(tmp_path / "pool" / f"{name}.parquet").to_pylist()
    ]
    assert outcome.numbers["truncated"] == sum(length > 16 for length in lengths) > 0
    assert min(lengths) <= 16
    cost = outcome.costs["represent"]
    kept = np.minimum(16, lengths)
    assert cost.tokens == kept.sum()
    assert cost.flops == pytest.approx(flop_model(loading.load_encoder(encoder[0])).forward(kept).sum())
    assert cost.flops > 2 * 2 * (4 * 16 * 16 + 2 * 16 * 32) * kept.sum()


def test_the_encoders_own_limit_holds(tmp_path, encoder):
    model = loading.load_encoder(encoder[0])
    model.config.max_position_embeddings = 10
    rows, cut = text_rows(Proxy(model, 8, encoder[1]), ["x", "y"], ["egg " * 30, "egg"], 512)
    assert rows.lengths.tolist() == [10, 3] and cut == 1 and rows.row(0)[-1] == 3


def test_what_is_no_encoder_is_refused(tmp_path):
    T5Model(T5Config(vocab_size=20, d_model=8, d_ff=8, d_kv=4, num_layers=1, num_heads=2)).save_pretrained(
        tmp_path / "t5"
    )
    with pytest.raises(RecipeError, match="embeddings need a model of an encoder alone"):
        loading.load_named_encoder(str(tmp_path / "t5"), None)
    (tmp_path / "empty").mkdir()
    with pytest.raises(RecipeError, match="needs config.json and weights"):
        loading.load_named_encoder(str(tmp_path / "empty"), None)


def test_a_study_points_at_the_encoder():
    recipe = load_recipe(SMALLEST)
    own = {"mine": EmbeddingsRecipe(model="some/encoder"), "hidden": HiddenStatesRecipe(model="some/decoder")}
    arms = tuple(ArmRecipe(selector="herding", representation=name, name=name) for name in own)
    changed = recipe.selection.model_copy(update={"arms": arms, "representations": own})
    graph = expand(recipe.model_copy(update={"selection": changed}), traits())
    assert graph.stages["proxy.mine"].part == ModelPart(model="some/encoder", is_encoder=True)
    assert graph.stages["proxy.hidden"].part == ModelPart(model="some/decoder")
    assert graph.stages["represent.mine"].inputs == {"pool": "pool", "model": "proxy.mine", "tokenizer": "proxy.mine"}
