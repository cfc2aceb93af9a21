"""Episodes as codes: computed once with the frozen tokenizer, then memory-mapped."""

import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors import safe_open
from torch import Tensor

from pacdream.core.checkpoints import tensors_sha256, weights_sha256, write_tensors
from pacdream.core.files import locked, one_line, sha256_of
from pacdream.data.episode_store import Manifest, read_episodes
from pacdream.data.mirror import mirror
from pacdream.tokenizer.base import Tokenizer

log = logging.getLogger(__name__)

SCHEMA = 3
_BY_FRAME = ("codes", "actions", "rewards", "terminated", "lives")


@dataclass(frozen=True)
class CacheIdentity:
    """What a cache was computed from. Two caches with the same identity hold the same codes."""

    tokenizer: str
    """SHA-256 of the tokenizer's recipe and weights."""
    episodes: str
    """SHA-256 of all episodes, in order."""
    preprocessing: str
    """What happens between file and tokenizer."""

    @property
    def key(self) -> str:
        """Short name of the cache."""
        return sha256_of(self.tokenizer, self.episodes, self.preprocessing)[:16]


@dataclass(frozen=True)
class LatentCache:
    """Codes of all frames of all episodes, one episode after the other (``N`` frames in all)."""

    identity: CacheIdentity
    codes: Tensor
    """(N, h, w) uint8, or uint16 for codebooks of more than 256 codes."""
    actions: Tensor
    """(N,) uint8, the action chosen on seeing this frame; 0 at an episode's last frame, which has none."""
    rewards: Tensor
    """(N,) float32, the points that this action earned."""
    terminated: Tensor
    """(N,) bool, the game was over after this action."""
    lives: Tensor
    """(N,) uint8, lives left in this frame."""
    starts: Tensor
    """(E+1,) int64, number of the first frame of each episode, and N."""

    @staticmethod
    def joined(*caches: "LatentCache") -> "LatentCache":
        """The episodes of one cache after those of the other, under the identity of the first."""
        if len(caches) == 1:
            return caches[0]
        starts, end = [caches[0].starts], caches[0].starts[-1]
        for cache in caches[1:]:
            starts.append(cache.starts[1:] + end)
            end = starts[-1][-1]
        columns = {name: torch.cat([getattr(cache, name) for cache in caches]) for name in _BY_FRAME}
        return LatentCache(caches[0].identity, **columns, starts=torch.cat(starts))

    def window_starts(self, episodes: tuple[int, ...], length: int) -> Tensor:
        """Numbers (M,) int32 of all frames of these episodes that ``length`` further frames of the same one follow."""
        bounds = [(int(self.starts[e]), int(self.starts[e + 1]) - length) for e in episodes]
        parts = [torch.arange(first, max(first, end), dtype=torch.int32) for first, end in bounds]
        return torch.cat([torch.arange(0, dtype=torch.int32), *parts])


def identity_of(tokenizer: Tokenizer, manifest: Manifest, mirrored: bool = False) -> CacheIdentity:
    """Identity of the cache of these episodes, or of their mirror images, under this tokenizer."""
    preprocessing = f"schema {SCHEMA}, {tokenizer.num_frames} frame(s), first frame repeated"
    preprocessing += ", left and right exchanged" if mirrored else ""
    return CacheIdentity(weights_sha256(tokenizer), manifest.sha256, preprocessing)


def check_fit(tokenizer: Tokenizer, manifest: Manifest) -> None:
    """Refuse a tokenizer that was made for other pictures.

    Raises:
        ValueError: the frame size differs, or more than 1 % of the pixels have a colour it has never seen.
    """
    if tuple(tokenizer.frame_shape) != tuple(manifest.frame_shape):
        raise ValueError(
            f"the tokenizer reads frames of {tuple(tokenizer.frame_shape)} pixels, the episodes have "
            f"{tuple(manifest.frame_shape)}: train another with `python train.py experiment=vqvae`"
        )
    counts = torch.from_numpy(manifest.colour_counts())
    known = counts[tokenizer.palette_indices.long().cpu()].sum()  # it may be on a GPU by now
    unknown = 1 - float(known / counts.sum())
    if unknown > 0.01:
        raise ValueError(
            f"{unknown:.0%} of the pixels have a colour that the tokenizer has never seen (is it of another game?): "
            "train one on these episodes with `python train.py experiment=vqvae`"
        )
    if unknown > 0:
        log.warning("%.2e of the pixels have a colour new to the tokenizer: read as the nearest known", unknown)


def open_or_encode(
    folder: Path,
    episodes: Path,
    manifest: Manifest,
    tokenizer: Tokenizer,
    device: torch.device,
    batch_size: int,
    mirrored: bool = False,
) -> LatentCache:
    """Open the cache of these episodes, or encode them first; of several processes one encodes, the others wait.

    ``mirrored`` exchanges left and right, in frames and in actions: what a mirror image of the game would have shown.

    Raises:
        ValueError: tokenizer and episodes do not fit, or the cache is damaged.
    """
    identity = identity_of(tokenizer, manifest, mirrored)
    path = cache_path(folder, identity)
    if not path.exists():
        check_fit(tokenizer, manifest)
        with locked(path.with_suffix(".lock"), f"encoding {path}"):
            if not path.exists():
                log.info("encoding %d steps of %s on %s", manifest.num_steps, episodes, device)
                write_cache(path, encode(episodes, manifest, tokenizer, identity, device, batch_size, mirrored))
    return read_cache(path, identity)


