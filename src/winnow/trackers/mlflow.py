"""MLflow: a study is an experiment, a run is found by its tag `winnow.id`.

The package `mlflow-skinny` is enough for a server (`uri: http://host:5000`); a local `sqlite:///file.db` needs
SQLAlchemy and Alembic beside it, which the whole `mlflow` brings. Where the uri is not given, MLflow's own rules hold
(its environment variable MLFLOW_TRACKING_URI); user and password are best left to its environment variables too.
"""

import time
from collections.abc import Mapping, Sequence
from typing import Any

from winnow.recipe import MlflowRecipe
from winnow.trackers.interface import MARKER, Parameters, Row, RunName, TrackerRun, Values

TAG = "winnow.id"
MAX_METRICS, MAX_PARAMETERS = 1000, 100
"""Of one request."""


def open_run(options: MlflowRecipe, name: RunName, parameters: Parameters) -> TrackerRun:
    """The run in MLflow, new or found again, with its parameters."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(options.uri)
    run = MlflowRun(client, _found(client, name) or _created(client, name))
    run.set_parameters(parameters)
    return run


def _found(client: Any, name: RunName) -> str | None:
    experiment = client.get_experiment_by_name(name.study)
    if experiment is None:
        return None
    runs = client.search_runs([experiment.experiment_id], f"tags.`{TAG}` = '{name.id}'", max_results=1)
    return runs[0].info.run_id if runs else None


def _created(client: Any, name: RunName) -> str:
    from mlflow.exceptions import MlflowException

    try:
        client.create_experiment(name.study)
    except MlflowException:
        if client.get_experiment_by_name(name.study) is None:  # else another worker was faster, or it was there
            raise
    experiment = client.get_experiment_by_name(name.study)
    run = client.create_run(experiment.experiment_id, run_name=name.run, tags={TAG: name.id})
    return str(run.info.run_id)


class MlflowRun:
    """A run in MLflow."""

    def __init__(self, client: Any, run_id: str) -> None:
        self._client, self._id = client, run_id

    def set_parameters(self, parameters: Parameters) -> None:
        """Set what was asked; the same again is nothing."""
        from mlflow.entities import Param

        params = [Param(key, str(value)) for key, value in parameters.items()]
        for start in range(0, len(params), MAX_PARAMETERS):
            self._client.log_batch(self._id, params=params[start : start + MAX_PARAMETERS])

    def steps(self) -> set[int]:
        """Steps whose rows MLflow has."""
        return {metric.step for metric in self._client.get_metric_history(self._id, MARKER)}

    def log(self, rows: Sequence[Row]) -> None:
        """Send rows, as many metrics in a request as MLflow takes."""
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [
            Metric(key, values[key], now, step)
            for step, values in rows
            for key in sorted(values, key=lambda key: key == MARKER)
        ]
        for start in range(0, len(metrics), MAX_METRICS):
            self._client.log_batch(self._id, metrics=metrics[start : start + MAX_METRICS])

    def summarize(self, numbers: Values, texts: Mapping[str, str]) -> None:
        """Send the numbers that MLflow has not or has otherwise, the texts as tags, and that the run is finished."""
        known = self._client.get_run(self._id).data.metrics
        self.log([(0, {key: value for key, value in numbers.items() if known.get(key) != value})])
        for key, text in texts.items():
            self._client.set_tag(self._id, key, text)
        self._client.set_terminated(self._id)

    def close(self) -> None:
        """Nothing: every call was answered."""
