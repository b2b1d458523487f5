"""A server on this machine, in a thread of its own: what the stand-ins of other servers share."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class QuietHandler(BaseHTTPRequestHandler):
    """Answers without a line on the screen; `stand_in` is the server that it answers for."""

    stand_in: LocalServer

    def log_message(self, *_):
        pass


class LocalServer:
    """Answers on `address` with a handler of its own."""

    def __init__(self, handler):
        own = type(handler.__name__, (handler,), {"stand_in": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), own)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        """Refuse connections from now on."""
        self._server.shutdown()
        self._server.server_close()