def cache_path(folder: Path, identity: CacheIdentity) -> Path:
    """Where the cache with this identity lies."""
    return folder / f"{identity.key}.safetensors"


@torch.inference_mode()
def encode(
    episodes: Path,
    manifest: Manifest,
    tokenizer: Tokenizer,
    identity: CacheIdentity,
    device: torch.device,
    batch_size: int,
    mirrored: bool = False,
) -> LatentCache:
    """Encode all episodes, one at a time, in batches of ``batch_size`` frames; see ``open_or_encode``."""
    tokenizer = tokenizer.to(device)
    parts: dict[str, list[Tensor]] = {name: [] for name in _BY_FRAME}
    columns = (TextColumn("encoding"), BarColumn(), MofNCompleteColumn(), TextColumn("frames"), TimeRemainingColumn())
    with Progress(*columns) as progress:
        task = progress.add_task("", total=manifest.num_steps + len(manifest.episodes))
        for episode in read_episodes(episodes, manifest):
            if mirrored:
                episode = mirror(episode, manifest.action_names)
            frames = torch.from_numpy(episode.frames)
            for codes in encode_episode(tokenizer, frames, device, batch_size):
                parts["codes"].append(codes)
                progress.update(task, advance=len(codes))
            for name in ("actions", "rewards", "terminated"):
                values = torch.from_numpy(getattr(episode, name))
                parts[name].append(torch.cat([values, values.new_zeros(1)]))
            parts["lives"].append(torch.from_numpy(episode.lives))
    lengths = torch.tensor([0] + [entry.length + 1 for entry in manifest.episodes])
    joined = {name: torch.cat(tensors) for name, tensors in parts.items()}
    return LatentCache(identity, **joined, starts=lengths.cumsum(0))


def encode_episode(tokenizer: Tokenizer, frames: Tensor, device: torch.device, batch_size: int) -> Iterator[Tensor]:
    """Codes (B, h, w) of ``frames`` (T+1, H, W), batch by batch, as the smallest integers that hold the codebook.

    The first frame is paired with itself.

    Raises:
        ValueError: the codebook has more than 65,536 codes.
    """
    dtype = code_dtype(tokenizer.codebook_size)
    history = tokenizer.num_frames - 1
    padded = torch.cat([frames[:1].expand(history, *frames.shape[1:]), frames])
    windows = padded.unfold(0, history + 1, 1).movedim(-1, 1)
    for batch in windows.split(batch_size):
        yield tokenizer.encode(batch.to(device)).cpu().to(dtype)


def code_dtype(codebook_size: int) -> torch.dtype:
    """The smallest unsigned integer that holds codes below ``codebook_size``.

    Raises:
        ValueError: there are more than 65,536.
    """
    if codebook_size > 2**16:
        raise ValueError(f"a codebook of {codebook_size} codes does not fit the latent cache, which holds 65536")
    return torch.uint8 if codebook_size <= 2**8 else torch.uint16


def write_cache(path: Path, cache: LatentCache) -> None:
    """Write a cache, atomically, with a checksum of its content."""
    tensors = _tensors(cache)
    metadata = {"identity": json.dumps(asdict(cache.identity)), "sha256": _checksum(tensors)}
    write_tensors(path, tensors, metadata)


def read_cache(path: Path, identity: CacheIdentity) -> LatentCache:
    """Open a cache, memory-mapped, and check that it is whole and what is wanted.

    Raises:
        ValueError: it is damaged, or was computed from something else; both are named.
    """
    remedy = f"delete {path} and run the command again to encode anew"
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
            found = CacheIdentity(**json.loads(metadata["identity"]))
            checksum = metadata["sha256"]
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except Exception as error:  # whatever a damaged file makes a library raise, the user needs its name
        raise ValueError(f"the latent cache {path} is damaged ({one_line(error)}): {remedy}") from error
    different = [
        f"{k} {str(v)[:12]}… instead of {getattr(identity, k)[:12]}…"
        for k, v in asdict(found).items()
        if v != getattr(identity, k)
    ]
    if different:
        raise ValueError(f"the latent cache {path} belongs to other {', '.join(different)}: {remedy}")
    if _checksum(tensors) != checksum:
        raise ValueError(f"the latent cache {path} is damaged (its checksum does not match): {remedy}")
    return LatentCache(identity, **tensors)


def _checksum(tensors: dict[str, Tensor]) -> str:
    """Of the content, and of the types and shapes as which it must be read."""
    layout = [f"{name} {tensor.dtype} {tuple(tensor.shape)}" for name, tensor in sorted(tensors.items())]
    return tensors_sha256(tensors, *layout)


def _tensors(cache: LatentCache) -> dict[str, Tensor]:
    return {name: getattr(cache, name) for name in (*_BY_FRAME, "starts")}
