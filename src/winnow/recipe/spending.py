"""Sections `budget` and `machine`: what a run may spend, and what turns FLOPs into seconds and dollars."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from winnow.recipe.values import BUDGET_UNITS, Amount, Count, Frozen, Number, Positive, Price, Whole


class BudgetRecipe(Frozen):
    """What a run may spend: exactly one unit. It is the axis on which arms are equal."""

    pool_epochs: Positive | None = None
    """Example visits, in passes over the whole pool: fraction x epochs is constant."""
    examples: Count | None = None
    """Example visits."""
    tokens: Count | None = None
    """Real tokens, padding not counted."""
    flops: Amount | None = None
    """Reference FLOPs, selection included."""
    seconds: Annotated[Number, Field(gt=0.0, le=1e12)] | None = None
    """Seconds on `machine`, selection included."""
    dollars: Annotated[Number, Field(gt=0.0, le=1e12)] | None = None
    """Dollars on `machine`, selection included."""

    @model_validator(mode="after")
    def _one_unit(self) -> Self:
        given = [unit for unit in BUDGET_UNITS if getattr(self, unit) is not None]
        if len(given) != 1:
            raise ValueError(f"budget names {given or 'no unit'}; give exactly one of {', '.join(BUDGET_UNITS)}")
        return self

    @property
    def unit(self) -> str:
        """The unit that is given."""
        return next(unit for unit in BUDGET_UNITS if getattr(self, unit) is not None)

    @property
    def text(self) -> str:
        """Amount and unit, as people say them."""
        return f"{self.amount:g} {self.unit.replace('_', ' ')}"

    @property
    def amount(self) -> float:
        """How much of it."""
        return float(getattr(self, self.unit))


class EarlyStoppingRecipe(Frozen):
    """End a run where its validation loss no longer falls, whatever is left of its budget."""

    patience: Annotated[Whole, Field(ge=1, le=1000)] = 3
    """So many evaluations on the way in a row (`evaluation.every_steps`) without a better validation loss end it."""
    min_delta: Annotated[Number, Field(ge=0.0, le=1000.0)] = 0.0
    """Nats by which a validation loss has to lie below the best one before it to be better."""


class MachineRecipe(Frozen):
    """What turns FLOPs into seconds and dollars: declared, or measured when the run starts."""

    name: str = "this machine"
    """Name in tables."""
    devices: Annotated[Whole, Field(ge=1, le=1024)] = 1
    """Devices that train one run together, each a process of its own: GPUs, or on a CPU as many as are asked for."""
    flops_per_second: Annotated[Number, Field(ge=1.0, le=1e24)] | None = None
    """Useful FLOPs per second, all devices together; measured where it is not given and needed."""
    flops_convention: Literal["reference", "6n"] = "reference"
    """What `flops_per_second` counts."""
    fixed_seconds: Annotated[Number, Field(ge=0.0, le=1e12)] = 0.0
    """Seconds that every run costs beside training, such as evaluation (for `winnow plan`)."""
    dollars_per_hour: Price = 0.0
    """Price of the whole machine."""
    memory_bytes: Count | None = None
    """Memory of one device, of which `winnow plan` warns where a run needs more; null for what is found here."""
