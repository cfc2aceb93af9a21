import threading
from dataclasses import replace

import pytest
import torch

from pacdream.data import latent_cache
from pacdream.data.episode_store import read_episodes
from pacdream.data.latent_cache import (
    cache_path,
    check_fit,
    code_dtype,
    encode,
    encode_episode,
    identity_of,
    open_or_encode,
    read_cache,
)
from tests.counter_tokenizer import CounterTokenizer
from tests.data.test_alignment import record_counter_episodes

CPU = torch.device("cpu")
TENSORS = ("codes", "actions", "rewards", "terminated", "lives", "starts")


@pytest.fixture(scope="module")
def counter(tmp_path_factory):
    """Folder and manifest of two short episodes of the counting game."""
    folder = tmp_path_factory.mktemp("counter") / "episodes"
    return folder, record_counter_episodes(folder, (6, 4))


@pytest.fixture
def open_cache(counter, tmp_path):
    return lambda: open_or_encode(tmp_path / "latents", *counter, CounterTokenizer(), CPU, 4)


@pytest.fixture
def path(counter, tmp_path):
    """Where ``open_cache`` keeps its file."""
    return cache_path(tmp_path / "latents", identity_of(CounterTokenizer(), counter[1]))


class LargeCodes(CounterTokenizer):
    """The same codes, above those that fit a byte."""

    SHIFT = 40_000

    def __init__(self):
        super().__init__()
        self.codebook_size = 2**16
        self.recipe = {"_target_": "tests.LargeCodes"}

    def encode(self, frames):
        return super().encode(frames) + self.SHIFT


def encode_counter(counter, batch_size):
    tokenizer = CounterTokenizer()
    return encode(*counter, tokenizer, identity_of(tokenizer, counter[1]), CPU, batch_size)


def assert_equal(one, other):
    assert one.identity == other.identity
    assert all(torch.equal(getattr(one, name), getattr(other, name)) for name in TENSORS)


def test_cache_survives_the_disk(counter, open_cache):
    assert_equal(open_cache(), encode_counter(counter, batch_size=4))


def test_second_open_does_not_encode(open_cache, monkeypatch):
    first = open_cache()
    monkeypatch.setattr(latent_cache, "encode", lambda *args: 1 / 0)
    assert_equal(open_cache(), first)


@pytest.mark.parametrize("batch_size", [1, 3, 1000])
def test_codes_do_not_depend_on_the_batch_size(counter, batch_size):
    assert_equal(encode_counter(counter, batch_size), encode_counter(counter, 4))


def test_codes_of_a_vqvae_do_not_depend_on_the_batch_size(tokenizer):
    frames = torch.randint(256, (24, *tokenizer.frame_shape), dtype=torch.uint8)
    small, large = (torch.cat(list(encode_episode(tokenizer, frames, CPU, size))) for size in (5, 24))
    assert len(small.unique()) > 1
    assert torch.equal(small, large)


@pytest.mark.parametrize(
    ("size", "dtype"), [(2, torch.uint8), (256, torch.uint8), (257, torch.uint16), (2**16, torch.uint16)]
)
def test_codes_take_the_smallest_integer_that_holds_the_codebook(size, dtype):
    assert code_dtype(size) == dtype


def test_large_codes_survive_the_disk(counter, tmp_path):
    folder, manifest = counter
    tokenizer = LargeCodes()
    cache = open_or_encode(tmp_path, folder, manifest, tokenizer, CPU, 4)
    small = encode_counter(counter, 4)
    assert cache.codes.dtype == torch.uint16
    assert torch.equal(cache.codes.long(), small.codes.long() + LargeCodes.SHIFT)


def test_a_codebook_of_more_than_two_bytes_is_refused():
    with pytest.raises(ValueError, match="codebook of 65537 codes does not fit"):
        code_dtype(2**16 + 1)


