"""A stand-in for the Hugging Face Hub on this machine: the requests that huggingface_hub makes, answered from memory.

Repositories are linear histories of whole trees. Weights go through the LFS protocol, other files into the commit.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

TOKEN = "hf_of_the_test"
LFS = (".safetensors", ".bin", ".png")

Tree = dict[str, bytes]


@dataclass
class Repository:
    """Trees by commit, in order, and commits by tag."""

    private: bool = False
    gated: bool = False
    commits: dict[str, Tree] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def commit(self, tree: Tree) -> str:
        sha = hashlib.sha1(f"{len(self.commits)} {sorted(tree)}".encode()).hexdigest()
        self.commits[sha] = dict(tree)
        return sha

    def resolve(self, revision: str) -> str | None:
        if revision == "main":
            return list(self.commits)[-1]
        return self.tags.get(revision, revision if revision in self.commits else None)


class Hub(ThreadingHTTPServer):
    """The server. `broken` is a status for every answer; `requests` are those it got, such as "GET /api/models/a/b"."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.repositories: dict[str, Repository] = {}
        self.blobs: Tree = {}
        self.requests: list[str] = []
        self.broken: int | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def add(self, name: str, tree: Tree, **options: bool) -> Repository:
        """A repository of one commit."""
        self.repositories[name] = Repository(**options)
        self.repositories[name].commit(tree)
        return self.repositories[name]


@contextmanager
def hub_server() -> Iterator[Hub]:
    with Hub() as hub:
        threading.Thread(target=hub.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield hub
        finally:
            hub.shutdown()


class Answer(BaseHTTPRequestHandler):
    server: Hub

    def log_message(self, *args: Any) -> None: ...

    def do_GET(self) -> None:
        self.answer(ROUTES)

    do_HEAD = do_POST = do_PUT = do_GET  # noqa: N815

    def answer(self, routes: dict[str, Any]) -> None:
        path = unquote(urlsplit(self.path).path)
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.requests.append(f"{self.command} {path}")
        if self.server.broken:
            return self.fail(self.server.broken, "")
        for pattern, action in routes.items():
            if match := re.fullmatch(pattern, f"{self.command} {path}"):
                return action(self, **match.groupdict())  # type: ignore[no-any-return]
        self.fail(404, "EntryNotFound")

    def send(self, data: bytes, status: int = 200, **headers: object) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": len(data), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def json(self, value: Any, status: int = 200, **headers: object) -> None:
        self.send(json.dumps(value).encode(), status, Content_Type="application/json", **headers)

    def fail(self, status: int, code: str) -> None:
        self.json({"error": code}, status, X_Error_Code=code, X_Error_Message=code)

    def authorized(self) -> bool:
        return self.headers.get("Authorization") == f"Bearer {TOKEN}"

    def tree(self, repo: str, revision: str) -> tuple[str, Tree] | None:
        """The commit and the files of a revision; None, once the failure is answered, for none that may be read."""
        repository = self.server.repositories.get(repo)
        if repository is None or (repository.private and not self.authorized()):
            return self.fail(404 if self.authorized() else 401, "RepoNotFound")
        if repository.gated:
            return self.fail(403, "GatedRepo")
        sha = repository.resolve(revision)
        return (sha, repository.commits[sha]) if sha else self.fail(404, "RevisionNotFound")

    def info(self, repo: str, revision: str | None = None) -> None:
        if found := self.tree(repo, revision or "main"):
            files = [{"rfilename": path, **stored(path, data)} for path, data in found[1].items()]
            self.json({"id": repo, "modelId": repo, "sha": found[0], "tags": [], "siblings": files})

    def listing(self, repo: str, revision: str, under: str = "") -> None:
        if found := self.tree(repo, revision):
            self.json([{"type": "file", "path": path, **stored(path, data)} for path, data in found[1].items()])

    def file(self, repo: str, revision: str, path: str) -> None:
        if not (found := self.tree(repo, revision)):
            return
        commit = {"X_Repo_Commit": found[0]}
        if path not in found[1]:
            return self.json({}, 404, X_Error_Code="EntryNotFound", **commit)
        data = found[1][path]
        self.send(data, ETag=f'"{hashlib.sha256(data).hexdigest()}"', X_Linked_Size=len(data), **commit)

    def create(self) -> None:
        asked = json.loads(self.body)
        name = f"{asked['organization']}/{asked['name']}"
        if not self.authorized():
            return self.fail(401, "")
        status = 409 if name in self.server.repositories else 200
        if status == 200:
            private = asked.get("private") or asked.get("visibility") == "private"
            self.server.add(name, {".gitattributes": b"*.safetensors filter=lfs\n"}, private=bool(private))
        self.json({"url": f"{self.server.url}/{name}"}, status)

    def preupload(self, repo: str, revision: str) -> None:
        files = json.loads(self.body)["files"]
        modes = [{"path": f["path"], "uploadMode": "lfs" if f["path"].endswith(LFS) else "regular"} for f in files]
        self.json({"files": [{**mode, "shouldIgnore": False, "oid": None} for mode in modes]})

    def lfs_batch(self, repo: str) -> None:
        objects = json.loads(self.body)["objects"]
        actions = {o["oid"]: {"upload": {"href": f"{self.server.url}/lfs/{o['oid']}", "header": {}}} for o in objects}
        self.json({"transfer": "basic", "objects": [{**o, "actions": actions[o["oid"]]} for o in objects]})

    def lfs_put(self, oid: str) -> None:
        assert hashlib.sha256(self.body).hexdigest() == oid
        self.server.blobs[oid] = self.body
        self.send(b"")

    def commit(self, repo: str, revision: str) -> None:
        if not self.authorized():
            return self.fail(403, "")
        repository = self.server.repositories[repo]
        tree = dict(repository.commits[repository.resolve(revision) or ""])
        for line in map(json.loads, self.body.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                tree[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                tree[value["path"]] = self.server.blobs[value["oid"]]
            elif line["key"] == "deletedFile":
                del tree[value["path"]]
        sha = repository.commit(tree)
        # Without the server's address, which the library before 2.0 compares with HF_ENDPOINT as it was at its import.
        self.json({"commitUrl": f"{repo}/commit/{sha}", "commitOid": sha, "success": True})


def stored(path: str, data: bytes) -> dict[str, Any]:
    """What the hub tells of a file."""
    oid = hashlib.sha256(data).hexdigest()
    lfs = {"lfs": {"oid": oid, "sha256": oid, "size": len(data), "pointerSize": 134}} if path.endswith(LFS) else {}
    return {"oid": oid[:40], "blobId": oid[:40], "size": len(data), **lfs}


MODEL = "/api/models/(?P<repo>[^/]+/[^/]+)"
ROUTES = {
    f"GET {MODEL}": Answer.info,
    f"GET {MODEL}/revision/(?P<revision>.+)": Answer.info,
    f"GET {MODEL}/tree/(?P<revision>[^/]+)(/(?P<under>.*))?": Answer.listing,
    "(GET|HEAD) /(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<path>.+)": Answer.file,
    "POST /api/repos/create": Answer.create,
    "POST /api/validate-yaml": lambda self: self.json({"errors": [], "warnings": []}),
    f"POST {MODEL}/preupload/(?P<revision>.+)": Answer.preupload,
    f"POST {MODEL}/commit/(?P<revision>.+)": Answer.commit,
    r"POST /(?P<repo>[^/]+/[^/]+)\.git/info/lfs/objects/batch": Answer.lfs_batch,
    "PUT /lfs/(?P<oid>[0-9a-f]+)": Answer.lfs_put,
}
