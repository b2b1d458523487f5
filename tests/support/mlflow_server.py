"""A stand-in of an MLflow server: the few calls that a record needs, and a switch that turns it off."""

from __future__ import annotations

import json

from support.local_server import LocalServer, QuietHandler

_RUN = {
    "info": {"run_id": "r1", "run_uuid": "r1", "experiment_id": "1", "status": "RUNNING", "artifact_uri": "file:/x"}
}
_ANSWERS = {
    "experiments/get-by-name": {"experiment": {"experiment_id": "1", "name": "maskfold", "lifecycle_stage": "active"}},
    "runs/create": {"run": _RUN},
    "runs/get": {"run": _RUN},
    "runs/update": {"run_info": _RUN["info"]},
    "runs/log-batch": {},
}


class MlflowServer(LocalServer):
    """Answers on `address` while `on`; `metrics`: (name, value, step) that it was given."""

    def __init__(self):
        self.on, self.metrics = True, []
        super().__init__(_Handler)


class _Handler(QuietHandler):
    stand_in: MlflowServer

    def do_POST(self):  # noqa: N802  as the library calls it
        served = self.stand_in
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        call = self.path.partition("?")[0].partition("/mlflow/")[2]
        served.metrics += [(each["key"], each["value"], each["step"]) for each in body.get("metrics", []) if served.on]
        answer = json.dumps(_ANSWERS[call]).encode() if served.on else b""
        self.send_response(200 if served.on else 500)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST  # noqa: N815
