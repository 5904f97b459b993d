"""A teacher behind any endpoint that speaks OpenAI's chat completions: a hosted model, vLLM, llama.cpp, Ollama ...

What an endpoint is known to do wrong is put up with: busy and broken ones are asked again after growing waits, or after
as long as they ask for (`Retry-After`); an attempt that was cut off counts against the budget at the most that it can
have cost. What no waiting mends (a wrong key, an unknown model) ends generation with one line.
"""

import json
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import Any

import httpx

from winnow.errors import RecipeError, TeacherError
from winnow.generation.teachers.interface import Answer, Lost, Request, Tell
from winnow.generation.teachers.meter import Meter, price
from winnow.generation.teachers.pacing import Pace, rest_seconds, wait_seconds
from winnow.recipe import EndpointTeacherRecipe

CHARACTERS_PER_TOKEN = 4
"""Where an endpoint does not tell its tokens."""
WORTH_ANOTHER_TRY = {408, 409, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529}
UNFIT = {400, 413, 422}
"""What an endpoint that answers others says of one request: too long, or against its rules."""
MAX_BYTES = 64 << 20
"""A response that goes on after this is no answer."""
MOST_TOKENS = 10**9
SHOWN_CHARACTERS = 200
BROKEN = "broken answer"


class _RefusedError(Exception):
    """An attempt that gave nothing and cost nothing; `wait_seconds` is how long the endpoint asks to be left alone."""

    def __init__(self, reason: str, wait_seconds: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_seconds = wait_seconds


class _CutOffError(Exception):
    """An attempt that the endpoint may have answered, and charged for, without our having the answer."""


class _BrokenError(_CutOffError):
    """An answer that came, and cannot be read."""

    def __init__(self, told: str) -> None:
        super().__init__(f"{BROKEN}: {told}")


class _UnfitError(Exception):
    """The endpoint refuses this request, having answered others."""


class EndpointTeacher:
    """Requests go out several at a time; answers are told in the order in which they come."""

    def __init__(
        self,
        recipe: EndpointTeacherRecipe,
        meter: Meter,
        *,
        find_key: Callable[[str], str | None],
        sleep: Callable[[float], object] | None = None,
    ) -> None:
        """`find_key` looks up the recipe's variable. Raises RecipeError where that gives nothing."""
        self.recipe, self.meter = recipe, meter
        self._is_over = threading.Event()
        self._sleep = sleep or self._is_over.wait
        self._key = find_key(recipe.api_key_variable) if recipe.api_key_variable else None
        if recipe.api_key_variable and not self._key:
            raise RecipeError(f"the environment has no {recipe.api_key_variable}; put the teacher's key there")
        self._pace = Pace(recipe.requests_per_minute, self._sleep)

    def ask(self, requests: Sequence[Request], tell: Tell) -> None:
        """Answer all requests. Whatever ends it early, answers under way are still waited for and told.

        Raises TeacherError where an answer cannot be had, BudgetError where the next request could cost too much.
        """
        self._is_over.clear()
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        timeout = httpx.Timeout(self.recipe.timeout_seconds, connect=min(30.0, self.recipe.timeout_seconds))
        limits = httpx.Limits(max_connections=self.recipe.concurrency)
        with (
            httpx.Client(headers=headers, timeout=timeout, limits=limits) as client,
            ThreadPoolExecutor(self.recipe.concurrency) as threads,
        ):
            try:
                under_way = [threads.submit(self._answer, client, request, tell) for request in requests]
                wait(under_way, return_when=FIRST_EXCEPTION)
            finally:
                self._is_over.set()
                threads.shutdown(wait=True, cancel_futures=True)
        failed = [each.exception() for each in under_way if not each.cancelled() and each.exception()]
        if failed and failed[0] is not None:
            raise failed[0]

    def _answer(self, client: httpx.Client, request: Request, tell: Tell) -> None:
        """Try until there is an answer, and tell it; a failure keeps all others from going out."""
        started, reason, is_broken = time.perf_counter(), "", False
        try:
            for attempt in range(1, self.recipe.max_attempts + 1):
                self._pace.wait()
                outcome = self._try(client, request, attempt, started, tell)
                if self._is_over.is_set() or isinstance(outcome, Answer):
                    return
                reason = outcome.reason if isinstance(outcome, Lost) else outcome
                is_broken = isinstance(outcome, Lost) and outcome.is_broken
                self._sleep(wait_seconds(attempt))
            if is_broken and self._has_answered:
                tell(given_up(request, BROKEN, self.recipe.max_attempts))
                return
            raise TeacherError(
                f"{self.recipe.url} gave no answer in {self.recipe.max_attempts} attempts (last: {reason}); what was "
                "answered is kept: run the same command again, or raise teacher.max_attempts"
            )
        except BaseException:
            self._is_over.set()
            raise

    def _try(
        self, client: httpx.Client, request: Request, attempt: int, started: float, tell: Tell
    ) -> Answer | Lost | str:
        """One attempt within the budget, told where it gave or may have cost anything; else in words why not."""
        at_most = self._most(request)
        self.meter.reserve(at_most)
        event: Answer | Lost | None = None
        try:
            if self._is_over.is_set():
                return "not sent"
            outcome = self._outcome(client, request, attempt, started, at_most)
            if not isinstance(outcome, str):
                event = outcome
                tell(event)
            return outcome
        except BaseException:
            self._is_over.set()  # before others that wait for room are let go on
            raise
        finally:
            self.meter.settle(at_most, event)

    def _outcome(
        self, client: httpx.Client, request: Request, attempt: int, started: float, at_most: float
    ) -> Answer | Lost | str:
        try:
            return self._attempt(client, request, attempt, started)
        except _CutOffError as error:
            return Lost(request.key, str(error), at_most, is_broken=isinstance(error, _BrokenError))
        except _UnfitError as error:
            return given_up(request, str(error), attempt)
        except _RefusedError as error:
            self._pace.hold(error.wait_seconds)
            return str(error)

    def _attempt(self, client: httpx.Client, request: Request, attempt: int, started: float) -> Answer:
        """One request. Raises _RefusedError, _CutOffError, or TeacherError where another attempt would not help."""
        try:
            with client.stream(
                "POST", f"{self.recipe.url.rstrip('/')}/chat/completions", json=self._body(request),
                headers={"Idempotency-Key": request.key},
            ) as response:  # fmt: skip
                content = content_of(response)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise _RefusedError(f"no connection: {self._hidden(str(error))}") from error
        except httpx.InvalidURL as error:
            raise TeacherError(f"{self.recipe.url} is no address: {error}; mend teacher.url") from error
        except httpx.RequestError as error:
            raise _CutOffError(f"{type(error).__name__}: {self._hidden(str(error))}") from error
        self._check_status(response, content)
        return self._read(content, request, attempt, started)

    @property
    def _has_answered(self) -> bool:
        return self.meter.tokens > 0

    def _check_status(self, response: httpx.Response, content: bytes) -> None:
        """Raises as `_attempt` does where the endpoint says that this is no answer."""
        status = response.status_code
        if status == httpx.codes.OK:
            return
        reason = f"HTTP {status}: {self._hidden(decoded(content))}"
        if status in WORTH_ANOTHER_TRY:
            raise _RefusedError(reason, rest_seconds(response.headers.get("retry-after", "")))
        if status in UNFIT and self._has_answered:
            raise _UnfitError(f"HTTP {status}")
        raise TeacherError(f"{self.recipe.url} answers {reason}; check the teacher's url, model, options and key")

    def _body(self, request: Request) -> dict[str, Any]:
        length = {} if "max_completion_tokens" in self.recipe.options else {"max_tokens": self.recipe.max_new_tokens}
        return {
            "model": self.recipe.model,
            "messages": [{"role": "user", "content": request.prompt}],
            "temperature": request.temperature,
            "seed": request.seed,
            **length,
            **self.recipe.options,
        }

    def _read(self, content: bytes, request: Request, attempt: int, started: float) -> Answer:
        """The answer in a response. Raises _BrokenError where it is none: it may have been paid for."""
        try:
            tree = json.loads(content)
            choice = tree["choices"][0]
            text, reason = text_of(choice["message"].get("content")), choice.get("finish_reason")
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            raise _BrokenError(self._hidden(decoded(content))) from error
        told = tokens_told(tree.get("usage"))
        prompt, completion = told or (-(-len(each) // CHARACTERS_PER_TOKEN) for each in (request.prompt, text))
        return Answer(
            request.key, text, prompt_tokens=prompt, completion_tokens=completion,
            dollars=self._price(prompt, completion), seconds=time.perf_counter() - started,
            finish_reason=self._hidden(reason) if isinstance(reason, str) else "", attempts=attempt,
            is_estimated=told is None,
        )  # fmt: skip

    def _most(self, request: Request) -> float:
        """The most that a request can cost: no token is shorter than a byte, and an answer no longer than allowed."""
        longest = int(self.recipe.options.get("max_completion_tokens", self.recipe.max_new_tokens))
        return self._price(len(request.prompt.encode()), longest)

    def _price(self, prompt_tokens: float, completion_tokens: float) -> float:
        return price(
            prompt_tokens, completion_tokens,
            per_million_prompt=self.recipe.dollars_per_million_prompt_tokens,
            per_million_completion=self.recipe.dollars_per_million_completion_tokens,
        )  # fmt: skip

    def _hidden(self, text: str) -> str:
        """The beginning of a text on one line, the key blotted out should the endpoint repeat it."""
        shown = text.replace(self._key, "***") if self._key else text
        plain = "".join(each if each.isprintable() else " " for each in shown[: 10 * SHOWN_CHARACTERS])
        return " ".join(plain.split())[:SHOWN_CHARACTERS]


def given_up(request: Request, reason: str, attempts: int) -> Answer:
    """What stands for the answer to a request that has none, so that the others' answers come to their rows."""
    return Answer(request.key, "", finish_reason=f"given up: {reason}", attempts=attempts, is_given_up=True)


def content_of(response: httpx.Response) -> bytes:
    """The body of a response. Raises _BrokenError where it has no end."""
    read = bytearray()
    for chunk in response.iter_bytes():
        read += chunk
        if len(read) > MAX_BYTES:
            raise _BrokenError(f"more than {MAX_BYTES >> 20} MiB")
    return bytes(read)


def decoded(content: bytes) -> str:
    """The beginning of a body as text, whatever it is."""
    return content[: 100 * SHOWN_CHARACTERS].decode("utf-8", "replace")


def text_of(content: Any) -> str:
    """What a message says: text, nothing at all, or the text among its parts. Raises TypeError for another thing."""
    if content is None or isinstance(content, str):
        return content or ""
    if isinstance(content, list):
        parts = [each.get("text") if isinstance(each, dict) else each for each in content]
        return "".join(each for each in parts if isinstance(each, str))
    raise TypeError(f"{type(content).__name__} is no text")


def tokens_told(usage: Any) -> tuple[int, int] | None:
    """Tokens of prompt and completion as an endpoint tells them; None where it does not tell both as counts."""
    if not isinstance(usage, dict):
        return None
    told = [usage.get(key) for key in ("prompt_tokens", "completion_tokens")]
    counts = [
        int(each)
        for each in told
        if isinstance(each, int | float) and not isinstance(each, bool) and 0 <= each <= MOST_TOKENS
    ]
    return (counts[0], counts[1]) if len(counts) == len(told) else None
