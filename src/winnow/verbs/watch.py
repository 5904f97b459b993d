"""A study while it runs, as its own report: `winnow watch runs/quickstart`.

    with serving("runs/quickstart", port=0) as address: ...

Reads what the store holds and what runs leave in the folders they work in, and writes nothing there. The server
listens on this machine alone, and answers only to those who call it by a name of this machine.
"""

import json
import re
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from winnow.analysis.arms import declared_facts
from winnow.analysis.find import curve_of, find
from winnow.analysis.study_records import Evaluation
from winnow.errors import ArtifactError, WinnowError
from winnow.findings import Findings
from winnow.kinds import KINDS
from winnow.ledger import dollars, total
from winnow.ledger import spent as spent_on
from winnow.pipeline import checked, selector_traits, store_beside
from winnow.recipe import Recipe
from winnow.recipe.file import parse_recipe, parse_yaml
from winnow.records import Cost, Stored, from_json
from winnow.report.page import Live, html_page
from winnow.report.write import study_page
from winnow.store import hash_json
from winnow.study.folder import RUNNING, write_folder
from winnow.study.graph import Graph, expand
from winnow.study.identity import known_study
from winnow.study_files import read_sealed_text
from winnow.text.printing import clock, fixed
from winnow.training.so_far import spent_so_far, tally_so_far
from winnow.training.tally import Tally
from winnow.walk import Present, present

LOOPBACK = "127.0.0.1"
HERE = re.compile(rf"({re.escape(LOOPBACK)}|localhost):\d*")
"""How a browser on this machine calls it."""
EVERY_SECONDS = 2.0
"""Between two looks at the store."""
IDLE_SECONDS = 20.0
"""A connection that says or hears nothing for so long is closed; the page asks anew every few seconds."""
NAMED_AT_WORK = 3
"""Stages at work that are named in the line of progress."""


@dataclass(frozen=True)
class Look:
    """How far a study is."""

    recipe: Recipe
    graph: Graph
    present: Present
    tallies: Mapping[str, Tally]
    """Of the runs among them that have saved a checkpoint."""
    spent: Cost
    wanted: int
    """Stages that the study is made of, without those that the budget cannot pay for or that cannot be made here."""
    refused: Mapping[str, str]
    """Arm that the budget cannot pay for -> why."""

    @property
    def done(self) -> Mapping[str, Stored]:
        """The stages that are there."""
        return self.present.done

    @property
    def text(self) -> str:
        """Progress and money in one line."""
        price = self.recipe.machine.dollars_per_hour
        spent = f"{clock(self.spent.seconds)} of machine time, {fixed(dollars(self.spent.seconds, price), 2)} USD spent"
        steps = {name: f"{name} (step {tally.step:,})" for name, tally in self.tallies.items()}
        names = [steps.get(name, name) for name in self.present.drafts]
        more = f" and {len(names) - NAMED_AT_WORK} more" if len(names) > NAMED_AT_WORK else ""
        now = f"unfinished: {', '.join(names[:NAMED_AT_WORK])}{more}" if names else "nothing is being made"
        now = "finished" if len(self.done) >= self.wanted else now
        return f"{self.recipe.name}: {len(self.done)} of {self.wanted} stages; {now}; {spent}."

    @property
    def version(self) -> str:
        """Changes with what the report shows."""
        steps = {name: len(tally.evaluations) for name, tally in self.tallies.items()}
        return hash_json([sorted(self.done), steps, self.wanted])[:16]


def look(folder: str | Path, store: str | Path | None = None, before: Look | None = None) -> Look:
    """How far the study of this folder is; stages that were done `before` are not looked for again.

    Raises ArtifactError where no run of it has begun yet.
    """
    root = Path(folder)
    recipe = _recipe(root)
    if before is not None and before.recipe != recipe:
        before = None
    graph = before.graph if before else expand(checked(recipe), selector_traits())
    there = present(graph, store_beside(recipe, root, store), before.present if before else None)
    known = known_study(root) or {}
    refused, unavailable = known.get("not_affordable", {}), known.get("unavailable", {})
    wanted = [
        each for each in graph.stages.values()
        if each.name not in unavailable and not (each.arm in refused and KINDS[each.kind].is_of_arm)
    ]  # fmt: skip
    found = {name: tally_so_far(place) for name, place in there.drafts.items() if graph.stages[name].kind == "train"}
    artifacts = [each.artifact for each in there.done.values()]
    spent = [
        *(cost for each in artifacts for cost in (spent_on(each), each.wasted)),
        *(spent_so_far(place) for place in there.drafts.values()),
    ]
    tallies = {name: tally for name, tally in found.items() if tally is not None}
    return Look(recipe, graph, there, tallies, total(spent), len(wanted), refused)


