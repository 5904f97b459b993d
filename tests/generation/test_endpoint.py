"""A teacher behind an endpoint: whatever goes wrong on the way, each answer is had, and paid for, once."""

import json
import math
import threading
import time

import pytest

from generation_support import KEY, FakeEndpoint, endpoint_recipe
from winnow.errors import BudgetError, RecipeError, TeacherError
from winnow.generation.asking import build_request
from winnow.generation.teachers import pacing
from winnow.generation.teachers.endpoint import EndpointTeacher
from winnow.generation.teachers.interface import Answer, Lost
from winnow.generation.teachers.meter import Meter
from winnow.generation.teachers.pacing import Pace, rest_seconds, wait_seconds

PAID = (100 * 1.0 + 50 * 10.0) / 1e6


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(pacing, "FIRST_WAIT_SECONDS", 0.01)


def requests_of(recipe, number):
    return [build_request(recipe, str(n), "one_step", "How many?", "s", 3) for n in range(number)]


def asked(endpoint, number=6, *, max_dollars=None, max_tokens=None, key=None, **teacher):
    """Ask so many requests; gives back the meter and all that was told."""
    recipe = endpoint_recipe(endpoint, teacher=teacher)
    meter, told, lock = Meter(max_dollars=max_dollars, max_tokens=max_tokens), [], threading.Lock()

    def tell(event):
        with lock:
            told.append(event)

    EndpointTeacher(recipe.teacher, meter, find_key={"TEACHER_KEY": key}.get).ask(requests_of(recipe, number), tell)
    return meter, told


def test_every_request_is_answered_once_and_metered():
    with FakeEndpoint() as endpoint:
        meter, told = asked(endpoint)
    assert len(endpoint.charged) == len(set(endpoint.charged)) == len(told) == 6
    assert {answer.key for answer in told} == {each.key for each in requests_of(endpoint_recipe(endpoint), 6)}
    assert meter.dollars == pytest.approx(6 * PAID)
    assert meter.tokens == 6 * 150
    assert meter.reserved == 0


def test_what_is_sent_is_what_the_recipe_says():
    with FakeEndpoint() as endpoint:
        asked(endpoint, 1, options={"top_p": 0.9})
    (body,) = endpoint.asked
    assert body["model"] == "fake"
    assert body["top_p"] == 0.9
    assert body["temperature"] == 1.0
    assert body["max_tokens"] == 60
    assert [message["role"] for message in body["messages"]] == ["user"]


@pytest.mark.parametrize("fault", ["429", "429 after", "500", "broken", "cut", "timeout"])
def test_a_fault_that_passes_is_tried_again(fault):
    with FakeEndpoint(faults={1: fault, 2: fault}) as endpoint:
        meter, told = asked(endpoint, 4, concurrency=1)
    answers, lost = ([each for each in told if isinstance(each, kind)] for kind in (Answer, Lost))
    assert len(answers) == 4
    assert [answer.attempts for answer in answers] == [1, 3, 1, 1]
    may_be_charged = fault in ("broken", "cut", "timeout")
    assert len(lost) == (2 if may_be_charged else 0)
    assert len(endpoint.charged) == len(answers) + len(lost)
    assert meter.dollars >= len(endpoint.charged) * PAID - 1e-12, "the meter never says less than was charged"


def test_an_endpoint_that_asks_for_rest_gets_it():
    with FakeEndpoint(faults={0: "429 after"}) as endpoint:
        asked(endpoint, 3, concurrency=1)
    first, second, *_ = endpoint.times
    assert second - first >= 0.39
    assert len(endpoint.charged) == 3


def test_endless_faults_end_with_one_line_that_keeps_what_was_answered():
    said = r"no answer in 3 attempts \(last: HTTP 500: .*is kept"
    faults = dict.fromkeys(range(2, 50), "500")
    with FakeEndpoint(faults=faults) as endpoint, pytest.raises(TeacherError, match=said) as caught:
        asked(endpoint, 4, concurrency=1, max_attempts=3)
    assert "\n" not in str(caught.value)
    assert len(endpoint.asked) == 5
    assert len(endpoint.charged) == 2


def test_a_fault_that_stays_ends_at_once():
    with (
        FakeEndpoint(faults={0: "400"}) as endpoint,
        pytest.raises(TeacherError, match="HTTP 400: .*check the teacher"),
    ):
        asked(endpoint, 4, concurrency=1)
    assert len(endpoint.asked) == 1


def test_nobody_there_is_one_line():
    with FakeEndpoint() as endpoint:
        pass
    with pytest.raises(TeacherError, match="no connection"):
        asked(endpoint, 1, max_attempts=2)


