"""Runs to send, and the real trackers read back."""

import os
import tempfile

import pytest

from winnow.recipe import TrackersRecipe
from winnow.trackers.interface import RunName

# Trackio reads this once, when it is imported.
os.environ["TRACKIO_DIR"] = tempfile.mkdtemp(prefix="trackio-")


@pytest.fixture(autouse=True)
def _patience(monkeypatch):
    """On a busy machine even an import takes its time."""
    monkeypatch.setattr("winnow.trackers.courier.PATIENCE_SECONDS", 300.0)


@pytest.fixture
def name(tmp_path):
    return RunName(tmp_path.name.replace("_", "-"), "full.s0", "abc123")


@pytest.fixture
def records():
    """Records of a run of so many steps, a point each, evaluated at the start and after every second step."""

    def build(steps):
        def spent(step):
            return {"visits": 4 * step, "tokens": 40 * step, "flops": 1e3 * step, "seconds": 0.5 * step}

        points = [
            {"step": step, "loss": 4.0 / step, "learning_rate": 0.25} | spent(step) for step in range(1, steps + 1)
        ]
        scores = {"loss": 1.5, "exact_match": 0.25}
        evaluations = [
            {"step": step, "evaluation_seconds": 2.0, "validation": {"loss": 2.0 + step, "items": 8}}
            | {"sets": {"easy": scores}, "micro": scores, "macro": {"loss": 1.5, "exact_match": None}}
            | spent(step)
            for step in range(0, steps + 1, 2)
        ]
        return points, evaluations

    return build


# ------------------------------------------------------------------------------- trackers and how they are read back


class Tensorboard:
    """Event files."""

    def __init__(self, folder):
        self.folder = folder / "events"
        self.recipe = TrackersRecipe(tensorboard={"folder": str(self.folder)})

    def _events(self, name):
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        events = EventAccumulator(
            str(self.folder / name.study / f"{name.run}-{name.key}"), size_guidance={"scalars": 0}
        )
        return events.Reload()

    def curve(self, name, metric):
        return [(event.step, event.value) for event in self._events(name).Scalars(metric)]

    def told(self, name):
        events = self._events(name)
        texts = {tag.removesuffix("/text_summary") for tag in events.Tags()["tensors"]}
        said = {tag: events.Tensors(f"{tag}/text_summary")[-1].tensor_proto.string_val[0].decode() for tag in texts}
        table = said.pop("parameters", "")
        rows = [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
        return dict(rows), said


class Mlflow:
    """MLflow over SQLite; one database, since making one takes seconds."""

    def __init__(self, folder):
        self.uri = f"sqlite:///{folder.parent}/mlflow.db"
        self.recipe = TrackersRecipe(mlflow={"uri": self.uri})

    def _run(self, name):
        from mlflow.tracking import MlflowClient

        client = MlflowClient(self.uri)
        experiment = client.get_experiment_by_name(name.study)
        (run,) = client.search_runs([experiment.experiment_id], f"tags.`winnow.id` = '{name.id}'")
        return client, run

    def curve(self, name, metric):
        client, run = self._run(name)
        return [(point.step, point.value) for point in client.get_metric_history(run.info.run_id, metric)]

    def told(self, name):
        _, run = self._run(name)
        return run.data.params, {key: text for key, text in run.data.tags.items() if "." not in key}


class Trackio:
    """Trackio's own database."""

    def __init__(self, folder):
        self.recipe = TrackersRecipe(trackio={})

    def _rows(self, name):
        from trackio.sqlite_storage import SQLiteStorage

        return SQLiteStorage.get_logs(name.study, name.id)

    def curve(self, name, metric):
        return [(row["step"], row[metric]) for row in self._rows(name) if metric in row]

    def told(self, name):
        import trackio

        (run,) = [run for run in trackio.Api().runs(name.study) if run.name == name.id]
        parameters = {key: str(value) for key, value in run.config.items() if not key.startswith("_")}
        texts = {key: value for row in self._rows(name) for key, value in row.items() if isinstance(value, str)}
        texts.pop("timestamp", None)
        return parameters, texts


@pytest.fixture(params=[Tensorboard, Mlflow, Trackio], ids=lambda kind: kind.__name__.lower())
def tracker(request, tmp_path):
    """A real tracker on this machine, and how it is read back."""
    pytest.importorskip({"Mlflow": "sqlalchemy", "Trackio": "trackio"}.get(request.param.__name__, "tensorboard"))
    return request.param(tmp_path)