def test_lives_are_those_of_each_frame(counter):
    folder, manifest = counter
    lives = [episode.lives for episode in read_episodes(folder, manifest)]
    assert encode_counter(counter, 4).lives.tolist() == [int(n) for episode in lives for n in episode]


@pytest.mark.parametrize("position", [0, 20, 400, -1])
def test_flipped_bit_is_noticed_and_the_file_named(open_cache, path, position):
    open_cache()
    raw = bytearray(path.read_bytes())
    raw[position] ^= 1
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=f"the latent cache {path} "):
        open_cache()


@pytest.mark.parametrize("size", [0, 7, 100, -1])
def test_truncated_file_is_noticed_and_named(open_cache, path, size):
    open_cache()
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ValueError, match=f"the latent cache {path} is damaged"):
        open_cache()


@pytest.mark.parametrize("kind", ["tokenizer", "episodes"])
def test_cache_of_something_else_is_refused_naming_both(counter, open_cache, path, kind):
    found = identity_of(CounterTokenizer(), counter[1])
    wanted = replace(found, **{kind: "0123456789abcdef"})
    open_cache()
    with pytest.raises(ValueError, match=f"other {kind} {getattr(found, kind)[:12]}… instead of 0123456789ab…"):
        read_cache(path, wanted)


def test_other_weights_and_other_episodes_have_another_cache(counter, tmp_path):
    tokenizer, same = CounterTokenizer(), CounterTokenizer()
    tokenizer.palette_indices[0] = 1
    other = record_counter_episodes(tmp_path, (6, 4), seed=1)
    keys = {identity_of(*pair).key for pair in ((tokenizer, counter[1]), (same, counter[1]), (same, other))}
    assert len(keys) == 3


def test_tokenizer_of_other_frames_does_not_fit(manifest):
    with pytest.raises(ValueError, match=r"frames of \(64, 64\) pixels, the episodes have \(210, 160\)"):
        check_fit(CounterTokenizer(), manifest)


def test_tokenizer_of_another_palette_does_not_fit(counter):
    tokenizer = CounterTokenizer()
    tokenizer.palette_indices = torch.tensor([0, 2], dtype=torch.uint8)
    with pytest.raises(ValueError, match="never seen"):
        check_fit(tokenizer, counter[1])


@pytest.mark.parametrize("unknown", [0, 1, 10])
def test_a_colour_in_a_hundred_may_be_new_but_is_told_of(counter, unknown, caplog):
    check_fit(*with_unknown_colours(counter[1], unknown))
    assert ("new to the tokenizer" in caplog.text) == (unknown > 0)


def test_more_than_one_new_colour_in_a_hundred_is_refused(counter):
    with pytest.raises(ValueError, match="1% of the pixels have a colour that the tokenizer has never seen"):
        check_fit(*with_unknown_colours(counter[1], 11))


def with_unknown_colours(manifest, count):
    """A tokenizer that knows the colours 0 and 2, and episodes of 1,000 pixels of which so many have another."""
    tokenizer = CounterTokenizer()
    tokenizer.palette_indices = torch.tensor([0, 2], dtype=torch.uint8)
    colours = {"0": 500, "2": 500 - count, "4": count}
    return tokenizer, replace(manifest, episodes=(replace(manifest.episodes[0], colours=colours),))


def test_folder_that_cannot_be_written_is_named(counter, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=f"cannot write to {tmp_path}/file/latents"):
        open_or_encode(tmp_path / "file" / "latents", *counter, CounterTokenizer(), CPU, 4)


def test_of_two_concurrent_openers_one_encodes(open_cache, monkeypatch):
    calls, opened = [], []
    other = threading.Thread(target=lambda: opened.append(open_cache()))

    def encode_while_another_opens(*args):
        calls.append(args)
        if len(calls) == 1:
            other.start()
            other.join(timeout=0.3)
        return encode(*args)

    monkeypatch.setattr(latent_cache, "encode", encode_while_another_opens)
    opened.append(open_cache())
    other.join(timeout=10)
    assert len(calls) == 1
    assert_equal(*opened)
