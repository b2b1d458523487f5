"""A stand-in of Kaggle's API, over HTTP as its client asks it: downloads in parts, uploads, submissions, datasets."""

from __future__ import annotations

import json
import re

from support.local_server import LocalServer, QuietHandler

TOKEN = "a_token"


class KaggleServer(LocalServer):
    """Answers on `address`.

    archives: competition -> zip, None where the rules are not accepted; break_after: bytes after which a download
    breaks, once; submissions, datasets: what was sent; pending: questions that a score takes; calls: what was asked.
    """

    def __init__(self):
        self.archives, self.break_after, self.ranges = {}, None, []
        self.uploads, self.submissions, self.datasets = {}, [], {}
        self.pending, self.public, self.private, self.error, self.calls = 1, "0.81", None, None, []
        super().__init__(_Handler)


class _Handler(QuietHandler):
    stand_in: KaggleServer

    def _answer(self, status, value=None, data=None, **headers):
        body = json.dumps(value or {}).encode() if data is None else data
        self.send_response(status)
        self.send_header("Content-Type", "application/json" if data is None else "application/zip")
        self.send_header("Content-Length", str(len(body)))
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
        self.end_headers()
        self.wfile.write(body)

    def _refuse(self, status, message):
        self._answer(status, {"code": status, "message": message})

    def do_POST(self):  # noqa: N802  as the library calls it
        wanted = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
        call = self.path.rpartition("/")[2]
        self.stand_in.calls.append(call)
        if call == "IntrospectToken":
            return self._answer(200, {"active": wanted["token"] == TOKEN, "username": "user"})
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self._refuse(401, "Unauthenticated")
        name = "_" + re.sub(r"(?<!^)(?=[A-Z])", "_", call).lower()
        return getattr(self, name)(wanted)

    def do_GET(self):  # noqa: N802  as the library calls it
        kaggle = self.stand_in
        found = re.fullmatch(r"/storage/(.+)\.zip", self.path)
        if found is None:
            return self._refuse(404, "Not found")
        data, asked = kaggle.archives[found[1]], self.headers.get("Range")
        about = {"Accept_Ranges": "bytes", "ETag": '"one"', "Last_Modified": "Mon, 02 Nov 2026 10:00:00 GMT"}
        if asked is not None:
            kaggle.ranges.append(asked)
            start = int(re.fullmatch(r"bytes=(\d+)-", asked)[1])
            return self._answer(206, data=data[start:], **about)
        if kaggle.break_after is None:
            return self._answer(200, data=data, **about)
        part, kaggle.break_after = data[: kaggle.break_after], None
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        for key, text in about.items():
            self.send_header(key.replace("_", "-"), text)
        self.end_headers()
        self.wfile.write(part)
        self.close_connection = True
        return None

    def do_PUT(self):  # noqa: N802  as the library calls it
        token = self.path.removeprefix("/upload/")
        self.stand_in.uploads[token]["data"] = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(200)

    def _allowed(self, competition):
        if competition not in self.stand_in.archives:
            self._refuse(404, "Not found")
        elif self.stand_in.archives[competition] is None:
            self._refuse(403, "You must accept this competition's rules before you can continue")
        return self.stand_in.archives.get(competition) is not None

    def _download_data_files(self, wanted):
        if self._allowed(wanted["competitionName"]):
            self._answer(302, Location=f"{self.stand_in.address}/storage/{wanted['competitionName']}.zip")

    def _begin(self, name):
        token = f"upload-{len(self.stand_in.uploads)}"
        self.stand_in.uploads[token] = {"name": name}
        self._answer(200, {"createUrl": f"{self.stand_in.address}/upload/{token}", "token": token})

    def _start_submission_upload(self, wanted):
        if self._allowed(wanted["competitionName"]):
            self._begin(wanted["fileName"])

    def _create_submission(self, wanted):
        upload = self.stand_in.uploads[wanted["blobFileTokens"]]
        message = wanted.get("submissionDescription", "")
        self.stand_in.submissions.append({"message": message, **upload})
        self._answer(200, {"message": "Successfully submitted", "ref": 1000 + len(self.stand_in.submissions)})

    def _get_submission(self, wanted):
        kaggle = self.stand_in
        if kaggle.error is not None:
            return self._answer(200, {"ref": wanted["ref"], "status": "ERROR", "errorDescription": kaggle.error})
        if kaggle.pending > 0:
            kaggle.pending -= 1
            return self._answer(200, {"ref": wanted["ref"], "status": "PENDING"})
        scores = {"publicScore": kaggle.public, "privateScore": kaggle.private}
        told = {key: value for key, value in scores.items() if value is not None}
        return self._answer(200, {"ref": wanted["ref"], "status": "COMPLETE", **told})

    def _get_dataset_status(self, wanted):
        if f"{wanted['ownerSlug']}/{wanted['datasetSlug']}" not in self.stand_in.datasets:
            return self._refuse(404, "Not found")
        return self._answer(200, {"status": "READY"})

    def _start_blob_upload(self, wanted):
        self._begin(wanted["name"])

    def _files(self, wanted):
        return {
            self.stand_in.uploads[each["token"]]["name"]: self.stand_in.uploads[each["token"]]["data"]
            for each in wanted
        }

    def _create_dataset(self, wanted):
        place = f"{wanted['ownerSlug']}/{wanted['slug']}"
        self.stand_in.datasets[place] = {"private": wanted["isPrivate"], "versions": [self._files(wanted["files"])]}
        self._answer(200, {"ref": place, "url": place, "status": "ok"})

    def _create_dataset_version(self, wanted):
        place = f"{wanted['ownerSlug']}/{wanted['datasetSlug']}"
        self.stand_in.datasets[place]["versions"].append(self._files(wanted["body"]["files"]))
        self._answer(200, {"ref": place, "url": place, "status": "ok"})
