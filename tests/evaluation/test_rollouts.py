import math

import pytest
import torch
from torch import Tensor

from pacdream.data.latent_data_module import LatentDataModule
from pacdream.evaluation.rollouts import measure_baselines, measure_divergence, measure_rollouts
from pacdream.evaluation.windows import Windows, held_out_windows
from pacdream.metric.copies import BestCopy, copy, phase_copy
from pacdream.metric.episode_metric import Figure, draw_episodes
from pacdream.rollout.sampler import Categorical, Greedy, Sampler
from pacdream.world_model.base import WorldModel
from tests.rollout.scripted import (
    Oracle,
    ScriptedWorldModel,
    UniformWorldModel,
    count_up,
    follow_action,
    stand_still,
)
from tests.runs import several_held_out, untrained_gru

CONTEXT, HORIZON = 4, 18
MODES = [(feed, how) for feed in ("teacher_forced", "open_loop") for how in ("argmax", "sampled")]
DRAWS = draw_episodes(3, 40, seed=0)


@pytest.fixture(scope="module")
def data(latents: LatentDataModule) -> LatentDataModule:
    return several_held_out(latents)


@pytest.fixture(scope="module")
def windows(data: LatentDataModule) -> Windows:
    return held_out_windows(data, CONTEXT, HORIZON, 14, warmup=3)


@pytest.fixture(scope="module")
def ruled(windows: Windows) -> Windows:
    """The same places, in a world in which the action is added to every code."""
    moved = torch.cat([torch.zeros(14, 1, dtype=torch.int64), windows.actions.cumsum(1)], 1)
    codes = windows.codes[:, :1] + moved[..., None, None]
    return Windows(codes % 16, windows.actions, windows.episode, windows.step, CONTEXT)


@pytest.fixture(scope="module")
def gru(data: LatentDataModule) -> WorldModel:
    return untrained_gru(data)


def best_copy() -> BestCopy:
    """It takes the phase-matched copy in every second row of the grid."""
    phase = torch.zeros(HORIZON, 7, 5, dtype=torch.bool)
    phase[:, ::2] = True
    return BestCopy(phase, 4)


def measured(
    model: WorldModel,
    windows: Windows,
    continuations: Tensor | None = None,
    sampler: Sampler | None = None,
    batch_size: int = 5,
) -> dict[str, Figure]:
    done = measure_rollouts(model, windows, continuations, best_copy(), sampler or Greedy(), DRAWS, batch_size)
    return done.figures | measure_baselines(windows, best_copy(), windows.codes[:3].flatten(0, 1), 16, DRAWS)


@pytest.fixture(scope="module")
def of_copier(windows: Windows) -> dict[str, Figure]:
    return measured(ScriptedWorldModel(stand_still), windows)


@pytest.fixture(scope="module")
def of_oracle(windows: Windows) -> dict[str, Figure]:
    return measured(Oracle(windows.codes), windows)


@pytest.fixture(scope="module")
def of_gru(gru: WorldModel, windows: Windows) -> dict[str, Figure]:
    return measured(gru, windows, another_future(windows))


def another_future(windows: Windows) -> Tensor:
    """What else could have happened: now and then a code is another one."""
    generator = torch.Generator().manual_seed(0)
    other = torch.rand(windows.target.shape, generator=generator) < 0.1
    return torch.where(other, (windows.target + 1) % 16, windows.target)


def by_horizon(grids: Tensor, target: Tensor) -> Tensor:
    return (grids == target).double().mean((0, 2, 3))


def test_baselines_are_those_of_a_naive_loop(of_gru: dict[str, Figure], windows: Windows) -> None:
    copied = by_horizon(copy(windows.codes, CONTEXT), windows.target)
    phase_copied = by_horizon(phase_copy(windows.codes, CONTEXT, 4), windows.target)
    ceiling = by_horizon(another_future(windows), windows.target)
    torch.testing.assert_close(of_gru["baseline/copy"].value, copied)
    torch.testing.assert_close(of_gru["baseline/phase_copy"].value, phase_copied)
    star = best_copy()(windows.codes, CONTEXT)
    torch.testing.assert_close(of_gru["baseline/copy_star"].value, by_horizon(star, windows.target))
    present = windows.present.expand_as(windows.target)
    hits = ((star == windows.target) & (star != present)).sum((0, 2, 3)).double()
    precision, recall = hits / (star != present).sum((0, 2, 3)), hits / (windows.target != present).sum((0, 2, 3))
    torch.testing.assert_close(of_gru["baseline/copy_star/changed_precision"].value, precision, equal_nan=True)
    torch.testing.assert_close(of_gru["baseline/copy_star/changed_recall"].value, recall)
    torch.testing.assert_close(of_gru["baseline/ceiling"].value, ceiling)
    assert (copied != phase_copied).any()


def test_the_unigram_knows_the_training_grids_alone(of_gru: dict[str, Figure], windows: Windows) -> None:
    most_frequent = windows.codes[:3].flatten(0, 1).mode(0).values
    counts = torch.nn.functional.one_hot(windows.codes[:3].flatten(0, 1), 16).sum(0)
    assert (counts.gather(-1, most_frequent[..., None])[..., 0] == counts.amax(-1)).all()
    unigram = counts.argmax(-1).expand_as(windows.target)
    torch.testing.assert_close(of_gru["baseline/unigram"].value, by_horizon(unigram, windows.target))


