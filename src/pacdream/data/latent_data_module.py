"""Windows of latent steps for the world models."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import cache as cache_calls
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from pacdream.core.files import write_json
from pacdream.core.limits import Positive, Seed, Share
from pacdream.data.batches import GatheredDataset, ResumableDataModule, evenly, gathered_loader, place
from pacdream.data.episode_store import check_same_game, read_manifest
from pacdream.data.find_episodes import find_or_record, read_recorded
from pacdream.data.held_out import HeldOut, HeldOutSteps
from pacdream.data.latent_cache import LatentCache, check_fit, identity_of, open_or_encode
from pacdream.data.memory import announce
from pacdream.data.origin import Origin
from pacdream.data.recording import Recording
from pacdream.data.repeated_windows import check_new_actions, check_rare, with_new_actions, with_rare_ones
from pacdream.data.split import EpisodeSplit, split_episodes
from pacdream.game.game import Game
from pacdream.game.games import game_of
from pacdream.metric.copies import BestCopy, fit_best_copy
from pacdream.tokenizer.base import Tokenizer
from pacdream.types import HeldOutBatch, LatentBatch

log = logging.getLogger(__name__)


class LatentDataModule(ResumableDataModule):
    """Encodes episodes once, keeps all codes on the training device and gathers batches there."""

    memory: int | None = None
    """Grids that the world model can use, none for all: validation shows it so many before each held-out step."""

    def __init__(
        self,
        episodes: str,
        recording: Recording,
        tokenizer: Tokenizer,
        cache: str,
        context_length: Positive,
        batch_size: Positive,
        val_batch_size: Positive,
        encode_batch_size: dict[str, Positive],
        val_fraction: Share,
        split_seed: Seed,
        seed: Seed,
        limit: Positive | None,
        train_episodes: Positive | None = None,
        more_episodes: Sequence[str] = (),
        mirror: bool = False,
        rare: dict[str, float] | None = None,
        new_actions: dict[str, float] | None = None,
    ) -> None:
        """Configure; nothing is read yet.

        Args:
            episodes: folder of episodes; recorded first if it does not exist.
            recording: what to record then.
            tokenizer: frozen.
            cache: folder of the latent caches.
            context_length: steps per training window, T; 1 makes triplets.
            batch_size: windows per training batch.
            val_batch_size: held-out steps per validation batch, all of one episode.
            encode_batch_size: frames per batch of the tokenizer, by the type of the device.
            val_fraction: share of the episodes held out; 1 to measure only.
            split_seed: decides which.
            seed: decides the order of the batches.
            limit: use only so many training windows, evenly spread (to overfit or to try something); none for all.
            train_episodes: train on so many of the training episodes only, evenly spread; none for all.
            more_episodes: folders of further episodes to train on, such as a planner's games.
            mirror: train on the mirror images of all training episodes as well: a maze is as good the other way round.
            rare: repeats windows with a rare event until they are a ``share`` of all: a life lost, or so many
                ``points`` earned, in their last ``steps`` steps; none to take every window once.
            new_actions: repeats windows in whose last ``steps`` steps an action is another than the one before until
                they are a ``share`` of all, after the rare ones; none to take every window once.

        Raises:
            ValueError: rare events or new actions are not described by those numbers, or one is out of range.
        """
        super().__init__()
        check_rare(rare)
        check_new_actions(new_actions, context_length)
        self.rare, self.new_actions = rare, new_actions
        self.folder, self.cache_folder = Path(episodes), Path(cache)
        self.more, self.mirror = [Path(folder) for folder in more_episodes], mirror
        self.recording, self.tokenizer = recording, tokenizer
        self.context_length, self.limit, self.train_episodes = context_length, limit, train_episodes
        self.batch_size, self.val_batch_size = batch_size, val_batch_size
        self.encode_batch_size = encode_batch_size
        self.val_fraction, self.split_seed, self.seed = val_fraction, split_seed, seed
        self.device = torch.device("cpu")

    def refuse_repeats(self, reason: str) -> None:
        """For networks that do not learn from windows.

        Raises:
            ValueError: some windows are to be repeated.
        """
        for name in ("rare", "new_actions"):
            if getattr(self, name) is not None:
                raise ValueError(f"data.{name} is for world models: {reason}")

    def facts(self) -> dict[str, Any]:
        """What a world model must know of data and tokenizer, in plain numbers."""
        manifest = find_or_record(self.folder, self.recording)
        for found in (manifest, *map(read_recorded, self.more)):
            check_fit(self.tokenizer, found)
        return {
            "grid_shape": list(self.tokenizer.grid_shape),
            "codebook_size": self.tokenizer.codebook_size,
            "num_actions": manifest.num_actions,
        }

    @cached_property
    def origin(self) -> Origin:
        """What is trained on and held out; as it was when first asked for, whatever is recorded since."""
        manifest = read_manifest(self.folder)
        tokenizer = identity_of(self.tokenizer, manifest).tokenizer
        split = self._split(len(manifest.episodes))
        return Origin.of(manifest, split, [read_recorded(folder) for folder in self.more], tokenizer=tokenizer)

    def identities(self) -> dict[str, str]:
        """Hashes of what the codes are made from."""
        return dict(self.origin.identities)

    @property
    def game(self) -> Game:
        """What is known of the game that was recorded."""
        return game_of(read_manifest(self.folder).settings.get("env", {}))

    def prepare_data(self) -> None:
        """Record what is missing and encode what is not cached, on the trainer's device."""
        if self.trainer is not None:
            self.device = self.trainer.strategy.root_device
        self._open()

    def setup(self, stage: str) -> None:
        """Open the cache, split it and move it to the trainer's device."""
        if self.trainer is not None:
            self.device = self.trainer.strategy.root_device
        cache = self.cache = self._open()
        self.own = self._split(self._count)
        self.tokenizer.to(self.device)
        announce(f"{len(cache.codes)} latent frames", cache.codes.nbytes + cache.actions.nbytes, "use fewer episodes")
        self.split = self._split_of(cache)
        self._store_split(cache)
        self.train_starts = cache.window_starts(self.split.train, self.context_length)
        self.val_starts = cache.window_starts(self.split.val, 1)
        if stage == "fit" and not self.own.train:
            raise ValueError(
                f"data.val_fraction={self.val_fraction} leaves none of data.episodes to train on: choose less"
            )
        if stage == "fit" and not len(self.train_starts):
            raise ValueError(f"no episode is longer than data.context_length={self.context_length} steps")
        if stage == "fit" and self.rare is not None:
            self.train_starts = with_rare_ones(cache, self.train_starts, self.context_length, self.rare)
        if stage == "fit" and self.new_actions is not None:
            self.train_starts = with_new_actions(cache, self.train_starts, self.context_length, self.new_actions)
        self.train_starts = evenly(self.train_starts, self.limit)
        # Signed: some devices cannot compare unsigned integers of two bytes.
        signed = {torch.uint16: torch.int16 if self.tokenizer.codebook_size <= 2**15 else torch.int32}
        codes = cache.codes.to(signed.get(cache.codes.dtype, cache.codes.dtype))
        self.codes, self.actions = codes.to(self.device), cache.actions.to(self.device)
        self.best_copy = cache_calls(self._fit_best_copy)
        log.info("%d training windows and %d validation steps", len(self.train_starts), len(self.val_starts))

    def train_dataloader(self) -> DataLoader[LatentBatch]:
        """Shuffled windows of the training episodes."""
        starts = self.train_starts
        dataset = GatheredDataset(len(starts), lambda i: self.windows(starts[i], self.context_length))
        return self.resumed(gathered_loader(dataset, self.batch_size, True, self.seed, *place(self.trainer)))

    def val_dataloader(self) -> DataLoader[HeldOutBatch]:
        """Every step of the validation episodes once, in order, with all of the past that the model can use."""
        steps = HeldOutSteps(self.held_out(), self.val_batch_size, *place(self.trainer))
        # A generator of its own: how often is validated does not change what is trained.
        return DataLoader(steps, batch_size=None, shuffle=False, generator=torch.Generator())

    def windows(self, starts: Tensor, length: int) -> LatentBatch:
        """Windows of ``length`` steps that begin at these frames (B,)."""
        index = starts.to(self.device)[:, None] + torch.arange(length + 1, device=self.device)
        return LatentBatch(codes=self.codes[index].long(), actions=self.actions[index[:, :-1]].long())

    def episode(self, number: int) -> tuple[Tensor, Tensor]:
        """Grids (N, h, w) and actions (N - 1,) of one episode."""
        first, end = int(self.cache.starts[number]), int(self.cache.starts[number + 1])
        return self.codes[first:end], self.actions[first : end - 1]

    def held_out(self) -> HeldOut:
        """The validation episodes as sequences."""
        episodes = [self.episode(number) for number in self.split.val]
        return HeldOut(episodes, self.memory, self.best_copy(1))

    def train_codes(self) -> Tensor:
        """Grids (N, h, w) of all frames of the training episodes, without further ones and mirror images."""
        frames = self.cache.window_starts(self.own.train, 0)
        return self.codes[frames.to(self.device)]

    def _fit_best_copy(self, horizon: int) -> BestCopy:
        """copy* as the training episodes choose it, or the held-out ones if there are no others."""
        episodes = (self.episode(number)[0] for number in self.own.train or self.own.val)
        return fit_best_copy(episodes, self.tokenizer.grid_shape, horizon, self.game.blink_period)

    @property
    def encode_batch(self) -> int:
        """Frames per batch of the tokenizer on this device."""
        return self.encode_batch_size.get(self.device.type, self.encode_batch_size["cpu"])

    def _open(self) -> LatentCache:
        """The codes of the episodes, then those of further ones, then those of the mirror images of all."""
        manifest = find_or_record(self.folder, self.recording)
        found = [(self.folder, manifest), *((folder, read_recorded(folder)) for folder in self.more)]
        self.origin.check_unchanged(found)
        self._count = len(manifest.episodes)
        for folder, other in found:
            check_same_game(manifest, other, folder)
        open_one = partial(
            open_or_encode,
            self.cache_folder,
            tokenizer=self.tokenizer,
            device=self.device,
            batch_size=self.encode_batch,
        )
        caches = [
            open_one(episodes=folder, manifest=other, mirrored=mirrored)
            for mirrored in ((False, True) if self.mirror else (False,))
            for folder, other in found
        ]
        return LatentCache.joined(*caches)

    def _split(self, count: int) -> EpisodeSplit:
        """Of so many episodes in the folder, some are held out and of the others as many trained on as wanted."""
        split = split_episodes(count, self.val_fraction, self.split_seed)
        kept = evenly(torch.arange(len(split.train)), self.train_episodes).tolist()
        return replace(split, train=tuple(split.train[i] for i in kept))

    def _split_of(self, cache: LatentCache) -> EpisodeSplit:
        """The same of all that has been opened: further episodes are trained on, and so are the mirror images."""
        count = len(cache.starts) - 1
        originals = count // 2 if self.mirror else count
        split = self._split(self._count)
        train = (*split.train, *range(self._count, originals))
        return replace(split, train=(*train, *(originals + i for i in train)) if self.mirror else train)

    def _store_split(self, cache: LatentCache) -> None:
        """Write which episodes are held out beside the cache."""
        name = f"{cache.identity.key}.split_{self.val_fraction:g}_{self.split_seed}.json"
        split = split_episodes(self._count, self.val_fraction, self.split_seed)
        if not (self.cache_folder / name).exists():
            write_json(self.cache_folder / name, {"train": split.train, "val": split.val})
