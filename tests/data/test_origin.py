from dataclasses import replace
from pathlib import Path

import pytest

from pacdream.data.origin import Origin, check_fresh, check_same_origin
from tests.conftest import latent_data
from tests.counter_tokenizer import CounterTokenizer
from tests.data.test_alignment import record_counter_episodes

ORIGIN = Origin({"episodes": "e" * 64, "tokenizer": "t" * 64}, ("a", "b", "c"), ("d",))
CHECKPOINT = Path("best.ckpt")


def test_an_origin_survives_the_checkpoint() -> None:
    assert Origin.read(ORIGIN.stored()) == ORIGIN


def test_a_checkpoint_of_before_says_nothing_of_its_episodes() -> None:
    old = Origin.read({"made_from": {"episodes": "e" * 64}})
    assert (old.train, old.val) == (None, ())
    assert old.seen(["a", "b"]) == 0


def test_the_same_origin_goes_on() -> None:
    check_same_origin(CHECKPOINT, ORIGIN, ORIGIN)
    check_same_origin(CHECKPOINT, Origin.read({}), ORIGIN)


@pytest.mark.parametrize("what", ["episodes", "tokenizer"])
def test_other_data_are_named(what: str) -> None:
    other = replace(ORIGIN, identities={**ORIGIN.identities, what: "f" * 64})
    with pytest.raises(ValueError, match=rf"^best\.ckpt was trained with other {what} \({'f' * 12}…\)"):
        check_same_origin(CHECKPOINT, other, ORIGIN)


def test_another_split_is_counted() -> None:
    other = replace(ORIGIN, train=("a", "b", "d"), val=("c",))
    with pytest.raises(ValueError, match=r"trained on 1 of the episodes that are held out here: .*data\.split_seed"):
        check_same_origin(CHECKPOINT, other, ORIGIN)


def test_episodes_that_are_recorded_later_do_not_change_what_was_trained_on(tmp_path: Path) -> None:
    record_counter_episodes(tmp_path / "episodes", [5] * 4)
    data = latent_data(tmp_path / "episodes", CounterTokenizer(), tmp_path / "cache")
    data.setup("fit")
    before = data.origin.stored()
    record_counter_episodes(tmp_path / "episodes", [5] * 9)
    assert data.origin.stored() == before
    assert data.identities() == before["made_from"]
    assert latent_data(tmp_path / "episodes", CounterTokenizer(), tmp_path / "cache").identities() != data.identities()


def test_episodes_that_change_while_a_run_begins_are_refused(tmp_path: Path) -> None:
    record_counter_episodes(tmp_path / "episodes", [5] * 4)
    data = latent_data(tmp_path / "episodes", CounterTokenizer(), tmp_path / "cache")
    assert data.identities()
    record_counter_episodes(tmp_path / "episodes", [5] * 9)
    with pytest.raises(ValueError, match="have changed since this command began: run it again"):
        data.setup("fit")


def test_further_episodes_that_change_while_a_run_begins_are_refused(tmp_path: Path) -> None:
    own, more = tmp_path / "own", tmp_path / "more"
    record_counter_episodes(own, [5] * 4)
    record_counter_episodes(more, [6] * 2)
    data = latent_data(own, CounterTokenizer(), tmp_path / "cache", more_episodes=[str(more)])
    assert data.identities()
    record_counter_episodes(more, [6] * 3)
    with pytest.raises(ValueError, match=f"episodes in {more} have changed since this command began"):
        data.setup("fit")
    record_counter_episodes(more, [])
    again = latent_data(own, CounterTokenizer(), tmp_path / "cache", more_episodes=[str(more)])
    with pytest.raises(ValueError, match=f"no episodes in {more} yet"):
        again.facts()


def test_what_weights_have_seen_before_is_not_forgotten():
    first = Origin({}, ("a1", "a2"), ("a3",))
    second = Origin({}, ("b1",), ("b2",)).after(first)
    third = Origin({}, ("c1",), ("a2",)).after(Origin.read(second.stored()))
    assert third.seen(["a2"]) == 1
    assert third.seen(["b1", "c1", "b2", "a3"]) == 2
    with pytest.raises(ValueError, match="was trained on 1 of the episodes that are held out here"):
        check_fresh(Path("stage2.ckpt"), second, Origin({}, ("c1",), ("a2",)))


def test_weights_may_go_on_with_yet_other_episodes():
    first = Origin({"episodes": "e", "more_episodes": "m1"}, ("a", "m"), ("v",))
    check_fresh(Path("best.ckpt"), first, Origin({"episodes": "e", "more_episodes": "m2"}, ("a", "n"), ("v",)))
    with pytest.raises(ValueError, match="was trained with other tokenizer"):
        check_fresh(Path("best.ckpt"), Origin({"tokenizer": "1"}, ("a",), ()), Origin({"tokenizer": "2"}, ("a",), ()))


def test_other_episodes_to_train_on_are_named_when_going_on():
    was = Origin({}, ("a1", "a2"), ("a3",))
    with pytest.raises(ValueError, match="was trained on other episodes than there are to train on here"):
        check_same_origin(Path("last.ckpt"), was, Origin({}, ("a1",), ("a3",)))
