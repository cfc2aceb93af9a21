"""Serving the dream to a browser."""

import logging
import secrets
from collections.abc import Callable
from functools import partial

import torch
import uvicorn
from omegaconf import DictConfig

from pacdream.command.planner import outcome_of
from pacdream.command.run import open_run
from pacdream.command.schemas import PlaySettings
from pacdream.core.check_settings import check_settings
from pacdream.core.instantiate import build
from pacdream.game.palette import ntsc_palette
from pacdream.play.server import Limits, Server, hosts_of, is_loopback
from pacdream.play.session import Models, Session
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
    server, token = make_server(config)
    shown = f"http://{config.host}:{config.port}/" + (f"?token={token}" if token else "")
    log.info("play at %s (Ctrl-C ends it)", shown)
    settings = uvicorn.Config(
        server.app(),
        host=config.host,
        port=config.port,
        log_level="warning",
        ws_max_size=4 * LONGEST,
        ws_per_message_deflate=False,  # pictures of a game next door: compressing them takes longer than sending
        timeout_graceful_shutdown=2,
    )
    try:
        uvicorn.Server(settings).run()
    except SystemExit as error:
        raise ValueError(f"nothing can be served at {config.host}:{config.port}: choose another port=") from error


def make_server(config: DictConfig) -> tuple[Server, str | None]:
    """The server, and the token that its address needs if other machines can reach it."""
    limits = Limits(config.fps, config.games, config.messages_per_second, config.silence)
    token = None if is_loopback(config.host) else secrets.token_urlsafe(16)
    return Server(make_session(config), limits, hosts_of(config.host, config.port), token), token


def make_session(config: DictConfig) -> Callable[[int], Session]:
    """What begins a game with a seed; the models are shared by all games."""
    run = open_run(config.run)
    models = Models(run.model(), run.tokenizer(), outcome_of(run, config.outcome) if config.outcome else None)

    def begin(seed: int) -> Session:
        sampler = Categorical(config.temperature, None, 0) if config.temperature else Greedy()
        return Session(models, partial(build, config.env), sampler, seed, config.intro, config.left_at)

    return begin
