"""Passwords and keys stay out of what winnow writes, prints and sends."""

import json
import socket
import time
import urllib.request
from threading import Thread

import pytest
from ruamel.yaml import YAML

from bad_inputs_support import assert_one_line, assert_refuses
from tests_support import SMALLEST
from winnow.credentials import holds_secret, masked, masked_tree
from winnow.errors import DataError, PublishError
from winnow.pipeline import track
from winnow.recipe import TrackersRecipe
from winnow.recipe.file import load_recipe
from winnow.study.folder import announce
from winnow.study.identity import identity
from winnow.text.markup import escaped
from winnow.trackers.courier import Courier
from winnow.trackers.rows import flat
from winnow.verbs import publish as publishing
from winnow.verbs.watch import _handler, _Server

LONG = "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0fX9kLm"
SECRETS = {
    "password of an address": ("https://me:hunter2@host/x", "hunter2"),
    "name of an address": ("https://token@host/x", "token@"),
    "password with odd signs": ("https://me:hun/ter?#2@host/x", "ter?"),
    "password with an at": ("https://me:hun@ter2@host", "ter2"),
    "database": ("postgresql+psycopg://me:hunter2@host:5432/db", "hunter2"),
    "token of a query": ("http://host/x?a=1&token=hunter2&b=2", "hunter2"),
    "key of a query": ("http://host/x?api_key=hunter2", "hunter2"),
    "signature of a query": ("https://s3/x?X-Amz-Signature=hunter2#a", "hunter2"),
    "setting": ("WANDB_API_KEY=hunter2", "hunter2"),
    "hugging face": (f"hf_{LONG}", LONG),
    "github": (f"ghp_{LONG}", LONG),
    "github, for one server": (f"ghs_{LONG}", LONG),
    "github, fine-grained": (f"github_pat_11ABC_{LONG}", LONG),
    "gitlab": (f"glpat-{LONG[:20]}", LONG[:20]),
    "aws": ("AKIAIOSFODNN7EXAMPLE", "IOSFODNN"),
    "aws, for a while": ("ASIAIOSFODNN7EXAMPLE", "IOSFODNN"),
    "google": (f"AIza{LONG[:35]}", LONG[:35]),
    "openai": (f"sk-{LONG}", LONG),
    "openai, of a project": (f"sk-proj-{LONG}", LONG),
    "anthropic": (f"sk-ant-api03-{LONG}-_{LONG}", LONG),
    "stripe": (f"sk_live_{LONG}", LONG),
    "slack": ("xoxb-123456789012-abcdefABCDEF", "abcdefABCDEF"),
    "npm": (f"npm_{LONG}", LONG),
    "pypi": (f"pypi-{LONG}{LONG}", LONG),
    "json web token": (f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.{LONG}", LONG),
    "bearer": (f"Authorization: Bearer {LONG}", LONG),
    "private key": ("-----BEGIN RSA PRIVATE KEY-----\nMIIabc\n-----END RSA PRIVATE KEY-----", "MIIabc"),
    "private key, cut": ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3Blb", "b3Blb"),
}


@pytest.mark.parametrize(("text", "secret"), SECRETS.values(), ids=SECRETS)
def test_secrets_are_masked(text, secret):
    tree = {"a": [f"x {text} y", {"b": (text,)}], "c": 5}
    for found in (masked(f"x {text} y"), str(DataError(text)), escaped(text), json.dumps(masked_tree(tree))):
        assert secret not in found and "*" in found
    assert masked(masked(text)) == masked(text)


PLAIN = (
    "https://huggingface.co/user/name", "http://localhost:8000/v1", "http://host:5000/a@b", "https://host/@user/x",
    "mail me@host.org", "sqlite:///runs.db", "http://host?max_tokens=5&api-version=2", "sk-learn and sk-", "a" * 64,
    "hf://owner/name", "desk-top", "0123456789abcdef0123456789abcdef01234567", "tokens=5", "eyJ",
    "risk-averse-people-here",
)  # fmt: skip


@pytest.mark.parametrize("text", PLAIN)
def test_what_is_none_stays(text):
    assert masked(text) == text and not holds_secret(text)


@pytest.mark.parametrize(
    "piece", ["://", "://a:", "a@", "sk-", "?a", "?", "A_", "eyJ", "-----BEGIN PRIVATE KEY-----", "hf_"]
)
def test_looking_takes_time_in_proportion_to_the_text(piece):
    started = time.process_time()
    masked(piece * (50_000 // len(piece)))
    assert time.process_time() - started < 1


def with_password(tmp_path):
    uri = f"http://me:hunter2@127.0.0.1:1/?token={LONG}"
    recipe = load_recipe(SMALLEST)
    return recipe, recipe.model_copy(update={"trackers": TrackersRecipe(mlflow={"uri": uri})})


def test_a_study_folder_gets_the_recipe_without_its_password(tmp_path):
    plain, recipe = with_password(tmp_path)
    announce(tmp_path, recipe)
    (written,) = tmp_path.iterdir()
    tree = YAML(typ="safe").load(written.read_text())
    assert tree["trackers"]["mlflow"]["uri"] == "http://***@127.0.0.1:1/?token=***"
    assert recipe.trackers.mlflow.uri.startswith("http://me:hunter2@")  # the run itself goes on with it
    assert identity(recipe) == identity(plain)


def test_a_tracker_whose_password_was_left_out_is_asked_for(finished_study, tmp_path):
    _, recipe = with_password(tmp_path)
    overrides = [f"trackers.mlflow.uri={masked(recipe.trackers.mlflow.uri)}"]
    assert_refuses(lambda: track(finished_study, overrides), "without its password", "MLFLOW_TRACKING_PASSWORD")


def test_failures_of_trackers_are_one_line_without_passwords():
    courier = Courier("mlflow")

    def fail():
        raise RuntimeError(f"\x1b[31mno answer\nfrom http://me:hunter2@host/?token={LONG}")

    courier.ask(fail)
    courier.end()
    assert courier.failure == "RuntimeError: \\x1b[31mno answer from http://***@host/?token=***"


def test_parameters_of_trackers_hold_no_passwords():
    found = flat({"a": {"url": "http://me:hunter2@host", "list": [f"hf_{LONG}"]}, "n": 5, "none": None})
    assert found == {"a.url": "http://***@host", "a.list": '["***"]', "n": 5}


@pytest.mark.parametrize(
    "changed",
    [f"url=http://host/v1?key={LONG}", "url=http://me:hunter2@host/v1", "options={api_key: hunter2}",
     f"options={{headers: {{x: hf_{LONG}}}}}"],
)  # fmt: skip
def test_keys_in_a_teacher_are_refused(changed):
    teacher = "{kind: endpoint, url: 'http://host/v1', model: m}"
    source = f"{{name: a, licence: mit, synthetic: {{examples: 5, teacher: {teacher}}}}}"
    overrides = [f"pool.sources.0={source}", f"pool.sources.0.synthetic.teacher.{changed}"]
    with pytest.raises(Exception, match="looks like a key|name or password") as raised:
        load_recipe(SMALLEST, overrides)
    assert "hunter2" not in str(raised.value) and LONG not in str(raised.value)


REPOSITORIES = (
    "../../x", "a/b/c", "a", "", "a/..", "a b/c", "-a/b", "a" * 100 + "/b", "https://host/a/b", "a//b", "a\nb/c",
    "a/b.git", "~/x", "a/\x1b[31m", "a/b--c", "/etc/x",
)  # fmt: skip


@pytest.mark.parametrize("name", REPOSITORIES)
def test_odd_repositories_are_refused_at_once(name, command, tmp_path):
    assert_refuses(lambda: publishing.check_repository(name), "it must be USER/NAME")
    status, _, err = command("publish", tmp_path / "no_study", "--repo", name)
    assert_one_line(status, err, "it must be USER/NAME", folder=tmp_path)
    with pytest.raises(PublishError):
        publishing.check_repository(name)


@pytest.mark.parametrize("out", [SMALLEST, "/dev/null/x", SMALLEST / "x"])
def test_an_upload_is_built_into_a_folder(out, command, finished_study):
    status, _, err = command("publish", finished_study, "--dry-run", "--out", out)
    assert_one_line(status, err, "out is ", "the path of a folder")


class Watcher:
    """One that has a large page to show."""

    page = "x" * 5_000_000

    def state(self):
        return {}


@pytest.fixture
def server(monkeypatch):
    handler = _handler(Watcher())
    monkeypatch.setattr(handler, "timeout", 0.2)
    made = _Server(("127.0.0.1", 0), handler)
    Thread(target=made.serve_forever, daemon=True).start()
    yield made
    made.shutdown()
    made.server_close()


def test_readers_who_go_away_leave_nothing_on_the_terminal(server, capfd):
    for request in (b"GET / HTTP/1.1\r\nHost: localhost:1\r\n\r\n", b"GET / HT", b"\x16\x03\x01\0", b""):
        with socket.create_connection(server.server_address) as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # close by a reset
            client.sendall(request)
            time.sleep(0.05)
    idle = socket.create_connection(server.server_address)
    idle.settimeout(5)
    assert idle.recv(1) == b""  # closed by the server
    address = f"http://localhost:{server.server_port}/state.json"
    assert urllib.request.urlopen(address, timeout=5).read() == b"{}"  # noqa: S310
    assert capfd.readouterr() == ("", "")
