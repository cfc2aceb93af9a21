"""Tiny real recordings and a tiny tokenizer, made once per test session."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

import pacdream.command.entry_point
import pacdream.command.train  # noqa: F401 - registers the resolvers
from pacdream.core.checkpoints import build_model, load_model, save_model
from pacdream.data.episode_store import Manifest, read_manifest
from pacdream.data.frame_data_module import load_frames
from pacdream.data.latent_data_module import LatentDataModule
from pacdream.data.recording import Recording
from pacdream.rollout import video
from pacdream.tokenizer.base import Tokenizer
from tests import quick_hydra

ROOT = Path(__file__).parents[1]
EPISODES, STEPS = 5, 120  # the first 65 steps are the intro, in which nothing moves

TINY_TOKENIZER = {
    "_target_": "pacdream.tokenizer.vqvae.VQVAE",
    "num_frames": 2,
    "patch_size": 4,
    "widths": [8, 8, 8, 16],
    "encoder_blocks": [0, 0, 0, 1],
    "decoder_blocks": [0, 0, 0, 1],
    "num_attention_layers": 1,
    "num_heads": 2,
    "pixel_dim": 2,
    "class_weight_power": 0.5,
    "min_class_frequency": 1e-4,
    "decode_shift": 0.5,
    "quantizer": {
        "_target_": "pacdream.tokenizer.quantizer.EMAQuantizer",
        "_partial_": True,
        "codebook_size": 16,
        "embedding_dim": 8,
        "commitment_weight": 0.25,
        "decay": 0.9,
        "dead_code_threshold": 0.5,
    },
}
TINY_GRU = {
    "_target_": "pacdream.world_model.gru.GRUWorldModel",
    "embedding_dim": 8,
    "hidden_size": 16,
    "num_layers": 1,
}
TINY_ATTENTION = {
    "_target_": "pacdream.world_model.attention.AttentionWorldModel",
    "memory": 3,
    "embedding_dim": 8,
    "width": 16,
    "num_blocks": 2,
    "num_heads": 2,
    "max_corruption": 0.2,
    "begin_with_codebook": True,
}


def pytest_configure() -> None:
    """Let Ctrl-C be one, here and in commands that tests start: a shell's background jobs begin with it ignored.

    One thread each: the networks are tiny, and threads that wait for one another make them slower.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    torch.set_num_threads(1)
    os.environ["OMP_NUM_THREADS"] = "1"
    quick_hydra.remember()
    video.PRESET = "ultrafast"


SLOWEST = (
    "survival/test_", "command/test_plan", "command/test_train.py", "test_experiments", "play/test_static_page",
    "command/test_", "data/test_collect", "test_configs", "test_docs", "report/", "evaluation/", "sweep/",
)  # fmt: skip
"""Begun first, so that no process has a long file left when the other has none."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, and give those that start commands to one process, which is warm then."""

    def rank(item: pytest.Item) -> int:
        path = item.path.relative_to(ROOT / "tests").as_posix()
        return next((i for i, prefix in enumerate(SLOWEST) if path.startswith(prefix)), len(SLOWEST))

    items.sort(key=rank)
    for item in items:
        warm = "starter" in getattr(item, "fixturenames", ())
        item.add_marker(pytest.mark.xdist_group("commands" if warm else str(item.path)))


def compose_config(name: str, overrides: list[str]) -> DictConfig:
    """The configuration that a command would run with."""
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
        return compose(name, overrides)


def pac_man_recording(output: Path, **changes: Any) -> Recording:
    """A recording of the real game: held random actions, a few short episodes."""
    config = compose_config("collect", ["policy=held_random"])
    settings = {"episodes": EPISODES, "seed": 0, "max_steps": STEPS, "workers": 1, **changes}
    env, policy = OmegaConf.to_container(config.env), OmegaConf.to_container(config.policy)
    return Recording(env=env, policy=policy, output=str(output), **settings)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def episodes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of EPISODES real episodes of at most STEPS steps. Do not change it: copy it first."""
    folder = tmp_path_factory.mktemp("data") / "episodes"
    pac_man_recording(folder).record()
    return folder


@pytest.fixture(scope="session")
def manifest(episodes: Path) -> Manifest:
    return read_manifest(episodes)


@pytest.fixture(scope="session")
def tokenizer_path(episodes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny untrained VQ-VAE with an initialised codebook, as safetensors."""
    torch.manual_seed(0)
    manifest = read_manifest(episodes)
    counts = manifest.colour_counts()
    facts = {
        "frame_shape": list(manifest.frame_shape),
        "palette": list(manifest.palette),
        "colour_counts": {str(i): int(counts[i]) for i in counts.nonzero()[0]},
    }
    model = build_model(OmegaConf.create(TINY_TOKENIZER), facts)
    frames = load_frames(episodes, manifest, [0, 1])
    model.train()(frames.windows(torch.arange(0, 100, 2), 2))
    path = tmp_path_factory.mktemp("tokenizer") / "tiny.safetensors"
    save_model(path, model)
    return path


@pytest.fixture(scope="session")
def tokenizer(tokenizer_path: Path) -> Tokenizer:
    return load_model(tokenizer_path, Tokenizer)  # type: ignore[type-abstract]


def latent_data(episodes: Path, tokenizer: Tokenizer, cache: Path, **changes: Any) -> LatentDataModule:
    """A data module over tiny episodes, not yet set up."""
    settings: dict[str, Any] = {
        "context_length": 1, "batch_size": 8, "val_batch_size": 16, "encode_batch_size": {"cpu": 32},
        "val_fraction": 0.2, "split_seed": 0, "seed": 0, "limit": None, **changes,
    }  # fmt: skip
    elsewhere = pac_man_recording(episodes.parent / "never_recorded")
    return LatentDataModule(str(episodes), elsewhere, tokenizer, str(cache), **settings)


@pytest.fixture(scope="session")
def latents(episodes: Path, tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> LatentDataModule:
    """A data module that is set up."""
    data = latent_data(episodes, tokenizer, tmp_path_factory.mktemp("latents"))
    data.prepare_data()
    data.setup("fit")
    return data


@pytest.fixture
def gru(latents: LatentDataModule) -> Any:
    """A tiny GRU world model that fits ``latents``."""
    return build_model(OmegaConf.create(TINY_GRU), latents.facts())