def test_skill_lies_between_copy_star_and_ceiling(of_gru: dict[str, Figure]) -> None:
    low, high = of_gru["baseline/copy_star"].value, of_gru["baseline/ceiling"].value
    for how in ("argmax", "sampled"):
        skill = (of_gru[f"open_loop/{how}/accuracy"].value - low) / (high - low)
        torch.testing.assert_close(of_gru[f"open_loop/{how}/skill"].value, skill)
        area = of_gru[f"open_loop/{how}/skill_area"].value
        torch.testing.assert_close(area, skill[:15].mean())


def test_teacher_forced_skill_is_always_that_of_one_step(of_gru: dict[str, Figure], windows: Windows) -> None:
    real = windows.codes
    copied = torch.where(best_copy().phase[0], real[:, CONTEXT - 4 : -4], real[:, CONTEXT - 1 : -1])
    low, high = by_horizon(copied, windows.target), of_gru["baseline/ceiling"].value[0]
    accuracy, skill = (of_gru[f"teacher_forced/argmax/{name}"].value for name in ("accuracy", "skill"))
    torch.testing.assert_close(skill, (accuracy - low) / (high - low))


@pytest.mark.parametrize("how", ["argmax", "sampled"])
def test_teacher_forced_and_open_loop_agree_on_the_first_step(of_gru: dict[str, Figure], how: str) -> None:
    names = [name.rpartition("/")[2] for name in of_gru if name.startswith(f"open_loop/{how}/")]
    by_step = [name for name in names if of_gru[f"open_loop/{how}/{name}"].value.ndim]
    assert {"accuracy", "skill", "bits_per_frame", "changed_f1"} < set(by_step)
    for name in by_step:
        forced, free = (of_gru[f"{feed}/{how}/{name}"] for feed in ("teacher_forced", "open_loop"))
        for part in ("value", "low", "high", "n"):
            first = [getattr(figure, part)[0] for figure in (forced, free)]
            torch.testing.assert_close(*first, equal_nan=True)


@pytest.mark.parametrize("how", ["argmax", "sampled"])
def test_a_copier_is_copy(of_copier: dict[str, Figure], how: str) -> None:
    assert torch.equal(of_copier[f"open_loop/{how}/accuracy"].value, of_copier["baseline/copy"].value)
    skill = of_copier[f"open_loop/{how}/skill"].value
    assert torch.equal(skill == 0, of_copier["baseline/copy"].value == of_copier["baseline/copy_star"].value)
    assert of_copier[f"open_loop/{how}/steps_until_half_skill"].value == 0


@pytest.mark.parametrize(("feed", "how"), MODES)
def test_a_copier_foresees_no_change(of_copier: dict[str, Figure], feed: str, how: str) -> None:
    figures = {name: of_copier[f"{feed}/{how}/{name}"].value for name in CHANGED}
    assert (figures["changed_recall"] == 0).all()
    assert (figures["changed_f1"] == 0).all()
    assert figures["changed_precision"].isnan().all()
    assert (figures["unchanged_accuracy"] == 1).all()


CHANGED = ("changed_recall", "changed_f1", "changed_precision", "unchanged_accuracy")


@pytest.mark.parametrize(("feed", "how"), MODES)
def test_an_oracle_is_never_wrong(of_oracle: dict[str, Figure], feed: str, how: str) -> None:
    for name in ("accuracy", "skill", "skill_area", *CHANGED):
        assert (of_oracle[f"{feed}/{how}/{name}"].value == 1).all()
    assert of_oracle[f"{feed}/{how}/steps_until_half_skill"].value == HORIZON
    assert float(of_oracle[f"{feed}/{how}/bits_per_frame"].value.max()) == pytest.approx(0, abs=1e-6)
    assert float(of_oracle[f"{feed}/{how}/ece"].value) == pytest.approx(0, abs=1e-6)


def test_without_another_future_there_is_no_ceiling(of_oracle: dict[str, Figure], of_gru: dict[str, Figure]) -> None:
    assert of_gru.keys() - of_oracle.keys() == {"baseline/ceiling"}


def test_an_emulator_that_repeats_itself_changes_no_skill(of_oracle: dict[str, Figure], windows: Windows) -> None:
    found = measured(Oracle(windows.codes), windows, continuations=windows.target)
    assert (found["baseline/ceiling"].value == 1).all()
    for name, figure in of_oracle.items():
        torch.testing.assert_close(found[name].value, figure.value, equal_nan=True)


def test_one_that_believes_in_nothing_pays_four_bits_per_code(windows: Windows) -> None:
    found = measured(UniformWorldModel(), windows, sampler=Categorical(temperature=1.0, top_k=None, seed=0))
    for feed, how in MODES:
        assert found[f"{feed}/{how}/bits_per_frame"].value.tolist() == pytest.approx([35 * math.log2(16)] * HORIZON)
    assert float(found["open_loop/sampled/accuracy"].value.mean()) == pytest.approx(1 / 16, abs=0.02)


