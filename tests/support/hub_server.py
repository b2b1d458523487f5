"""A stand-in of the Hugging Face hub: repositories of models with commits, over HTTP as the real one is asked."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from urllib.parse import unquote

from support.local_server import LocalServer, QuietHandler

TOKEN = "hf_a_token"


class Repository:
    """The commits of a repository, each a dict of path -> bytes."""

    def __init__(self, private):
        self.private, self.commits, self.head, self.messages = private, {}, None, []
        self.add({".gitattributes": b"*.safetensors filter=lfs\n"}, "initial commit")

    def add(self, files, message):
        number = f"{len(self.commits)} {message}".encode()
        self.head = hashlib.sha1(number, usedforsecurity=False).hexdigest()
        self.commits[self.head] = files
        self.messages.append(message)
        return self.head

    def commit(self, revision):
        return self.head if revision == "main" else revision if revision in self.commits else None


class HubServer(LocalServer):
    """Answers on `address`; repositories: user/name -> Repository; served: what was asked for, `GET /path`."""

    def __init__(self):
        self.repositories, self.objects, self.served, self.on = {}, {}, [], True
        super().__init__(_Handler)

    def stop(self):
        """Refuse connections from now on, and end those that are open."""
        self.on = False
        super().stop()


class _Handler(QuietHandler):
    protocol_version = "HTTP/1.1"
    stand_in: HubServer

    def _answer(self, status, body=b"", **headers):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        for name, value in {"Content-Type": kind, "Content-Length": str(len(data))}.items():
            if name.replace("-", "_") not in headers:
                self.send_header(name, value)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def _refuse(self, status, code):
        self._answer(status, {"error": code}, X_Error_Code=code, X_Error_Message=code)

    def _body(self):
        if self.headers.get("Transfer-Encoding") == "chunked":
            parts = []
            while size := int(self.rfile.readline(), 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _is_user(self):
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def _any(self):
        hub, path = self.stand_in, unquote(self.path.partition("?")[0])
        if not hub.on:
            self.close_connection = True
            return None
        hub.served.append(f"{self.command} {path}")
        body = self._body()
        for pattern, method in (
            (r"/api/repos/create", self._create),
            (r"/api/validate-yaml", self._yaml),
            (r"/lfs/(\w+)", self._object),
            (r"/([\w.-]+/[\w.-]+)\.git/info/lfs/objects/batch", self._batch),
            (r"/api/models/([\w.-]+/[\w.-]+)/preupload/main", self._preupload),
            (r"/api/models/([\w.-]+/[\w.-]+)/commit/main", self._commit),
            (r"/api/models/([\w.-]+/[\w.-]+)/tree/([\w.-]+)", self._tree),
            (r"/api/models/([\w.-]+/[\w.-]+)(?:/revision/([\w.-]+))?", self._info),
            (r"/([\w.-]+/[\w.-]+)/resolve/([\w.-]+)/(.+)", self._file),
        ):
            if found := re.fullmatch(pattern, path):
                return method(body, *found.groups())
        return self._refuse(404, "NoSuchPath")

    do_GET = do_POST = do_PUT = do_HEAD = _any  # noqa: N815

    def _readable(self, name):
        repository = self.stand_in.repositories.get(name)
        hidden = repository is None or (repository.private and not self._is_user())
        return None if hidden else repository

    def _create(self, body):
        if not self._is_user():
            return self._refuse(401, "Unauthorized")
        wanted = json.loads(body)
        name = f"{wanted.get('organization') or 'user'}/{wanted['name']}"
        if name in self.stand_in.repositories:
            return self._answer(409, {"error": "it is there already", "url": f"{self.stand_in.address}/{name}"})
        if not name.startswith("user/"):
            return self._refuse(403, "Forbidden")
        self.stand_in.repositories[name] = Repository(wanted.get("private") or wanted.get("visibility") == "private")
        return self._answer(200, {"url": f"{self.stand_in.address}/{name}", "name": name, "id": "1"})

    def _yaml(self, body):
        assert json.loads(body)["content"].startswith("---\n")
        return self._answer(200, {"errors": [], "warnings": []})

    def _preupload(self, body, name):
        if not self._is_user():
            return self._refuse(401, "Unauthorized")
        files = [
            {"path": each["path"], "uploadMode": "lfs" if each["path"].endswith(".safetensors") else "regular"}
            | {"shouldIgnore": False, "oid": None}
            for each in json.loads(body)["files"]
        ]
        return self._answer(200, {"files": files})

    def _batch(self, body, name):
        wanted = [(each["oid"], each["size"]) for each in json.loads(body)["objects"]]
        upload = f"{self.stand_in.address}/lfs/"
        objects = [{"oid": oid, "size": size, "actions": {"upload": {"href": upload + oid}}} for oid, size in wanted]
        return self._answer(200, {"transfer": "basic", "objects": objects})

    def _object(self, body, oid):
        assert hashlib.sha256(body).hexdigest() == oid
        self.stand_in.objects[oid] = body
        return self._answer(200, {})

    def _commit(self, body, name):
        repository = self._readable(name)
        files = dict(repository.commits[repository.head])
        message = ""
        for line in map(json.loads, body.splitlines()):
            value = line["value"]
            if line["key"] == "header":
                message = value["summary"]
            elif line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.stand_in.objects[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        oid = repository.add(files, message)
        return self._answer(200, {"success": True, "commitOid": oid, "commitUrl": f"{self.stand_in.address}/{name}"})

    def _info(self, _, name, revision):
        repository = self._readable(name)
        if repository is None:
            return self._refuse(401 if not self._is_user() else 404, "RepoNotFound")
        commit = repository.commit(revision or "main")
        if commit is None:
            return self._refuse(404, "RevisionNotFound")
        siblings = [{"rfilename": path} for path in repository.commits[commit]]
        return self._answer(200, {"id": name, "sha": commit, "private": repository.private, "siblings": siblings})

    def _tree(self, _, name, revision):
        repository = self._readable(name)
        if repository is None or repository.commit(revision) is None:
            return self._refuse(404, "RevisionNotFound" if repository else "RepoNotFound")
        files = repository.commits[repository.commit(revision)]
        listed = [
            {"type": "file", "path": path, "size": len(data), "oid": hashlib.sha256(data).hexdigest()}
            for path, data in files.items()
        ]
        return self._answer(200, listed)

    def _file(self, _, name, revision, path):
        repository = self._readable(name)
        if repository is None:
            return self._refuse(401, "RepoNotFound")
        commit = repository.commit(revision)
        if commit is None or path not in repository.commits[commit]:
            return self._refuse(404, "EntryNotFound" if commit else "RevisionNotFound")
        data = repository.commits[commit][path]
        return self._answer(200, data, X_Repo_Commit=commit, ETag=f'"{hashlib.sha256(data).hexdigest()}"')
