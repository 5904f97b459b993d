"""A model on this machine as a teacher: a seed of each request's own, whatever batch it stands in."""

from collections import Counter

import numpy as np
import pytest
import torch

from represent_support import inputs_in
from winnow.errors import BudgetError, RecipeError
from winnow.generation.asking import build_request
from winnow.generation.teachers.interface import Request
from winnow.generation.teachers.local import LocalTeacher, Sampling
from winnow.generation.teachers.meter import Meter
from winnow.models.generate import generate_greedy
from winnow.recipe import LocalTeacherRecipe, SyntheticRecipe
from winnow.text.tokenizers import eos_id


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("teacher")


def request_of(number, *, prompt="two eggs", temperature=1.0, seed=None):
    return Request(str(number), "program", prompt, "q", "s", 1, temperature, number if seed is None else seed)


def answers_of(folder, requests, *, batch_size=4, max_new_tokens=6, **limits):
    model = inputs_in(folder)["model"]
    meter = Meter(**{"max_dollars": None, "max_tokens": None} | limits)
    recipe = LocalTeacherRecipe(kind="local", batch_size=batch_size, max_new_tokens=max_new_tokens)
    teacher, told = LocalTeacher(recipe, meter, model=model, tokenizer=model), []
    teacher.ask(requests, told.append)
    return {answer.key: answer for answer in told}, teacher


def test_an_answer_does_not_depend_on_its_batch(folder):
    requests = [request_of(number, prompt="egg " * (1 + number % 3)) for number in range(7)]
    alone, _ = answers_of(folder, requests, batch_size=1)
    together, teacher = answers_of(folder, requests[::-1], batch_size=5)
    assert {key: each.text for key, each in alone.items()} == {key: each.text for key, each in together.items()}
    assert len({each.text for each in alone.values()}) > 1
    for each in alone.values():
        assert 1 <= each.completion_tokens <= 6
        length = np.array([each.prompt_tokens + each.completion_tokens])
        assert each.flops == pytest.approx(float(teacher.flops.forward(length).sum()))
        assert each.dollars == 0


def test_at_temperature_0_it_is_the_greedy_answer(folder):
    request = request_of(0, temperature=0.0)
    (answer,) = answers_of(folder, [request])[0].values()
    _, teacher = answers_of(folder, [])
    stop = eos_id(teacher.tokenizer)
    ids = list(teacher.tokenizer(request.prompt)["input_ids"])
    greedy = generate_greedy(teacher.model, [ids], max_new_tokens=6, eos_id=stop, batch_size=1).completions[0]
    assert answer.text == teacher.tokenizer.decode(greedy, skip_special_tokens=True)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_samples_have_the_probabilities_of_the_softmax(temperature):
    logits = torch.tensor([0.0, 1.0, 2.0, -1.0])
    draws = 4000
    sampling = Sampling([request_of(n, temperature=temperature) for n in range(draws)])
    chosen = Counter(sampling(None, logits.repeat(draws, 1)).argmax(dim=1).tolist())
    wanted = torch.softmax(logits / temperature, dim=0)
    for token, share in enumerate(wanted.tolist()):
        assert chosen[token] / draws == pytest.approx(share, abs=5 * (share * (1 - share) / draws) ** 0.5)


def test_tokens_can_be_the_limit(folder):
    requests = [request_of(number) for number in range(8)]
    with pytest.raises(BudgetError, match="max_teacher_tokens 5"):
        answers_of(folder, requests, batch_size=2, max_tokens=5)


def test_a_prompt_that_leaves_no_room_is_refused(folder):
    recipe = SyntheticRecipe(examples=1)
    with pytest.raises(RecipeError, match="the teacher takes .* together; lower max_new_tokens"):
        answers_of(folder, [build_request(recipe, "0", "one_step", "How many?", "s", 1)], max_new_tokens=500)


def test_a_question_of_its_own_that_is_too_long_is_given_up_and_the_others_are_answered(folder):
    requests = [request_of(0), request_of(1, prompt="egg " * 5000), request_of(2)]
    answers, _ = answers_of(folder, requests)
    told = [answers[request.key] for request in requests]
    assert [answer.is_given_up for answer in told] == [False, True, False]
    assert told[1].finish_reason == "given up: a question too long for the teacher"
