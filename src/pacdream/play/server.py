"""The server: one page, and a socket for each tab, all games stepped by one thread in turn."""

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect

from pacdream.game.palette import ntsc_palette
from pacdream.play.session import Picture, Session
from pacdream.play.wire import Command, Input, Tick, parse
from pacdream.rollout.sampler import Categorical, Greedy

_PAGE = Path(str(files("pacdream"))) / "play" / "page"
_LOOPBACK = {"127.0.0.1", "localhost", "[::1]"}
_BROKEN_RULE, _TRY_LATER = 1008, 1013
"""Codes with which a socket is closed, of RFC 6455."""


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
    """Seconds without a message after which a tab is taken for closed; the page sends one every second."""


class Server:
    """Serves one world model to a few tabs."""

    def __init__(
        self, make_session: Callable[[int], Session], limits: Limits, hosts: set[str] | None, token: str | None
    ) -> None:
        """Configure.

        Args:
            make_session: begins a game with a seed.
            limits: see there.
            hosts: names, with port, under which it may be asked for; none for any.
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
            Mount("/page", StaticFiles(directory=_PAGE)),
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
        full = self.games >= self._limits.games
        await socket.accept()
        if reason or full:
            told = reason or f"{self._limits.games} games are being played already: close another tab and reload"
            await socket.close(_BROKEN_RULE if reason else _TRY_LATER, told)
            return
        self.games += 1
        try:
            loop = asyncio.get_running_loop()
            session = await loop.run_in_executor(self._torch, self._make_session, secrets.randbelow(2**31))
            await Tab(socket, session, self._limits, self._torch).run()
        except (WebSocketDisconnect, RuntimeError, asyncio.CancelledError):
            pass  # whoever has gone does not mind
        finally:
            self.games -= 1

    def _refusal(self, connection: HTTPConnection) -> str:
        """Why somebody is not served, nothing if he is."""
        if self._hosts is not None and connection.headers.get("host", "") not in self._hosts:
            return "this server does not answer to that name"
        given = connection.query_params.get("token", "")
        if self._token is not None and not secrets.compare_digest(given.encode(), self._token.encode()):
            return "the address lacks the right token: copy it whole from where the server was started"
        return ""


def _foreign(socket: WebSocket) -> str:
    """Why a page of another site may not play, nothing for our own."""
    origin = urlsplit(socket.headers.get("origin", ""))
    return "" if origin.netloc == socket.headers.get("host") else "only this server's own page may play"


def hosts_of(host: str, port: int) -> set[str] | None:
    """Names, with port, under which a server at this address may be asked for; any where other machines may come.

    Without this check another site's name could be made to mean this machine. Other machines need the token.
    """
    return {f"{name}:{port}" for name in _LOOPBACK} if is_loopback(host) else None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach it."""
    return host in {"127.0.0.1", "localhost", "::1"}


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
        self._show(session.picture(), 0, 0.0, 0.0)
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
            self.acknowledged, self.held = told.number, told.action
            if told.action != "NOOP":
                self.tapped = told.action
            return
        loop, value = asyncio.get_running_loop(), told.value
        match told.name:
            case "pause":
                self.paused, self.tapped = value, None
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
                self._show(await loop.run_in_executor(self.torch, self.session.swap), 0, 0.0, 0.0)
            case "reset":
                if not 0 <= value < 2**32:
                    raise ValueError("a seed lies in [0, 2^32)")
                self._show(await loop.run_in_executor(self.torch, self.session.reset, value), 0, 0.0, 0.0)
            case "swap":
                self._show(await loop.run_in_executor(self.torch, self.session.swap), 0, 0.0, 0.0)

    async def _tick(self) -> None:
        """Step at absolute times; a time that has passed is skipped, not caught up with."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        while time.monotonic() - self.heard < self.limits.silence:
            period = 1 / (self.limits.fps * self.speed)
            due = max(due + period, loop.time() - period)
            await asyncio.sleep(due - loop.time())
            if self.paused and not self.single_steps:
                continue
            self.single_steps = max(0, self.single_steps - 1)
            action, self.tapped = self.tapped or self.held, None
            number, begin = self.session.action_names.index(action), loop.time()
            picture = await loop.run_in_executor(self.torch, self.session.step, number)
            self._show(picture, number, loop.time() - begin, begin - due)

    def _show(self, picture: Picture, action: int, seconds: float, late: float) -> None:
        """Send it, instead of an older one that has not been sent yet."""
        tick = Tick(picture, self.acknowledged, action, self.paused, self.session.over, 1000 * seconds, 1000 * late)
        self._newest = tick.encode()
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
    }
