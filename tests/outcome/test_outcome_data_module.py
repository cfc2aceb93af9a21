import pytest
import torch
from omegaconf import OmegaConf

from pacdream.core.checkpoints import build_model
from pacdream.data.origin import Origin
from pacdream.outcome import dreams
from pacdream.outcome.dreams import Dreams
from pacdream.outcome.outcome_data_module import OutcomeDataModule
from pacdream.outcome.targets import class_of_points
from pacdream.rollout.sampler import Categorical, Greedy
from tests.conftest import TINY_GRU, pac_man_recording
from tests.rollout.scripted import ScriptedWorldModel, stand_still


@pytest.fixture
def make_data(latents):
    def make(dreams=None, **changes):
        settings = {
            "episodes": str(latents.folder), "recording": pac_man_recording(latents.folder.parent / "never_recorded"),
            "tokenizer": latents.tokenizer, "cache": str(latents.cache_folder), "context_length": 1, "batch_size": 8,
            "val_batch_size": 16, "encode_batch_size": {"cpu": 32}, "val_fraction": 0.2, "split_seed": 0, "seed": 0,
            "limit": None, "before": 0, "after": 1, "oversampling": 0.5, "lost_within": [1, 4, 20],
            "max_val_steps": 50, **changes,
        }  # fmt: skip
        return OutcomeDataModule(dreams=dreams, **settings)

    return make


def dreams_of(model, origin=None, sampler=None, **changes):
    model.recipe = getattr(model, "recipe", {})
    settings = {"count": 6, "val_count": 3, "horizon": 5, "context": 4, "batch_size": 4, **changes}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dreams, "load_world_model", lambda _: (model, origin or Origin({}, None, ())))
        return Dreams("a model", sampler or Greedy(), **settings)


def ready(data):
    data.prepare_data()
    data.setup("fit")
    return data


def test_a_window_holds_the_grids_around_its_step_and_what_the_step_earned(make_data):
    data = ready(make_data(before=2, after=1))
    steps = data.train_steps[:20]
    batch = data.batch(steps)
    for row, step in enumerate(steps.tolist()):
        assert torch.equal(batch.codes[row], data.cache.codes[step - 2 : step + 3].long())
        assert batch.actions[row] == data.cache.actions[step]
        assert batch.points[row] == data.cache.rewards[step]
    assert not batch.imagined


def test_validation_has_batches_of_its_own_size(make_data):
    data = ready(make_data(batch_size=8, val_batch_size=16))
    assert len(next(iter(data.train_dataloader())).points) == 8
    assert len(next(iter(data.val_dataloader()[0])).points) == 16


def test_no_window_crosses_the_end_of_an_episode(make_data):
    data = ready(make_data(before=2, after=1))
    episode = torch.searchsorted(data.cache.starts, torch.arange(len(data.cache.codes)), right=True)
    for steps in (data.train_steps, data.val_steps[0]):
        assert torch.equal(episode[steps - 2], episode[steps + 2])
    held_out = {number + 1 for number in data.split.val}
    assert set(episode[data.val_steps[0]].tolist()) <= held_out
    assert not set(episode[data.train_steps].tolist()) & held_out


def test_rare_outcomes_are_drawn_more_often_and_weigh_as_much_less(make_data):
    data = ready(make_data(oversampling=1.0))
    steps = data._steps(data.split.train)
    earned = data.targets.points != 0
    natural, drawn = earned[steps].double().mean(), earned[data.train_steps].double()
    assert drawn.mean() > 2 * natural
    weighted = (data.drawn.weight * drawn).sum() / data.drawn.weight.sum()
    assert float(weighted) == pytest.approx(float(natural), rel=0.3)


def test_without_oversampling_all_weigh_the_same(make_data):
    data = ready(make_data(oversampling=0.0))
    assert torch.allclose(data.drawn.weight, torch.ones_like(data.drawn.weight))


def test_fewer_steps_may_be_used(make_data):
    data = ready(make_data(limit=7))
    assert len(data.train_steps) == 7


def test_dreams_carry_what_the_same_actions_really_earned(make_data):
    data = ready(make_data(dreams_of(ScriptedWorldModel(stand_still))))
    assert len(data.val_steps[1]) == 3 * (5 - 1)  # the last imagined step is not judged: nothing comes after it
    batch = data.batch(data.val_steps[1])
    assert batch.imagined
    assert torch.equal(batch.codes[:, 0], batch.codes[:, 2])  # it dreams that nothing ever moves
    first = data.val_steps[1][0]
    origin = (data.cache.codes == data.codes[first]).all(-1).all(-1).nonzero().flatten()
    assert any(torch.equal(data.targets.points[first : first + 4], data.cache.rewards[o : o + 4]) for o in origin)


def test_the_same_seed_draws_the_same_steps_and_another_does_not(make_data):
    one, same, other = (ready(make_data(seed=seed)) for seed in (0, 0, 1))
    assert torch.equal(one.train_steps, same.train_steps)
    assert not torch.equal(one.train_steps, other.train_steps)


