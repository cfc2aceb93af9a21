import pytest
import torch

from pacdream.rollout.actor import HeldActor, HeldRandomActor, RandomActor

NAMES = ("NOOP", "UP", "RIGHT", "LEFT", "DOWN")
GRIDS = torch.zeros(300, 7, 5, dtype=torch.int64)


def played(actor, steps: int = 60) -> torch.Tensor:
    return torch.stack([actor(GRIDS) for _ in range(steps)], 1)


@pytest.mark.parametrize(
    "make", [lambda seed: RandomActor(NAMES, seed), lambda seed: HeldRandomActor(NAMES, seed, max_hold=4)]
)
def test_random_actors_honour_their_seed_and_know_all_actions(make) -> None:
    actions = played(make(0))
    assert torch.equal(actions, played(make(0)))
    assert not torch.equal(actions, played(make(1)))
    assert set(actions.unique().tolist()) == set(range(len(NAMES)))


def test_held_actions_change_as_often_as_their_holds_say() -> None:
    actions = played(HeldRandomActor(NAMES, 0, max_hold=4))
    changes = (actions[:, 1:] != actions[:, :-1]).float().mean()
    # A hold lasts 2.5 steps on average, and one new action in five is the old one.
    assert changes == pytest.approx(0.8 / 2.5, abs=0.02)


def test_dreams_hold_their_actions_each_for_itself() -> None:
    actions = played(HeldRandomActor(NAMES, 0, max_hold=8))
    assert len({tuple(row.tolist()) for row in actions}) == len(GRIDS)


def test_a_held_action_stays() -> None:
    assert (played(HeldActor(NAMES, "LEFT")) == 3).all()


def test_an_unknown_action_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"actor\.action='JUMP' is none of .*NOOP, UP"):
        HeldActor(NAMES, "JUMP")


def test_a_hold_below_one_step_is_refused() -> None:
    with pytest.raises(ValueError, match=r"actor\.max_hold=0"):
        HeldRandomActor(NAMES, 0, max_hold=0)
