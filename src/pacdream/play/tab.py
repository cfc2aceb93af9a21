"""One tab of a browser: its socket, its game and the clock between them; one thread steps all games in turn."""

import asyncio
import json
import logging
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from starlette.websockets import WebSocket

from pacdream.core.files import one_line
from pacdream.play.library import Library, Limits, facts_of
from pacdream.play.recorder import Recorder
from pacdream.play.session import Picture, Session
from pacdream.play.wire import Command, Input, Tick, parse
from pacdream.rollout.sampler import Categorical, Greedy

log = logging.getLogger(__name__)

_WRITING: set[asyncio.Future[None]] = set()
"""Recordings that are being written: a task that nobody holds may be dropped."""
BROKEN_RULE = 1008
"""Code with which a socket is closed, of RFC 6455."""


def reason_of(text: str) -> str:
    """As much of a text as fits into the frame that closes a socket, which is counted in bytes."""
    return text.encode()[:120].decode(errors="ignore")


@dataclass
class Tab:
    """One socket and its game."""

    socket: WebSocket
    session: Session
    limits: Limits
    torch: ThreadPoolExecutor
    library: Library
    name: str
    """Of the world model that is played."""
    paused: bool = False
    speed: float = 1.0
    single_steps: int = 0
    acknowledged: int = 0
    """Number of the last input."""
    held: str = "NOOP"
    tapped: str | None = None
    """Pressed since the last step, and perhaps released again."""
    heard: float = field(default_factory=time.monotonic)
    recorder: Recorder | None = None
    _beginning: asyncio.Task[None] | None = None
    """Opens another world model."""
    _said: list[dict[str, Any]] = field(default_factory=list)
    """To be sent before the next picture."""
    _newest: bytes | None = None
    _there_is_one: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Play until one of both ends goes."""
        await self._run(self.session.picture, is_new=True)
        tasks = [asyncio.create_task(part()) for part in (self._listen, self._tick, self._send)]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            for task in (*tasks, *filter(None, [self._beginning])):
                task.cancel()
            self._stop_recording()
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
                await self.socket.close(BROKEN_RULE, reason_of(str(error)))
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
                await self._run(self._picture)
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
                await self._run(self._swap)
            case "reset":
                if not 0 <= value < 2**32:
                    raise ValueError("a seed lies in [0, 2^32)")
                self._stop_recording()
                await self._run(lambda: self.session.reset(value))
            case "model":
                if value not in self.library.names:
                    raise ValueError("there is no such world model here")
                if self._beginning is not None and not self._beginning.done():
                    self._say("another world model is being loaded: wait for it")
                else:  # meanwhile the game goes on and keys count
                    self._beginning = asyncio.create_task(self._begin(value))
            case "record":
                self._stop_recording()
                if value and self.session.over:
                    self._say("the game is over: there is nothing to record before the next one")
                await self._run(self._record if value and not self.session.over else self._picture)
            case "swap":
                await self._run(self._swap)

    async def _begin(self, name: str) -> None:
        """Play another world model's dream, from the beginning of the same game; or say why that cannot be."""
        loop = asyncio.get_running_loop()
        try:  # not in torch's thread, so that other games go on
            session = await loop.run_in_executor(None, self.library.begin, name, self.session.seed)
            if session.seed != self.session.seed:  # a new game has begun meanwhile
                session = await loop.run_in_executor(None, self.library.begin, name, self.session.seed)
        except Exception as error:  # whatever it is, the game goes on
            if not isinstance(error, ValueError | OSError):
                log.exception("%s cannot be played", name)
            self._say(one_line(error))
            return

        def change() -> Picture:
            self.session, self.name, self.speed = session, name, 1.0
            return session.picture()

        self._stop_recording()
        await self._run(change, is_new=True)

    # Asked of the session that is played when their turn comes: another may have begun by then.
    def _picture(self) -> Picture:
        return self.session.picture()

    def _swap(self) -> Picture:
        return self.session.swap()

    def _record(self) -> Picture:
        """Keep what is played from now on."""
        picture = self.session.picture()
        self.recorder = Recorder(picture, self.session.info, self.limits.recorded_steps)
        return picture

    def _stop_recording(self) -> None:
        """Write what was recorded, if anything was, and say where; meanwhile the game goes on."""
        recorder, self.recorder = self.recorder, None
        if recorder is None or recorder.empty:
            return
        keep = partial(self.library.keep, recorder, self.session)
        written = asyncio.get_running_loop().run_in_executor(None, keep)  # begins now, even if this tab is being closed
        task = asyncio.ensure_future(self._tell(written))
        _WRITING.add(task)
        task.add_done_callback(_WRITING.discard)

    async def _tell(self, written: asyncio.Future[str]) -> None:
        """Say where a recording is, or why it is nowhere."""
        try:
            told = await asyncio.shield(written)
        except Exception as error:  # whatever a disk or a codec does, the game goes on
            log.exception("a recording was lost")
            told = f"nothing was recorded: {one_line(error)}"
        self._say(told)

    def _say(self, text: str) -> None:
        """Tell the player something."""
        self._said.append({"said": text})
        self._there_is_one.set()

    def _step(self, action: str) -> Picture:
        """One step, recorded if that is wanted."""
        before = self.session.over
        picture = self.session.step(self.session.action_names.index(action))
        if (recorder := self.recorder) and not before:
            recorder.add(picture, self.session.last)
        return picture

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
            await self._run(partial(self._step, action), action, due)
            if self.recorder and self.recorder.full:
                self._stop_recording()
                await self._run(self._picture, action)

    async def _run(
        self, work: Callable[[], Picture], action: str = "NOOP", due: float | None = None, is_new: bool = False
    ) -> None:
        """Let the session do something in torch's thread and show what comes of it, instead of what is not sent yet.

        Of a session that is new the page is told first what it must know.
        """
        loop, acknowledged = asyncio.get_running_loop(), self.acknowledged  # what comes in meanwhile is not in it

        def timed() -> tuple[Picture, float, float]:
            begin = time.perf_counter()
            late = 0.0 if due is None else max(0.0, loop.time() - due)
            return work(), time.perf_counter() - begin, late

        picture, seconds, late = await loop.run_in_executor(self.torch, timed)
        number, over = self.session.action_names.index(action), self.session.over
        recording = self.recorder is not None
        tick = Tick(picture, acknowledged, number, self.paused, recording, over, 1000 * seconds, 1000 * late)
        if is_new:
            self._said.append(self._facts())
        self._newest = tick.encode()
        self._there_is_one.set()

    async def _send(self) -> None:
        while True:
            await self._there_is_one.wait()
            self._there_is_one.clear()
            while self._said:
                await self.socket.send_text(json.dumps(self._said.pop(0)))
            if self._newest is not None:
                newest, self._newest = self._newest, None
                await self.socket.send_bytes(newest)

    def _facts(self) -> dict[str, Any]:
        """What the page must know before the first picture."""
        session = self.session
        temperature = getattr(session.sampler, "temperature", 0)
        beside = {"seed": session.seed, "twin": True, "models": list(self.library.names), "model": self.name}
        return facts_of(session.models, session.action_names, self.limits.fps, temperature) | beside
