"""The stage that leaves a model with random weights: what its scores say is what an untrained model scores."""

from collections.abc import Mapping

from winnow.errors import RecipeError
from winnow.models import loading
from winnow.models.flops import flop_model
from winnow.parts import UntrainedPart
from winnow.records import Context, Outcome, Stored
from winnow.text.tokenizers import eos_id, tokenizer_of


def make_untrained(part: UntrainedPart, inputs: Mapping[str, Stored], context: Context) -> Outcome:
    """Leaves `last/`, the weights that a run of this seed starts from."""
    tokenizer = tokenizer_of(inputs["tokenizer"])
    loading.check_architecture(part.architecture)
    said = part.architecture.get("vocab_size", len(tokenizer))
    if said != len(tokenizer):
        raise RecipeError(
            f"base.from_scratch.architecture.vocab_size is {said}; the tokenizer has {len(tokenizer)} pieces: remove it"
        )
    model = loading.build_model(part.architecture, seed=part.seed, vocab_size=len(tokenizer), eos_id=eos_id(tokenizer))
    loading.save_model(model, context.folder / "last", tokenizer, None)
    return Outcome(("last",), numbers={"parameters": flop_model(model).parameters})
