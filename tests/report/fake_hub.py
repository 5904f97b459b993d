"""A hub of models and data sets on this machine: as much of the HTTP interface as pushing a folder needs."""

import base64
import json
import re
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from ruamel.yaml import YAML


class FakeHub(ThreadingHTTPServer):
    """Keeps `repos`: (kind, name) -> path -> bytes; refuses cards whose front matter is no mapping."""

    daemon_threads = True

    def __init__(self, refuse=None):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repos, self.commits, self.tokens, self.refuse = {}, [], set(), refuse

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def fake_hub(refuse=None):
    """A hub that listens inside the block; with `refuse` it answers every request with this status."""
    hub = FakeHub(refuse)
    threading.Thread(target=hub.serve_forever, daemon=True).start()
    try:
        yield hub
    finally:
        hub.shutdown()
        hub.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.tokens.add(self.headers.get("Authorization"))
        if self.server.refuse:
            return self._answer({"error": "no entry"}, self.server.refuse)
        if self.path == "/api/repos/create":
            return self._create(json.loads(body))
        if self.path == "/api/validate-yaml":
            return self._validate(json.loads(body))
        found = re.fullmatch(r"/api/(models|datasets)/(.+)/(preupload|commit)/main", self.path.partition("?")[0])
        if found is None:
            return self._answer({"error": "not found"}, 404)
        kind, name, verb = found.groups()
        if (kind, name) not in self.server.repos:
            return self._answer({"error": "no such repository"}, 404)
        return self._preupload(json.loads(body)) if verb == "preupload" else self._commit(kind, name, body)

    def do_GET(self):
        self._answer({"error": "not found"}, 404)

    def _create(self, asked):
        name = f"{asked['organization']}/{asked['name']}" if asked.get("organization") else asked["name"]
        kind = f"{asked.get('type', 'model')}s"
        self.server.repos.setdefault((kind, name), {})
        prefix = "" if kind == "models" else "datasets/"
        self._answer({"url": f"{self.server.endpoint}/{prefix}{name}", "name": name})

    def _validate(self, asked):
        front = re.match(r"---\n(.*?)\n---", asked["content"], re.DOTALL)
        is_fine = front is not None and isinstance(YAML(typ="safe").load(front[1]), dict)
        errors = [] if is_fine else [{"message": "no metadata"}]
        self._answer({"errors": errors, "warnings": []}, 200 if is_fine else 400)

    def _preupload(self, asked):
        files = [{"path": each["path"], "uploadMode": "regular", "shouldIgnore": False} for each in asked["files"]]
        self._answer({"files": files})

    def _commit(self, kind, name, body):
        lines = [json.loads(line) for line in body.splitlines()]
        for line in lines:
            if line["key"] == "file":
                assert line["value"]["encoding"] == "base64"
                self.server.repos[kind, name][line["value"]["path"]] = base64.b64decode(line["value"]["content"])
        self.server.commits.append(next(line["value"]["summary"] for line in lines if line["key"] == "header"))
        self._answer({"success": True, "commitOid": "0" * 40, "commitUrl": f"{self.server.endpoint}/{name}/commit/0"})

    def _answer(self, tree, status=200):
        data = json.dumps(tree).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