def test_what_a_dream_draws_does_not_depend_on_the_batch_it_is_in(make_data, gru):
    data = ready(make_data())
    drawn = [
        dreams_of(gru, sampler=Categorical(1.0, None, seed=0), batch_size=size).of(data, data.split.train, 6, seen=1)[0]
        for size in (2, 6)
    ]
    assert torch.equal(*drawn)


def test_a_world_model_of_another_tokenizer_cannot_dream_here(make_data, gru):
    foreign = build_model(OmegaConf.create(TINY_GRU), {"grid_shape": [3, 3], "codebook_size": 16, "num_actions": 9})
    with pytest.raises(ValueError, match=r"grid of \(3, 3\) with 16 codes, the tokenizer one of \(7, 5\)"):
        ready(make_data(dreams_of(foreign)))


def test_a_world_model_that_knows_the_held_out_episodes_may_not_dream_them(make_data, latents, gru):
    seen = Origin({}, latents.origin.val, ())
    with pytest.raises(ValueError, match="was trained on 1 of the episodes that are held out here"):
        ready(make_data(dreams_of(gru, seen)))
    behind_another = Origin({"tokenizer": "f" * 64}, None, ())
    with pytest.raises(ValueError, match="trained behind another tokenizer"):
        ready(make_data(dreams_of(gru, behind_another)))


def test_dreams_longer_than_every_episode_are_refused(make_data, gru):
    with pytest.raises(ValueError, match="choose a shorter horizon"):
        ready(make_data(dreams_of(gru, horizon=10_000)))


def test_oversampling_outside_its_range_is_refused(make_data):
    with pytest.raises(ValueError, match=r"data.oversampling=1.5 must lie in \[0, 1\]"):
        make_data(oversampling=1.5)


@pytest.mark.parametrize("steps", [[4, 1], [2, 4], [0, 1]])
def test_numbers_of_steps_that_do_not_ascend_from_one_are_refused(make_data, steps):
    with pytest.raises(ValueError, match=r"data.lost_within=.* must begin with 1 and ascend"):
        make_data(lost_within=steps)


REPEATS = [{"rare": {"share": 0.2, "points": 10.0, "steps": 2}}, {"new_actions": {"share": 0.2, "steps": 1}}]


@pytest.mark.parametrize("repeats", REPEATS)
def test_repeated_windows_are_for_world_models(make_data, repeats):
    with pytest.raises(ValueError, match=rf"data\.{next(iter(repeats))} is for world models"):
        make_data(context_length=2, **repeats)


def test_what_is_learnt_of_points_drawn_too_often_is_how_often_they_really_occur(make_data):
    """The best constant answer to the corrected loss is the natural frequency."""
    data = ready(make_data(oversampling=0.5))
    steps, values = data._steps(data.split.train), torch.tensor(data.facts()["points"])
    natural = class_of_points(data.targets.at(steps).points, values).bincount(minlength=len(values)).double()
    natural /= natural.sum()
    drawn = class_of_points(data.targets.at(data.train_steps).points, values)
    weight, shift = data.drawn.points_weight.double(), data.drawn.points_shift.double()
    logits = torch.zeros(len(values), dtype=torch.double, requires_grad=True)
    optimizer = torch.optim.LBFGS([logits], max_iter=100)

    def loss():
        optimizer.zero_grad()
        value = (
            weight * torch.nn.functional.cross_entropy((logits + shift).expand(len(drawn), -1), drawn, reduction="none")
        ).mean()
        value.backward()
        return value

    optimizer.step(loss)
    torch.testing.assert_close(logits.softmax(0).detach(), natural, atol=0.03, rtol=0.1)


def test_rare_numbers_of_points_count_as_the_nearest(make_data):
    told_apart = make_data().facts()["points"]
    data = ready(make_data(min_count=10**6))
    facts = data.facts()
    assert len(told_apart) > 1
    assert facts["points"] == [0.0]  # the most frequent one is always there
    assert facts["base_rates"] == [1.0]
    assert data.drawn.points_shift.shape == (1,)


def test_numbers_of_points_can_be_those_of_other_weights(make_data):
    data = ready(make_data(points=[0, 10, 400], min_count=10**6))
    facts = data.facts()
    assert facts["points"] == [0.0, 10.0, 400.0]
    assert facts["base_rates"][2] == 0 < facts["base_rates"][1] < 0.5
    assert sum(facts["base_rates"]) == pytest.approx(1)
    assert data.drawn.points_shift.shape == (3,)
    assert data.drawn.points_shift.isfinite().all()


@pytest.mark.parametrize("points", [[], [0], [10, 0], [0, 10, 10]])
def test_numbers_of_points_that_do_not_ascend_are_refused(make_data, points):
    with pytest.raises(ValueError, match=r"data\.points=.* must ascend"):
        make_data(points=points)


def test_a_precision_that_dreams_do_not_know_is_refused():
    with pytest.raises(ValueError, match="precision=16 is unknown here"):
        dreams_of(ScriptedWorldModel(stand_still), precision="16")
