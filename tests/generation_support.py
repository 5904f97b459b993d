"""An endpoint that speaks OpenAI's chat completions, on this machine, with faults on demand; and a recipe for it.

with FakeEndpoint(faults={1: "429", 4: "cut"}) as endpoint: ...      # the second and the fifth attempt go wrong
"""

import json
import re
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from winnow.generation.prompts import END, PROGRAM
from winnow.recipe import SyntheticRecipe

KEY = "sk-not-a-real-key"


def problems_for(seed, count):
    """Questions with programs; other ones for another seed."""
    for place in range(count):
        first, second = seed % 997 + 2, place + 3
        question = (
            f"A shop has {first} red boxes of pens. It gets {second} more in May. "
            f"Of number {seed} nobody knows anything. How many boxes are there then?"
        )
        yield question, f"red = {first}\nmore = {second}\nresult = red + more"


def answer_to(prompt, seed):
    """What a good teacher writes."""
    count = int((re.search(r"Write (\d+)", prompt) or [0, "1"])[1])
    if "similar problems" in prompt:
        return "".join(f"{q}\n{PROGRAM}\n{p}\n{END}\n" for q, p in problems_for(seed, count))
    if "variants" in prompt:
        return "".join(f"{q}\n{END}\n" for q, _ in problems_for(seed, count))
    numbers = re.findall(r"\d+", prompt)[:2]
    program = f'red = {numbers[0]}\nmore = {numbers[1]}\nresult = red + more\nprint("<<", result, ">>")'
    return f"```python\n{program}\n```\n{END}"


class FakeEndpoint:
    """Counts what it is asked and what it charges for."""

    def __init__(self, *, faults=None, key=None, seconds=0.0, write=answer_to, usage=True):
        self.faults, self.key, self.seconds, self.write, self.usage = dict(faults or {}), key, seconds, write, usage
        self.asked, self.charged, self.times = [], [], []
        self.most_at_once = self._at_once = 0
        self._lock = threading.Lock()

    def __enter__(self):
        endpoint = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def do_POST(self):
                endpoint._serve(self)

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def _serve(self, handler):
        body = json.loads(handler.rfile.read(int(handler.headers["content-length"])))
        with self._lock:
            number = len(self.asked)
            self.asked.append(body)
            self.times.append(time.monotonic())
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            self._answer(handler, body, self.faults.get(number))
        except (BrokenPipeError, ConnectionResetError):
            pass
        finally:
            with self._lock:
                self._at_once -= 1

    def _answer(self, handler, body, fault):
        if self.key and handler.headers.get("authorization") != f"Bearer {self.key}":
            told = handler.headers.get("authorization")
            return send(handler, 401, {"error": {"message": f"wrong key {told}"}})
        if isinstance(fault, tuple):
            self.charged.append((body["messages"][0]["content"], body["seed"]))
            return send(handler, fault[0], raw=fault[1])
        if fault in ("429", "500", "400"):
            return send(handler, int(fault), {"error": {"message": f"fault {fault}"}})
        if fault == "429 after":
            return send(handler, 429, {"error": {"message": "slow down"}}, {"Retry-After": "0.4"})
        text = self.write(body["messages"][0]["content"], body["seed"])
        usage = {"prompt_tokens": 100, "completion_tokens": 50}
        tree = {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
        with self._lock:
            self.charged.append((body["messages"][0]["content"], body["seed"]))
        time.sleep(1.5 if fault == "timeout" else self.seconds)
        if fault == "broken":
            return send(handler, 200, raw=b'{"choices": [{"mess')
        if fault == "cut":
            handler.send_response(200)
            handler.send_header("content-length", "5000")
            handler.end_headers()
            handler.wfile.write(b'{"choices": [')
            handler.close_connection = True
            return None
        return send(handler, 200, tree | ({"usage": usage} if self.usage else {}))


def send(handler, status, tree=None, headers=None, raw=None):
    data = raw if raw is not None else json.dumps(tree).encode()
    handler.send_response(status)
    handler.send_header("content-type", "application/json")
    handler.send_header("content-length", str(len(data)))
    for name, value in (headers or {}).items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(data)


def endpoint_recipe(endpoint, **changes):
    """A recipe that asks this endpoint for a few problems; keys of `teacher` go to the teacher."""
    teacher = {
        "kind": "endpoint", "url": endpoint.url, "model": "fake", "timeout_seconds": 1,
        "dollars_per_million_prompt_tokens": 1.0, "dollars_per_million_completion_tokens": 10.0,
        "max_new_tokens": 60,
    } | changes.pop("teacher", {})  # fmt: skip
    usual = {
        "examples": 12,
        "problems_per_request": 3,
        "irrelevant_share": 0.3,
        "reworded_share": 0.1,
        "max_dollars": 1,
    }
    return SyntheticRecipe(**usual | changes | {"teacher": teacher})
