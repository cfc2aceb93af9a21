"""Serving the dream to a browser."""

import logging
import secrets
import socket
from collections.abc import Callable
from functools import partial

import torch
import uvicorn
from omegaconf import DictConfig

from pacdream.command.run import open_run
from pacdream.command.schemas import PlaySettings
from pacdream.core.check_settings import check_settings
from pacdream.core.checkpoints import weights_sha256
from pacdream.core.instantiate import build
from pacdream.game.palette import ntsc_palette
from pacdream.outcome.frozen import find_outcome
from pacdream.play.server import LOOPBACK, Server, is_loopback
from pacdream.play.session import Models, Session
from pacdream.play.tab import Limits
from pacdream.play.terminal import play_in_terminal
from pacdream.play.wire import LONGEST
from pacdream.rollout.sampler import Categorical, Greedy

log = logging.getLogger(__name__)


def play(config: DictConfig) -> None:
    """Print an address and serve the page there.

    Raises:
        ValueError: not a run of a world model, an outcome network of another tokenizer, or an address in use.
    """
    check_settings(config, PlaySettings)
    torch.set_num_threads(max(1, torch.get_num_threads() - 1))  # the other one talks to the browser
    if config.tty:
        play_in_terminal(make_session(config)(secrets.randbelow(2**31)), ntsc_palette(), config.fps)
        return
    begin = make_session(config)
    begin(0)  # what is wrong with model or game is said now, not to every tab
    limits = Limits(config.fps, config.games, config.messages_per_second, config.silence)
    token = None if is_loopback(config.host) else secrets.token_urlsafe(16)
    app = Server(begin, limits, None if token else LOOPBACK, token).app()
    settings = uvicorn.Config(
        app,
        host=config.host,
        port=config.port,
        log_level="warning",
        ws_max_size=4 * LONGEST,
        ws_per_message_deflate=False,  # pictures of a game next door: compressing them takes longer than sending
        ws_ping_interval=5,  # browsers answer by themselves: who does not is gone
        ws_ping_timeout=10,
        timeout_graceful_shutdown=2,
    )
    server = _Told(settings, address(config.host, config.port, token))
    try:
        server.run()
    except KeyboardInterrupt:
        log.info("ended")
    except SystemExit as error:
        if server.started:
            raise
        raise ValueError(f"nothing can be served at {config.host}:{config.port}: choose another port=") from error


class _Told(uvicorn.Server):
    """Says where it is as soon as it is there."""

    def __init__(self, settings: uvicorn.Config, shown: str) -> None:
        super().__init__(settings)
        self._shown = shown

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See ``uvicorn.Server``."""
        await super().startup(sockets)
        if self.started:
            log.info("play at %s (Ctrl-C ends it)", self._shown)


def address(host: str, port: int, token: str | None) -> str:
    """What to open in a browser.

    >>> address("127.0.0.1", 8017, None), address("::1", 8017, None)
    ('http://127.0.0.1:8017/', 'http://[::1]:8017/')
    """
    everywhere = host in ("0.0.0.0", "::", "")
    name = socket.gethostname() if everywhere else f"[{host}]" if ":" in host else host
    return f"http://{name}:{port}/" + (f"?token={token}" if token else "")


def make_session(config: DictConfig) -> Callable[[int], Session]:
    """What begins a game with a seed; the models are shared by all games."""
    run = open_run(config.run)
    tokenizer = run.tokenizer()
    outcome = find_outcome(config.outcome, weights_sha256(tokenizer)) if config.outcome else None
    models = Models(run.model(), tokenizer, outcome)

    def begin(seed: int) -> Session:
        sampler = Categorical(config.temperature, None, 0) if config.temperature else Greedy()
        return Session(models, partial(build, config.env), sampler, seed, config.intro, config.left_at)

    return begin
