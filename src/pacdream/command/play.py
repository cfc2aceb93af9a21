"""Serving the dream to a browser."""

import logging
import secrets
import socket
from functools import lru_cache, partial
from pathlib import Path

import torch
import uvicorn
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from pacdream.command.run import open_run
from pacdream.command.schemas import PlaySettings
from pacdream.core.check_settings import check_settings
from pacdream.core.checkpoints import weights_sha256
from pacdream.core.files import one_line
from pacdream.core.instantiate import build
from pacdream.data.recording import append_episode
from pacdream.game.palette import ntsc_palette
from pacdream.outcome.frozen import find_outcome
from pacdream.play.library import Library, Limits
from pacdream.play.recorder import Recorder
from pacdream.play.server import LOOPBACK, Server, is_loopback
from pacdream.play.session import Models, Session
from pacdream.play.terminal import play_in_terminal
from pacdream.play.wire import LONGEST
from pacdream.rollout.sampler import Categorical, Greedy
from pacdream.rollout.video import write_video

log = logging.getLogger(__name__)

_BUNDLED = "the one that comes with the package"


def play(config: DictConfig) -> None:
    """Print an address and serve the page there.

    Raises:
        ValueError: not a run of a world model, an outcome network of another tokenizer, or an address in use.
    """
    check_settings(config, PlaySettings)
    folder = Path(HydraConfig.get().runtime.output_dir)
    torch.set_num_threads(max(1, torch.get_num_threads() - 1))  # the other one talks to the browser
    library = open_library(config, folder)
    if config.tty:
        play_in_terminal(library.begin(library.names[0], secrets.randbelow(2**31)), ntsc_palette(), config.fps)
        return
    library.begin(library.names[0], 0)  # what is wrong with model or game is said now, not to every tab
    limits = Limits(config.fps, config.games, config.messages_per_second, config.silence, config.recorded_steps)
    token = None if is_loopback(config.host) else secrets.token_urlsafe(16)
    app = Server(library, limits, None if token else LOOPBACK, token).app()
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


def open_library(config: DictConfig, folder: Path) -> Library:
    """The world model that was asked for, then the one that comes with the package and the runs in outputs/.

    Recordings go into ``folder``.
    """
    runs: dict[str, str | None] = {str(config.run or _BUNDLED): config.run, _BUNDLED: None}
    runs |= {str(run): str(run) for run in world_models_in(Path(config.paths.outputs) / "train")}
    opened = lru_cache(maxsize=4)(lambda name: open_models(runs[name], config.outcome, config.env))

    def begin(name: str, seed: int) -> Session:
        sampler = Categorical(config.temperature, None, 0) if config.temperature else Greedy()
        return Session(
            opened(name), partial(build, config.env), sampler, seed, config.intro, config.context, config.left_at
        )

    def keep(recorder: Recorder, session: Session) -> str:
        settings = {"env": OmegaConf.to_container(config.env), "policy": {"name": "player"}}
        path = append_episode(folder / "episodes", build(config.env), settings, recorder.episode())
        try:
            film = recorder.film(session.models, session.action_names)
            write_video(path.with_suffix(".mp4"), film, round(config.fps))
        except Exception as error:  # whatever a codec does, the episode is there
            log.exception("no video of %s", path)
            return f"recorded {path}, but no video of it: {one_line(error)}"
        return f"recorded {path} and {path.with_suffix('.mp4').name}"

    return Library(list(runs), begin, keep)


def open_models(run: str | None, outcome: str | None, env: DictConfig) -> Models:
    """The networks of a run, to play the game of ``env`` with.

    Raises:
        ValueError: not a run of a world model, or of another game, or an outcome network of another tokenizer.
    """
    opened = open_run(run)
    opened.check_env(env)
    tokenizer = opened.tokenizer()
    judge = find_outcome(outcome, weights_sha256(tokenizer)) if outcome else None
    return Models(opened.model(), tokenizer, judge)


def world_models_in(folder: Path) -> list[Path]:
    """Folders of finished runs of world models, by name: of each experiment, a folder of runs, the newest."""
    found = []
    for experiment in sorted(folder.glob("*")):
        for result in sorted([*experiment.glob("result.json"), *experiment.glob("*/result.json")])[-1:]:
            try:
                if "world_model" in open_run(result.parent).config:
                    found.append(result.parent)
            except ValueError as error:
                log.warning("%s cannot be played: %s", result.parent, error)
    return found
