"""The server: one page, and a socket for each tab, all games stepped by one thread in turn."""

import asyncio
import contextlib
import json
import logging
import math
import secrets
import time
from collections.abc import AsyncIterator, Callable
from concurrent import futures
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
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
from pacdream.game.palette import ntsc_palette
from pacdream.play.session import Picture, Session
from pacdream.play.wire import Command, Input, Tick, parse
from pacdream.rollout.sampler import Categorical, Greedy

log = logging.getLogger(__name__)

_PAGE = Path(str(files("pacdream"))) / "play" / "page"
LOOPBACK = {"127.0.0.1", "localhost", "[::1]"}
"""Names of this machine for itself."""
_BROKEN_RULE, _FAILED, _TRY_LATER = 1008, 1011, 1013
"""Codes with which a socket is closed, of RFC 6455."""


class _Fresh(StaticFiles):
    """Asked for again each time: after an update an old module would misread what the new server sends."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """See ``StaticFiles``."""
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


@dataclass(frozen=True)
class Limits:
    """What one server bears."""

    fps: float
    """Steps a second at speed 1."""
    games: int
    """Tabs at once."""
    messages_per_second: int
    """Of one tab."""
    silence: float
    """Seconds without a message after which a tab holds nothing any more; the page sends one every second."""


class Server:
    """Serves one world model to a few tabs."""

    def __init__(
        self, make_session: Callable[[int], Session], limits: Limits, hosts: set[str] | None, token: str | None
    ) -> None:
        """Configure.

        Args:
            make_session: begins a game with a seed.
            limits: see there.
            hosts: names under which it may be asked for; none for any. Without this check another site's name could be
                made to mean this machine.
            token: to be in the address, if anybody but this machine can reach it.
        """
        self._make_session, self._limits, self._hosts, self._token = make_session, limits, hosts, token
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
            await socket.close(_BROKEN_RULE if reason else _TRY_LATER, told)
            return
        self.games += 1
        try:
            await socket.accept()
            loop = asyncio.get_running_loop()
            session = await loop.run_in_executor(self._torch, self._make_session, secrets.randbelow(2**31))
            await Tab(socket, session, self._limits, self._torch).run()
        except (WebSocketDisconnect, asyncio.CancelledError, futures.CancelledError):
            pass  # the player or the server has gone
        except Exception as error:
            if WebSocketState.DISCONNECTED in (socket.client_state, socket.application_state):
                return
            log.exception("a game has ended")
            await socket.close(_FAILED, one_line(error)[:120])
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


@dataclass
class Tab:
    """One socket and its game."""

    socket: WebSocket
    session: Session
    limits: Limits
    torch: ThreadPoolExecutor
    paused: bool = False
    speed: float = 1.0
    single_steps: int = 0
    acknowledged: int = 0
    """Number of the last input."""
    held: str = "NOOP"
    tapped: str | None = None
    """Pressed since the last step, and perhaps released again."""
    heard: float = field(default_factory=time.monotonic)
    _newest: bytes | None = None
    _there_is_one: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Play until one of both ends goes."""
        session = self.session
        await self.socket.send_text(json.dumps(_facts(session, self.limits)))
        await self._run(session.picture)
        tasks = [asyncio.create_task(part()) for part in (self._listen, self._tick, self._send)]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self) -> None:
        """Take what the player does; close on garbage and on floods, with the reason."""
        second, count = int(time.monotonic()), 0
        while True:
            message = await self.socket.receive()
            if message["type"] == "websocket.disconnect":
                return
            self.heard = time.monotonic()
            if int(self.heard) != second:
                second, count = int(self.heard), 0
            count += 1
            try:
                if count > self.limits.messages_per_second:
                    raise ValueError(f"more than {self.limits.messages_per_second} messages a second")
                told = parse(message.get("text") or "", self.session.action_names)
                await self._take(told)
            except ValueError as error:
                await self.socket.close(_BROKEN_RULE, str(error)[:120])
                return

    async def _take(self, told: Input | Command) -> None:
        if isinstance(told, Input):
            # What is pressed between two steps is done once, even if it has been let go; what was held before is not.
            if told.action not in ("NOOP", self.held) and self.tapped is None:
                self.tapped = told.action
            self.acknowledged, self.held = told.number, told.action
            return
        value = told.value
        match told.name:
            case "pause":
                self.paused, self.tapped = value, None
                await self._run(self.session.picture)
            case "step":
                self.paused, self.single_steps = True, min(8, self.single_steps + 1)
            case "speed":
                if not 0.1 <= value <= 4:
                    raise ValueError("speed must lie in [0.1, 4]")
                self.speed = float(value)
            case "temperature":
                if not 0 <= value <= 5:
                    raise ValueError("temperature must lie in [0, 5]")
                self.session.sampler = Categorical(float(value), None, 0) if value else Greedy()
                await self._run(self.session.swap)
            case "reset":
                if not 0 <= value < 2**32:
                    raise ValueError("a seed lies in [0, 2^32)")
                await self._run(partial(self.session.reset, value))
            case "swap":
                await self._run(self.session.swap)

    async def _tick(self) -> None:
        """Step at absolute times; times that have passed are skipped, not caught up with."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while True:
            period = 1 / (self.limits.fps * self.speed)
            due += period * max(1, math.ceil((loop.time() - due) / period))
            await asyncio.sleep(due - loop.time())
            if time.monotonic() - self.heard > self.limits.silence:
                self.held, self.tapped = "NOOP", None  # whoever says nothing holds nothing
            if self.paused and not self.single_steps:
                continue
            self.single_steps = max(0, self.single_steps - 1)
            action, self.tapped = self.tapped or self.held, None
            await self._run(partial(self.session.step, self.session.action_names.index(action)), action, due)

    async def _run(self, work: Callable[[], Picture], action: str = "NOOP", due: float | None = None) -> None:
        """Let the session do something in torch's thread and show what comes of it, instead of what is not sent yet."""
        loop, acknowledged = asyncio.get_running_loop(), self.acknowledged  # what comes in meanwhile is not in it

        def timed() -> tuple[Picture, float, float]:
            begin = time.perf_counter()
            late = 0.0 if due is None else max(0.0, loop.time() - due)
            return work(), time.perf_counter() - begin, late

        picture, seconds, late = await loop.run_in_executor(self.torch, timed)
        number, over = self.session.action_names.index(action), self.session.over
        self._newest = Tick(picture, acknowledged, number, self.paused, over, 1000 * seconds, 1000 * late).encode()
        self._there_is_one.set()

    async def _send(self) -> None:
        while True:
            await self._there_is_one.wait()
            self._there_is_one.clear()
            if self._newest is not None:
                newest, self._newest = self._newest, None
                await self.socket.send_bytes(newest)


def _facts(session: Session, limits: Limits) -> dict[str, Any]:
    """What the page must know before the first picture."""
    tokenizer = session.models.tokenizer
    return {
        "actions": session.action_names,
        "grid": tokenizer.grid_shape,
        "codebook": tokenizer.codebook_size,
        "frame": tokenizer.frame_shape,
        "palette": ntsc_palette().tobytes().hex(),
        "fps": limits.fps,
        "seed": session.seed,
        "judged": session.models.outcome is not None,
        "temperature": getattr(session.sampler, "temperature", 0),
    }
