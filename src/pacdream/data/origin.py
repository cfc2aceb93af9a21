"""What a network was trained on and what was held out from it, by content: part of every checkpoint."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pacdream.core.files import sha256_of
from pacdream.data.episode_store import Manifest
from pacdream.data.split import EpisodeSplit


@dataclass(frozen=True)
class Origin:
    """Identities that do not change when files are moved, and do when they are extended or made anew."""

    identities: Mapping[str, str]
    """SHA-256 of the episodes as a whole and, behind a tokenizer, of it."""
    train: tuple[str, ...] | None
    """SHA-256 of each episode trained on; nothing in a checkpoint that does not say."""
    val: tuple[str, ...]
    """SHA-256 of each episode held out."""

    before: tuple[str, ...] = ()
    """SHA-256 of each episode that the weights it began with were trained on."""

    @staticmethod
    def of(manifest: Manifest, split: EpisodeSplit, more: Sequence[Manifest] = (), **identities: str) -> "Origin":
        """Of the episodes in a manifest, split, and of ``more``, all trained on; ``identities`` are added to theirs.

        Raises:
            ValueError: some of ``more`` are held out, or a folder is named twice.
        """
        train, val = (tuple(manifest.episodes[i].sha256 for i in numbers) for numbers in (split.train, split.val))
        if len({manifest.sha256, *(other.sha256 for other in more)}) <= len(more):
            raise ValueError("data.more_episodes names the same episodes twice: name each folder once")
        further = tuple(entry.sha256 for other in more for entry in other.episodes)
        if held_out := len({*further}.intersection(val)):
            raise ValueError(f"{held_out} of the episodes in data.more_episodes are held out here: train on others")
        found = {"episodes": manifest.sha256, **identities}
        if more:
            found["more_episodes"] = sha256_of(*(other.sha256 for other in more))
        return Origin(found, train + further, val)

    @staticmethod
    def read(checkpoint: Mapping[str, Any]) -> "Origin":
        """From what ``stored`` has put into a checkpoint."""
        split = checkpoint.get("split", {})
        train = tuple(split["train"]) if "train" in split else None
        made_from = dict(checkpoint.get("made_from", {}))
        return Origin(made_from, train, tuple(split.get("val", ())), tuple(split.get("before", ())))

    def stored(self) -> dict[str, Any]:
        """As plain values, to put into a checkpoint."""
        split = {"train": list(self.train or ()), "val": list(self.val), "before": list(self.before)}
        return {"made_from": dict(self.identities), "split": split}

    def after(self, weights: "Origin") -> "Origin":
        """The same of a network that begins with weights of another origin."""
        return replace(self, before=tuple(sorted({*weights.before, *(weights.train or ())})))

    def seen(self, episodes: Iterable[str]) -> int:
        """How many of these episodes were trained on, before or after."""
        return len({*(self.train or ()), *self.before}.intersection(episodes))

    def check_unchanged(self, found: Sequence[tuple[Path, Manifest]]) -> None:
        """Refuse folders whose episodes are not those of this origin any more: the first, then those of ``more``.

        Raises:
            ValueError: somebody has recorded into one since.
        """
        (folder, manifest), *more = found
        there = {"episodes": manifest.sha256, "more_episodes": sha256_of(*(other.sha256 for _, other in more))}
        folders = {"episodes": str(folder), "more_episodes": ", ".join(str(folder) for folder, _ in more)}
        for what, identity in there.items():
            if identity != self.identities.get(what, identity):
                raise ValueError(f"the episodes in {folders[what]} have changed since this command began: run it again")


def check_same_origin(checkpoint: Path, was: Origin, now: Origin) -> None:
    """Refuse to go on from a checkpoint with other episodes, another tokenizer or another split of the same episodes.

    Raises:
        ValueError: names what differs.
    """
    _check_same(checkpoint, was, now, now.identities)
    if was.train not in (None, now.train):
        if seen := was.seen(now.val):
            raise _seen(checkpoint, seen)
        raise ValueError(
            f"{checkpoint} was trained on other episodes than there are to train on here: choose the "
            "data.train_episodes and data.more_episodes that it was trained with"
        )


def check_fresh(checkpoint: Path, was: Origin, now: Origin) -> None:
    """Refuse weights to begin with that know the episodes held out now, or codes of another tokenizer.

    Other episodes to train on are welcome: those of a player who has planned with these weights, say.

    Raises:
        ValueError: names what differs.
    """
    episodes = {"episodes", "more_episodes"} if was.train is not None else set()
    _check_same(checkpoint, was, now, now.identities.keys() - episodes)
    if seen := was.seen(now.val):
        raise _seen(checkpoint, seen)


def _check_same(checkpoint: Path, was: Origin, now: Origin, kinds: Iterable[str]) -> None:
    for what in kinds:
        identity = now.identities[what]
        if (trained := was.identities.get(what, identity)) != identity:
            raise ValueError(
                f"{checkpoint} was trained with other {what} ({trained[:12]}…) than are here now ({identity[:12]}…)"
            )


def _seen(checkpoint: Path, count: int) -> ValueError:
    return ValueError(
        f"{checkpoint} was trained on {count} of the episodes that are held out here: choose the "
        "data.val_fraction and data.split_seed that it was trained with"
    )
