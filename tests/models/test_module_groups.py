"""Groups of matrices, ranks that no matrix has, and dropout of attention, on models that call these differently."""

import pytest
import torch
from toys import LLAMA_SIZES, VOCABULARY, toy_model
from transformers import OPTConfig, OPTForCausalLM

from winnow.errors import RecipeError
from winnow.models import loading
from winnow.models.attention_dropout import set_attention_dropout
from winnow.models.module_groups import group_modules
from winnow.parts import TrainPart, asked
from winnow.recipe import BudgetRecipe, LoraRecipe, TrainingRecipe

OPT = OPTConfig(
    hidden_size=16, word_embed_proj_dim=16, num_hidden_layers=1, num_attention_heads=2, ffn_dim=24, vocab_size=32
)
NAMES = {
    "llama": ({"q_proj", "k_proj", "v_proj", "o_proj"}, {"gate_proj", "up_proj", "down_proj"}),
    "gpt2": ({"attn.c_attn", "attn.c_proj"}, {"mlp.c_fc", "mlp.c_proj"}),
    "gpt_neo": ({"q_proj", "k_proj", "v_proj", "out_proj"}, {"c_fc", "c_proj"}),
}
IDS = torch.arange(1, 20).unsqueeze(0)


def adapted(model, group, r=2):
    """Paths of what an adapter of this group adapts."""
    model = loading.adapt(model, LoraRecipe(r=r, target_modules=group), seed=0)
    paths = [name.split(".lora_A")[0] for name, _ in model.named_parameters() if ".lora_A." in name]
    return {path.removeprefix("base_model.model.") for path in paths}


@pytest.mark.parametrize("kind", NAMES)
def test_attention_and_mlp_are_all_linear_layers_between_them(kind):
    attention, mlp, both = (
        adapted(toy_model(kind, attention="eager"), group) for group in ("attention", "mlp", "all-linear")
    )
    assert attention | mlp == both and not attention & mlp
    for paths, ends in zip((attention, mlp), NAMES[kind], strict=True):
        assert all(any(path.endswith(f".{end}") for end in ends) for path in paths)
        assert len(paths) == 2 * len(ends), "of both layers"


def test_a_part_of_no_group_holds_matrices_that_are_known_by_their_own_names():
    assert group_modules(OPTForCausalLM(OPT), "mlp") == ("fc1", "fc2")
    assert "self_attn.out_proj" in group_modules(OPTForCausalLM(OPT), "attention")


def test_a_group_that_a_model_has_under_no_known_name_is_refused():
    class Strange(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.mixer = torch.nn.Linear(2, 2)

    with pytest.raises(RecipeError, match="target_modules is attention, which Strange has under no name.*mixer.*all-l"):
        group_modules(Strange(), "attention")


@pytest.mark.parametrize(("group", "most"), [("all-linear", 32), ("attention", 32), (("k_proj", "v_proj"), 16)])
def test_a_rank_that_no_adapted_matrix_can_have_is_refused_by_name(group, most):
    model = {"model_type": "llama", "vocab_size": VOCABULARY} | LLAMA_SIZES
    assert adapted(loading.skeleton(model), group, r=most), "keys and values of a lower rank are no reason to refuse"
    with pytest.raises(
        RecipeError, match=rf"training\.lora\.r is {most + 1}; model\.layers\.0\.\S+, \d+ x \d+, has"
    ) as it:
        loading.adapt(loading.skeleton(model), LoraRecipe(r=most + 1, target_modules=group), seed=0)
    assert f"lower r to {most} or less" in str(it.value)


@pytest.mark.parametrize("kind", NAMES)
def test_attention_dropout_is_at_work_in_training_alone(kind):
    model = toy_model(kind, spread=0.2, attention="eager")
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0

    def states():
        with torch.no_grad():
            return model(input_ids=IDS).logits

    before = states()
    assert torch.equal(model.train() and states(), before)
    set_attention_dropout(model, 0.5)
    assert not torch.allclose(states(), before, atol=1e-4)
    assert torch.equal(model.eval() and states(), before)


def test_attention_dropout_of_the_whole_share_leaves_no_attention():
    """All weights but a vanishing share dropped: no token sees another, so that equal tokens give equal states."""
    model = toy_model("llama", spread=0.2).train()
    set_attention_dropout(model, 1 - 1e-9)
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([[5, 9, 5]])).logits[0]
        alone = model(input_ids=torch.tensor([[7, 5]])).logits[0]
    assert torch.allclose(logits[0], logits[2], atol=1e-5) and torch.allclose(logits[0], alone[1], atol=1e-5)


def test_a_model_without_such_a_dropout_is_told():
    with pytest.raises(
        RecipeError, match=r"training\.attention_dropout is 0\.1; the attention of Linear has no dropout"
    ):
        set_attention_dropout(torch.nn.Linear(2, 2), 0.1)


def test_attention_dropout_is_part_of_the_question_where_it_is_given():
    def told(**training):
        part = TrainPart(
            objective="sft",
            training=TrainingRecipe(**training),
            global_batch_size=4,
            budget=BudgetRecipe(pool_epochs=1),
        )
        return asked(part)["training"]

    assert "attention_dropout" not in told() and told(attention_dropout=0.1)["attention_dropout"] == 0.1
    assert told(attention_dropout=0.0)["attention_dropout"] == 0.0, "GPT-2's own is 0.1: none is another question"
    with pytest.raises(ValueError, match="attention_dropout has nothing to drop: method is none"):
        TrainingRecipe(method="none", attention_dropout=0.1)
