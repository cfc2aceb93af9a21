"""The server: one page, and a socket for each tab; who may come in."""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import AsyncIterator
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from pacdream.core.files import one_line
from pacdream.play.library import Library, Limits
from pacdream.play.tab import BROKEN_RULE, Tab, reason_of

log = logging.getLogger(__name__)

_PAGE = Path(str(files("pacdream"))) / "play" / "page"
LOOPBACK = {"127.0.0.1", "localhost", "[::1]"}
"""Names of this machine for itself."""
_FAILED, _TRY_LATER = 1011, 1013
"""Codes with which a socket is closed, of RFC 6455."""


class _Fresh(StaticFiles):
    """Asked for again each time: after an update an old module would misread what the new server sends."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """See ``StaticFiles``."""
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


class Server:
    """Serves world models to a few tabs."""

    def __init__(self, library: Library, limits: Limits, hosts: set[str] | None, token: str | None) -> None:
        """Configure.

        Args:
            library: what can be played.
            limits: see there.
            hosts: names under which it may be asked for; none for any. Without this check another site's name could be
                made to mean this machine.
            token: to be in the address, if anybody but this machine can reach it.
        """
        self._library, self._limits, self._hosts, self._token = library, limits, hosts, token
        self._torch = ThreadPoolExecutor(1, "dream")
        self.games = 0
        """Being played now."""

    def app(self) -> Starlette:
        """The ASGI application."""
        routes = [
            Route("/", self._index),
            WebSocketRoute("/play", self._play),
            Mount("/page", _Fresh(directory=_PAGE)),
        ]
        return Starlette(routes=routes, lifespan=self._lifespan)

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        yield
        self._torch.shutdown(cancel_futures=True)

    async def _index(self, request: Request) -> Response:
        if reason := self._refusal(request):
            return PlainTextResponse(reason + "\n", 403)
        return FileResponse(_PAGE / "index.html", headers={"Cache-Control": "no-store"})

    async def _play(self, socket: WebSocket) -> None:
        """One tab, from its first to its last message."""
        reason = self._refusal(socket) or _foreign(socket)
        if reason or self.games >= self._limits.games:
            told = reason or f"{self._limits.games} games are being played already: close another tab and reload"
            await socket.accept()
            await socket.close(BROKEN_RULE if reason else _TRY_LATER, told)
            return
        self.games += 1
        try:
            await socket.accept()
            loop = asyncio.get_running_loop()
            library, name = self._library, self._library.names[0]
            session = await loop.run_in_executor(self._torch, library.begin, name, secrets.randbelow(2**31))
            await Tab(socket, session, self._limits, self._torch, library, name).run()
        except (WebSocketDisconnect, asyncio.CancelledError, futures.CancelledError):
            pass  # the player or the server has gone
        except Exception as error:
            if WebSocketState.DISCONNECTED in (socket.client_state, socket.application_state):
                return
            log.exception("a game has ended")
            await socket.close(_FAILED, reason_of(one_line(error)))
        finally:
            self.games -= 1

    def _refusal(self, connection: HTTPConnection) -> str:
        """Why somebody is not served, nothing if he is."""
        if self._hosts is not None and name_of(connection.headers.get("host", "")) not in self._hosts:
            return "this server does not answer to that name"
        given = connection.query_params.get("token", "")
        if self._token is not None and not secrets.compare_digest(given.encode(), self._token.encode()):
            return "the address lacks the right token: copy it whole from where the server was started"
        return ""


def _foreign(socket: WebSocket) -> str:
    """Why a page of another site may not play, nothing for our own."""
    origin = socket.headers.get("origin", "").partition("://")[2]
    return "" if origin == socket.headers.get("host") else "only this server's own page may play"


def name_of(host: str) -> str:
    """Without the port, which a tunnel changes.

    >>> name_of("localhost:8017"), name_of("[::1]:8017"), name_of("localhost")
    ('localhost', '[::1]', 'localhost')
    """
    return host.partition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it."""
    return host in LOOPBACK or host == "::1"
