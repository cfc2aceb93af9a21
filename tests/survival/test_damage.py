"""Whatever happens to a file on disk: it is refused in one line that names it, or it reads as what was written."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from omegaconf import OmegaConf
from torch import Tensor, nn

from pacdream.command.train import train
from pacdream.core.checkpoint_io import AtomicCheckpointIO, read_checkpoint
from pacdream.core.checkpoints import build_model, load_model, save_model
from pacdream.data.episode_store import Manifest, read_episode, read_manifest
from pacdream.data.frame_data_module import FrameDataModule
from pacdream.data.latent_cache import CacheIdentity, cache_path, read_cache
from pacdream.data.latent_data_module import LatentDataModule
from pacdream.tokenizer.base import Tokenizer
from tests.conftest import TINY_GRU, compose_config, latent_data, pac_man_recording
from tests.runs import hydra_run, small_overrides
from tests.survival.damages import DAMAGES, Damage, any_damage, cut, flip, outcome, refusal

SEEDS = 5
"""Damages per kind and file; some thousands have been tried by hand."""


@dataclass(frozen=True)
class Stored:
    """A file with a checksum."""

    path: Path
    content: Callable[[Path], object]
    """All that is read from it, comparable."""
    all_counts: bool = True
    """No byte of it can change unnoticed; in JSON white space can, in a zip file the time of its parts."""


def numbers(arrays: dict[str, NDArray[np.generic]]) -> object:
    return {name: (str(array.dtype), array.shape, array.tobytes()) for name, array in arrays.items()}


def of_tensors(tensors: dict[str, Tensor]) -> object:
    return numbers({name: tensor.numpy() for name, tensor in tensors.items()})


def of_network(path: Path) -> object:
    model = load_model(path, nn.Module)
    return json.dumps(model.recipe, sort_keys=True), of_tensors(model.state_dict())


def of_checkpoint(path: Path) -> object:
    content = read_checkpoint(path)
    return repr({**content, "state_dict": None}), of_tensors(content["state_dict"])


def of_manifest(path: Path) -> object:
    return repr(read_manifest(path.parent))


def of_cache(identity: CacheIdentity) -> Callable[[Path], object]:
    def content(path: Path) -> object:
        cache = read_cache(path, identity)
        names = ("codes", "actions", "rewards", "terminated", "starts")
        return of_tensors({name: getattr(cache, name) for name in names})

    return content


def of_episode(manifest: Manifest) -> Callable[[Path], object]:
    def content(path: Path) -> object:
        episode = read_episode(path.parent, manifest.episodes[0], manifest.num_actions)
        return numbers({field.name: getattr(episode, field.name) for field in fields(episode)})

    return content


@pytest.fixture(scope="module")
def stored(
    episodes: Path, tokenizer_path: Path, latents: LatentDataModule, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Stored]:
    """One file of each kind."""
    manifest, folder = read_manifest(episodes), tmp_path_factory.mktemp("networks")
    gru = build_model(OmegaConf.create(TINY_GRU), latents.facts())
    save_model(folder / "gru.safetensors", gru)
    weights = {f"model.{name}": tensor for name, tensor in gru.state_dict().items()}
    checkpoint = {"state_dict": weights, "recipe": gru.recipe, "global_step": 3, "loops": {"epoch": 1}}
    AtomicCheckpointIO().save_checkpoint(checkpoint, folder / "gru.ckpt")
    identity = latents.cache.identity
    return {
        "episode": Stored(episodes / manifest.episodes[0].file, of_episode(manifest)),
        "manifest": Stored(episodes / "manifest.json", of_manifest, all_counts=False),
        "cache": Stored(cache_path(latents.cache_folder, identity), of_cache(identity)),
        "network": Stored(folder / "gru.safetensors", of_network),
        "tokenizer": Stored(tokenizer_path, of_network),
        "checkpoint": Stored(folder / "gru.ckpt", of_checkpoint, all_counts=False),
        "network in a checkpoint": Stored(folder / "gru.ckpt", of_network, all_counts=False),
    }


FILES = ("episode", "manifest", "cache", "network", "tokenizer", "checkpoint", "network in a checkpoint")


@any_damage
@pytest.mark.parametrize("name", FILES)
def test_no_damage_is_read(stored: dict[str, Stored], name: str, damage: Damage, tmp_path: Path) -> None:
    file = stored[name]
    raw, wanted, path = file.path.read_bytes(), file.content(file.path), tmp_path / file.path.name
    for seed in range(SEEDS):
        damaged, place = damage(raw, np.random.default_rng(seed))
        path.write_bytes(damaged)
        line, found = outcome(path, lambda: file.content(path))
        if line is None:
            assert not file.all_counts, f"seed {seed}, byte {place}: read"
            assert found == wanted, f"seed {seed}, byte {place}: read as something else"


def test_seeds_damage_every_kind_differently(stored: dict[str, Stored]) -> None:
    raw = stored["manifest"].path.read_bytes()
    damaged = {damage(raw, np.random.default_rng(seed)) for damage in DAMAGES for seed in range(SEEDS)}
    assert len({content for content, _ in damaged} - {raw}) > 0.9 * len(DAMAGES) * SEEDS


def parts(path: Path) -> tuple[str, bytes]:
    """Header and numbers of a safetensors file."""
    raw = path.read_bytes()
    end = 8 + int.from_bytes(raw[:8], "little")
    return raw[8:end].decode(), raw[end:]


def forged(path: Path, header: str, tensors: bytes) -> Path:
    raw = header.encode()
    path.write_bytes(len(raw).to_bytes(8, "little") + raw + tensors)
    return path


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("network", '"F16"', '"I16"'),
        ("network", '"F16"', '"BF16"'),
        ("tokenizer", '"I64"', '"F64"'),
        ("tokenizer", '"U8"', '"BOOL"'),
        ("cache", '"F32"', '"I32"'),
        ("cache", '"U8"', '"I8"'),
        ("cache", '"I64"', '"C64"'),
        ("cache", '"BOOL"', '"F8_E5M2"'),
        ("cache", ",7,5]", ",5,7]"),
        ("cache", '"codes"', '"rewards"'),
        ("cache", '"actions"', '"other"'),
        ("network", "[16,16]", "[256]"),
    ],
)
def test_right_bytes_are_not_read_as_something_else(
    stored: dict[str, Stored], name: str, old: str, new: str, tmp_path: Path
) -> None:
    file = stored[name]
    header, tensors = parts(file.path)
    path = forged(tmp_path / file.path.name, header.replace(old, new), tensors)
    assert old in header
    assert refusal(path, lambda: file.content(path))


HUGE = ("-1", "1e3", "1.5", "null", "[]", str(2**63), str(2**64 - 1), str(2**64), "9" * 5000)


@pytest.mark.parametrize("name", ["network", "cache"])
def test_huge_or_odd_numbers_in_a_header_are_refused(stored: dict[str, Stored], name: str, tmp_path: Path) -> None:
    file = stored[name]
    header, tensors = parts(file.path)
    path, shapes = tmp_path / file.path.name, header.index('"shape"')
    for number in HUGE:
        start = header.index("[", shapes) + 1
        for begin in (start, header.index("[", start) + 1):  # of the shape, of the place in the file
            end = min(header.index(sign, begin) for sign in ",]" if sign in header[begin:])
            forged(path, header[:begin] + number + header[end:], tensors)
            assert refusal(path, lambda: file.content(path))


@pytest.mark.parametrize("name", ["network", "cache"])
@pytest.mark.parametrize("header", ["", "{}", "[]", "[" * 100_000, '{"a":' * 100_000, '{"__metadata__": 3}'])
def test_headers_of_something_else_are_refused(
    stored: dict[str, Stored], name: str, header: str, tmp_path: Path
) -> None:
    file = stored[name]
    path = forged(tmp_path / file.path.name, header, parts(file.path)[1])
    assert refusal(path, lambda: file.content(path))


@pytest.mark.parametrize("name", ["network", "cache"])
@pytest.mark.parametrize("length", [0, 1, 7, 10_000_000, 2**31, 2**63, 2**64 - 1])
def test_headers_of_another_length_are_refused(
    stored: dict[str, Stored], name: str, length: int, tmp_path: Path
) -> None:
    file, path = stored[name], tmp_path / stored[name].path.name
    path.write_bytes(length.to_bytes(8, "little") + file.path.read_bytes()[8:])
    assert refusal(path, lambda: file.content(path))


def test_tensors_that_overlap_are_refused(stored: dict[str, Stored], tmp_path: Path) -> None:
    file = stored["cache"]
    header, tensors = parts(file.path)
    content = json.loads(header)
    content["terminated"]["data_offsets"] = content["actions"]["data_offsets"]
    content["terminated"]["dtype"] = "U8"
    path = forged(tmp_path / file.path.name, json.dumps(content), tensors)
    assert refusal(path, lambda: file.content(path))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace('"length": 120', '"length": ' + "9" * 5000, 1),
        lambda text: text.replace('"length": 120', '"length": 1e999', 1),
        lambda text: text.replace('"length": 120', '"length": 121', 1),
        lambda text: text.replace('"schema": 2', '"schema": 2.0'),
        lambda text: text.replace('"schema": 2', '"schema": "1\\n2"'),
        lambda text: text.replace('"schema": 2', '"schema": [[2]]'),
        lambda text: text.replace("held_random", "held_randon", 1),
        lambda text: text.replace("held_random", "held_rando\udce9", 1),
        lambda text: "[" * 100_000,
        lambda text: '{"schema": 2, "sha256": ' + "[" * 100_000,
        lambda text: "null",
        lambda text: text + "{}",
    ],
)  # fmt: skip
def test_a_manifest_of_something_else_is_refused(
    stored: dict[str, Stored], change: Callable[[str], str], tmp_path: Path
) -> None:
    text = stored["manifest"].path.read_text()
    changed, path = change(text), tmp_path / "manifest.json"
    assert changed != text
    path.write_bytes(changed.encode(errors="surrogateescape"))
    assert refusal(path, lambda: read_manifest(tmp_path))


@pytest.fixture
def data(episodes: Path, tokenizer: Tokenizer, tmp_path: Path) -> LatentDataModule:
    """A data module over copies of the episodes and of nothing else."""
    return latent_data(shutil.copytree(episodes, tmp_path / "episodes"), tokenizer, tmp_path / "latents")


def damage_bit(path: Path, seed: int = 0) -> None:
    path.write_bytes(flip(path.read_bytes(), np.random.default_rng(seed))[0])


def assert_serves_nothing(data: LatentDataModule, path: Path) -> None:
    for _ in range(2):  # nothing is left behind that a second try would take
        assert refusal(path, lambda: data.setup("fit"))
    assert not hasattr(data, "train_starts")


def test_a_damaged_episode_is_never_encoded(data: LatentDataModule, tmp_path: Path) -> None:
    damage_bit(data.folder / "episode_000003.h5")
    assert_serves_nothing(data, data.folder / "episode_000003.h5")
    assert not [*(tmp_path / "latents").glob("*.safetensors")]


def test_a_damaged_manifest_is_never_trained_on(data: LatentDataModule) -> None:
    damage_bit(data.folder / "manifest.json")
    assert_serves_nothing(data, data.folder / "manifest.json")


def test_a_damaged_cache_is_never_trained_on(data: LatentDataModule) -> None:
    data.prepare_data()
    (path,) = data.cache_folder.glob("*.safetensors")
    raw = path.read_bytes()
    for damage in DAMAGES:
        path.write_bytes(damage(raw, np.random.default_rng(0))[0])
        assert_serves_nothing(data, path)
    path.write_bytes(raw)
    data.setup("fit")
    assert len(next(iter(data.train_dataloader())).codes)


def test_a_damaged_episode_is_no_frames_to_train_on(episodes: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(episodes, tmp_path / "episodes")
    damage_bit(folder / "episode_000003.h5")
    elsewhere = pac_man_recording(tmp_path / "never_recorded")
    data = FrameDataModule(str(folder), elsewhere, 2, 2, 2, 0.2, 10, 0, 0, None)
    assert refusal(folder / "episode_000003.h5", lambda: data.setup("fit"))


@pytest.mark.parametrize("damage", [flip, cut], ids=["flip", "cut"])
def test_training_does_not_go_on_from_a_damaged_checkpoint(
    damage: Damage, stored: dict[str, Stored], episodes: Path, tokenizer_path: Path, tmp_path: Path
) -> None:
    folder, chosen = tmp_path / "run", ["experiment=gru_baseline", "report=none"]
    last = folder / "checkpoints" / "last.ckpt"
    last.parent.mkdir(parents=True)
    damaged, _ = damage(stored["checkpoint"].path.read_bytes(), np.random.default_rng(0))
    last.write_bytes(damaged)
    small = small_overrides(compose_config("train", chosen), episodes, tokenizer_path, tmp_path / "outputs")
    with hydra_run("train", folder, [*chosen, *small]) as config:
        assert refusal(last, lambda: train(config))
    assert last.read_bytes() == damaged
    assert not (folder / "result.json").exists()