def test_the_key_comes_from_its_variable_and_is_never_told():
    with FakeEndpoint(key=KEY) as endpoint:
        _, told = asked(endpoint, 2, key=KEY, api_key_variable="TEACHER_KEY")
        assert KEY not in repr(told)
        with pytest.raises(TeacherError) as caught:
            asked(endpoint, 1, key=KEY + "x", api_key_variable="TEACHER_KEY")
        assert "HTTP 401" in str(caught.value)
        assert KEY not in str(caught.value)
        with pytest.raises(RecipeError, match="the environment has no TEACHER_KEY"):
            asked(endpoint, 1, api_key_variable="TEACHER_KEY")


def test_no_more_requests_are_under_way_than_allowed():
    with FakeEndpoint(seconds=0.05) as endpoint:
        asked(endpoint, 9, concurrency=3)
    assert endpoint.most_at_once == 3


def test_requests_keep_their_pace():
    now, slept = [100.0], []

    def sleep(seconds):
        slept.append(seconds)
        now[0] += seconds

    pace = Pace(120, sleep, lambda: now[0])
    for _ in range(4):
        pace.wait()
    assert slept == pytest.approx([0.5, 0.5, 0.5])
    pace.hold(7)
    pace.wait()
    assert slept[-1] == pytest.approx(7)


@pytest.mark.parametrize("concurrency", [1, 4])
def test_the_budget_is_never_exceeded(concurrency):
    limit = 5.5 * PAID
    with FakeEndpoint(seconds=0.01) as endpoint, pytest.raises(BudgetError, match="of max_dollars"):
        asked(endpoint, 50, concurrency=concurrency, max_dollars=limit)
    spent = len(endpoint.charged) * PAID
    assert spent <= limit
    # A request sets aside its prompt's bytes and its longest answer, so that one or two may not fit any more.
    recipe = endpoint_recipe(endpoint)
    most = (len(requests_of(recipe, 1)[0].prompt.encode()) + 60 * 10) / 1e6
    assert spent > limit - most - PAID


def test_attempts_that_may_have_been_charged_count_against_the_budget():
    with FakeEndpoint(faults=dict.fromkeys(range(100), "broken")) as endpoint, pytest.raises(BudgetError):
        asked(endpoint, 5, concurrency=1, max_attempts=100, max_dollars=10 * PAID)
    assert len(endpoint.charged) * PAID <= 10 * PAID


def test_an_answer_that_cannot_be_kept_ends_it_without_keeping_others_waiting():
    def tell(event):
        raise OSError("disk full")

    with FakeEndpoint(seconds=0.05) as endpoint:
        recipe = endpoint_recipe(endpoint, teacher={"concurrency": 4})
        meter = Meter(max_dollars=0.002, max_tokens=None)
        with pytest.raises(OSError, match="disk full"):
            EndpointTeacher(recipe.teacher, meter, find_key={}.get).ask(requests_of(recipe, 8), tell)
    assert len(endpoint.charged) == 1, "there was room for one, and nothing goes out after a failure"
    assert meter.under_way == 0


def test_an_address_that_is_none_is_one_line():
    with pytest.raises(TeacherError, match="mend teacher.url"):
        asked(type("Endpoint", (), {"url": "http://localhost:abc/v1"}), 1)


def test_tokens_can_be_the_limit():
    with FakeEndpoint() as endpoint, pytest.raises(BudgetError, match="450 of max_teacher_tokens 400"):
        asked(endpoint, 9, concurrency=1, max_tokens=400)
    assert len(endpoint.charged) == 3


def test_tokens_that_are_not_told_are_estimated_and_marked():
    with FakeEndpoint(usage=False) as endpoint:
        _, (answer,) = asked(endpoint, 1)
    assert answer.is_estimated
    assert answer.completion_tokens == math.ceil(len(answer.text) / 4)


def test_waits_grow_and_are_bounded():
    assert all(0.005 <= wait_seconds(1) <= 0.01 for _ in range(20))
    assert wait_seconds(60) <= 60


@pytest.mark.parametrize(
    ("told", "seconds"),
    [("3", 3), ("0.5", 0.5), ("", 0), ("soon", 0), ("nan", 0), ("-3", 0), ("Thu, 01 Jan 1970 00:00:00 GMT", 0)],
)
def test_retry_after_is_read_as_seconds_or_date(told, seconds):
    assert rest_seconds(told) == seconds
    future = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 30))
    assert 25 <= rest_seconds(future) <= 30


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"max_dollars": None}, "say with synthetic.max_dollars what it may cost"),
        ({"teacher": {"url": "http://me:secret@host/v1"}}, "url"),
        ({"teacher": {"options": {"messages": []}}}, "which winnow sets itself"),
        ({"irrelevant_share": 0.8, "reworded_share": 0.4}, "exceed 1 together"),
        ({"majority_of": 3, "run_programs": "none"}, "compares what programs give"),
    ],
)
def test_a_recipe_that_cannot_be_meant_is_refused(changes, said):
    with FakeEndpoint() as endpoint, pytest.raises(ValueError, match=said):
        endpoint_recipe(endpoint, **json.loads(json.dumps(changes)))
