"""Published lengths of cooldowns branched from one long run (Biderman et al. 2024, LoRA Learns Less and Forgets Less).

Formulas: the golden test G16 of the described system.
"""

import pytest

from winnow.budget import steps_for
from winnow.training.schedule import Cooldown, cooldown_steps

SEQUENCES, CONTEXT = 192, 4096


@pytest.mark.parametrize(
    ("tokens", "steps", "cooldown"), [(20e9, 25_431, 5_086), (8e9, 10_173, 2_035), (0.25e9, 318, 64)]
)
def test_g16_steps_and_cooldowns_of_continued_pretraining(tokens, steps, cooldown):
    assert round(tokens / (SEQUENCES * CONTEXT)) == steps
    ours = steps_for(int(tokens // CONTEXT), SEQUENCES)
    assert 0 <= ours - steps <= 1, "a last batch that is not full is a step"
    assert cooldown_steps(steps, 0.2) == cooldown_steps(ours, 0.2) == cooldown
    assert Cooldown(long_steps=25_431, fraction=0.2).begins(steps) == steps - cooldown