def test_numbers_do_not_depend_on_the_batch_size(of_gru: dict[str, Figure], gru: WorldModel, windows: Windows) -> None:
    other = measured(gru, windows, another_future(windows), batch_size=100)
    assert other.keys() == of_gru.keys()
    for name, figure in of_gru.items():
        for part in ("value", "low", "high", "n"):
            torch.testing.assert_close(
                getattr(other[name], part), getattr(figure, part), equal_nan=True, rtol=1e-5, atol=1e-6
            )


def test_equal_seeds_draw_equal_rollouts(gru: WorldModel, windows: Windows) -> None:
    one, again, other = (
        measured(gru, windows, sampler=Categorical(temperature=1.0, top_k=None, seed=seed)) for seed in (1, 1, 2)
    )
    for name, figure in one.items():
        assert torch.equal(again[name].value.nan_to_num(-9), figure.value.nan_to_num(-9))
    assert not torch.equal(other["open_loop/sampled/accuracy"].value, one["open_loop/sampled/accuracy"].value)
    assert torch.equal(other["open_loop/argmax/accuracy"].value, one["open_loop/argmax/accuracy"].value)


def test_what_is_teacher_forced_is_asked_for_once_for_both_samplers(windows: Windows) -> None:
    model = ScriptedWorldModel(stand_still)
    measured(model, windows, batch_size=len(windows.codes))
    assert model.steps_seen == list(range(CONTEXT - 1 + HORIZON)) * 3


def test_copy_star_has_no_skill(windows: Windows) -> None:
    star = best_copy()(windows.codes, CONTEXT)
    found = measured(Oracle(torch.cat([windows.codes[:, :CONTEXT], star], 1)), windows)
    assert not found["open_loop/argmax/skill"].value.any()
    for name in ("changed_f1", "changed_precision", "changed_recall"):
        theirs, own = found[f"baseline/copy_star/{name}"].value, found[f"open_loop/argmax/{name}"].value
        torch.testing.assert_close(own, theirs, equal_nan=True)


def test_the_greedy_rollouts_are_handed_on(windows: Windows) -> None:
    sampler = Categorical(temperature=1.0, top_k=None, seed=0)
    done = measure_rollouts(UniformWorldModel(), windows, None, best_copy(), sampler, DRAWS, 5)
    assert torch.equal(done.imagined, torch.zeros_like(windows.target))


def test_without_training_codes_there_is_no_unigram(windows: Windows) -> None:
    assert "baseline/unigram" not in measure_baselines(windows, best_copy(), windows.codes[:0, 0], 16, DRAWS)


def test_rollouts_that_see_less_than_the_blinking_are_refused(windows: Windows) -> None:
    short = Windows(windows.codes, windows.actions, windows.episode, windows.step, 3)
    with pytest.raises(ValueError, match="a phase-matched copy needs 4 seen grids, not 3"):
        measured(UniformWorldModel(), short)


def divergence(model: WorldModel, windows: Windows, batch_size: int = 5, seed: int = 0) -> dict[str, Tensor]:
    imagined = measure_rollouts(model, windows, None, best_copy(), Greedy(), DRAWS, batch_size).imagined
    figures = measure_divergence(model, windows, imagined, DRAWS, batch_size, seed)
    return {name: figure.value for name, figure in figures.items()}


def test_one_that_does_not_listen_imagines_the_same_with_other_actions(windows: Windows) -> None:
    found = divergence(ScriptedWorldModel(count_up), windows)
    assert (found["control/divergence"] == 0).all()


def test_one_that_listens_is_led_astray_by_other_actions(ruled: Windows) -> None:
    model = ScriptedWorldModel(follow_action)
    assert (measured(model, ruled)["open_loop/argmax/accuracy"].value == 1).all()
    found = divergence(model, ruled)
    torch.testing.assert_close(found["control/divergence"], 1 - found["control/shuffled_accuracy"])
    assert (found["control/divergence"] > 0.1).any()


def test_only_the_actions_of_the_rollout_are_exchanged(windows: Windows) -> None:
    model = ScriptedWorldModel(follow_action)
    measure_divergence(model, windows, windows.target, DRAWS, batch_size=100, seed=0)
    seen = torch.stack(model.actions_seen, 1)
    assert torch.equal(seen[:, : CONTEXT - 1], windows.actions[:, : CONTEXT - 1])
    own, exchanged = windows.actions[:, CONTEXT - 1 :].tolist(), seen[:, CONTEXT - 1 :].tolist()
    assert sorted(exchanged) == sorted(own)
    assert exchanged != own


def test_the_seed_exchanges_the_actions(ruled: Windows) -> None:
    model = ScriptedWorldModel(follow_action)
    one, again, other = (divergence(model, ruled, seed=seed)["control/divergence"] for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_divergence_does_not_depend_on_the_batch_size(ruled: Windows) -> None:
    model = ScriptedWorldModel(follow_action)
    for name, value in divergence(model, ruled, batch_size=100).items():
        assert torch.equal(divergence(model, ruled, batch_size=1)[name], value)