def _recipe(folder: Path) -> Recipe:
    place = next((folder / name for name in (RUNNING, "recipe.yaml") if (folder / name).is_file()), None)
    if place is None:
        raise ArtifactError(f"no run of {folder} has begun; start one with winnow run, then watch its folder")
    return parse_recipe(parse_yaml(read_sealed_text(place), str(place)))


def live_page(seen: Look) -> str:
    """The report of what is there, with the curves of runs that are still training."""
    with tempfile.TemporaryDirectory() as folder:
        write_folder(Path(folder), seen.recipe, seen.graph, seen.done, seen.refused, weights=False)
        findings = with_running(find(folder), seen)
        page = study_page(folder, findings)
    return html_page([page], live=Live(seen.text, len(seen.done), seen.wanted, seen.version))


def with_running(findings: Findings, seen: Look) -> Findings:
    """The findings with a curve for each run at work that was evaluated already."""
    curves, arms = list(findings.curves), {arm.name: arm for arm in findings.arms}
    for name, tally in seen.tallies.items():
        stage = seen.graph.stages[name]
        if stage.arm is None or stage.seed is None or not tally.evaluations:
            continue
        rows = [from_json(Evaluation, row) for row in tally.evaluations]
        curves.append(curve_of(stage.arm, stage.seed, tally.best_step, rows))
        arms.setdefault(stage.arm, declared_facts(stage.arm, findings.settings["arms"][stage.arm]))
    return replace(findings, curves=tuple(curves), arms=tuple(arms.values()))


class Watcher(threading.Thread):
    """Looks again and again; holds the newest state and page."""

    def __init__(self, folder: str | Path, store: str | Path | None) -> None:
        super().__init__(daemon=True)
        self._folder, self._store = folder, store
        self._ended = threading.Event()
        self.seen = look(folder, store)
        self.page, self._shown = live_page(self.seen), self.seen.version
        self.trouble = ""

    def run(self) -> None:
        """Until it is told to end."""
        while not self._ended.wait(EVERY_SECONDS):
            try:
                self.seen = look(self._folder, self._store, self.seen)
                if self.seen.version != self._shown:
                    self.page, self._shown = live_page(self.seen), self.seen.version
                self.trouble = ""
            except (WinnowError, OSError) as error:  # files go while they are read; the next look finds others
                self.trouble = str(error)

    def end(self) -> None:
        """Stop looking."""
        self._ended.set()
        self.join()

    def state(self) -> dict[str, Any]:
        """What the page asks for every few seconds."""
        text = self.seen.text + (f" (the last look failed: {self.trouble})" if self.trouble else "")
        return {"text": text, "done": len(self.seen.done), "total": self.seen.wanted, "version": self._shown}


@contextmanager
def serving(folder: str | Path, *, store: str | Path | None = None, port: int = 0) -> Iterator[str]:
    """The address at which the live page is served inside the block; port 0 takes any free one."""
    watcher = Watcher(folder, store)
    try:
        server = _Server((LOOPBACK, port), _handler(watcher))
    except OSError as error:
        raise ArtifactError(f"port {port} cannot be used ({error.strerror}); give another with --port") from error
    watcher.start()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://{LOOPBACK}:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        watcher.end()


class _Server(ThreadingHTTPServer):
    """Readers may go away whenever they like."""

    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing for one who went away or stopped listening; else what the server's library prints."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)


def _handler(watcher: Watcher) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = IDLE_SECONDS

        def do_GET(self) -> None:
            """The page or the state; nothing to who calls this machine by another name, as a web page could."""
            if HERE.fullmatch(self.headers.get("Host", "")) is None:
                self._answer(403, "text/plain", "this page is for this machine alone")
            elif self.path == "/":
                self._answer(200, "text/html", watcher.page)
            elif self.path == "/state.json":
                self._answer(200, "application/json", json.dumps(watcher.state()))
            else:
                self._answer(404, "text/plain", "nothing here")

        def _answer(self, status: int, kind: str, text: str) -> None:
            data = text.encode()
            self.send_response(status)
            self.send_header("Content-Type", f"{kind}; charset=utf-8")
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing."""

    return Handler


def watch(folder: str | Path, *, store: str | Path | None = None, port: int = 0) -> None:
    """Serve the live page and say where, until interrupted."""
    with serving(folder, store=store, port=port) as address:
        print(f"watching {folder} at {address} (Ctrl-C ends it)", flush=True)
        while True:
            time.sleep(1)
