from dataclasses import fields, replace

import numpy as np
import pytest
import torch
from torch import Tensor

from pacdream.data.episode_store import Manifest
from pacdream.data.latent_data_module import LatentDataModule
from pacdream.evaluation.control import NOWHERE
from pacdream.evaluation.episode_metric import draw_episodes
from pacdream.evaluation.game import Screening, decode, measure_control, measure_game
from pacdream.evaluation.measure import Measurement, Settings, check_model, measure
from pacdream.evaluation.reality import Crossroads, Footage, observe
from pacdream.evaluation.windows import Windows, held_out_windows
from pacdream.rollout.imagine import imagine
from pacdream.rollout.sampler import Categorical
from pacdream.tokenizer.base import Tokenizer
from pacdream.world_model.base import WorldModel
from tests.rollout.scripted import ScriptedWorldModel, count_up, follow_action, stand_still
from tests.runs import ABOUT, SMALL_REPORT, quick_cost, several_held_out, tiny_measurement, untrained_gru

CONTEXT, HORIZON, HELD = 4, 5, 4
ACTIONS = [1, 2, 3, 4]
DRAWS = draw_episodes(3, 20, seed=0)
SPRITES = {"ms_pacman", "sue", "inky", "pinky", "blinky"}


@pytest.fixture(scope="module")
def data(latents: LatentDataModule) -> LatentDataModule:
    return several_held_out(latents)


@pytest.fixture(scope="module")
def windows(data: LatentDataModule) -> Windows:
    return held_out_windows(data, CONTEXT, HORIZON, 4)


@pytest.fixture(scope="module")
def footage(data: LatentDataModule, manifest: Manifest, windows: Windows) -> Footage:
    nothing = windows.pick(torch.arange(0))
    return observe(data, replace(manifest, settings={}), windows, windows, nothing, HELD, True, seed=0).footage


@pytest.fixture(scope="module")
def decoded(tokenizer: Tokenizer, windows: Windows) -> np.ndarray:
    return decode(tokenizer, windows.target, "decoding")


@pytest.fixture(scope="module")
def done(latents: LatentDataModule) -> Measurement:
    return tiny_measurement(latents)


def figures_of(
    dreamt: np.ndarray, reconstructed: np.ndarray, footage: Footage, windows: Windows, manifest: Manifest, **also: bool
) -> dict[str, Tensor]:
    screening = Screening(footage.frames[:, 1:], reconstructed, dreamt)
    found = measure_game(screening, footage, windows.episode, manifest.rgb(), DRAWS, **{"ms_pacman": True, **also})
    return {name: figure.value for name, figure in found.items()}


def same(one: Tensor, other: Tensor) -> bool:
    return torch.equal(one.nan_to_num(-1), other.nan_to_num(-1))


def test_decoding_keeps_rows_and_steps_in_order(tokenizer: Tokenizer, windows: Windows, decoded: np.ndarray) -> None:
    assert decoded.shape == (4, HORIZON, 210, 160)
    for row, t in ((0, 0), (1, 3), (3, HORIZON - 1)):
        alone = tokenizer.decode(windows.target[row, t][None])[0]
        assert np.array_equal(decoded[row, t], alone.numpy())


def test_a_dream_of_what_happened_is_what_the_tokenizer_makes_of_it(
    decoded: np.ndarray, footage: Footage, windows: Windows, manifest: Manifest
) -> None:
    found = figures_of(decoded, decoded, footage, windows, manifest)
    assert (found["game/dream_to_reconstruction/pixel_accuracy"] == 1).all()
    assert found["game/dream_to_reconstruction/psnr"].tolist() == pytest.approx([100] * HORIZON)
    of_dream = {name: value for name, value in found.items() if name.startswith("game/dream/")}
    assert of_dream
    assert all(same(value, found[name.replace("dream", "tokenizer")]) for name, value in of_dream.items())
    assert (found["game/dream/pixel_accuracy"] < 1).all()


def test_the_game_itself_has_no_error(footage: Footage, windows: Windows, manifest: Manifest) -> None:
    real = footage.frames[:, 1:]
    found = figures_of(real, real, footage, windows, manifest)
    assert (found["game/dream/pixel_accuracy"] == 1).all()
    assert (found["game/dream/dots_too_many_eaten"] == 0).all()
    assert (found["game/dream/dots_too_few_eaten"] == 0).all()
    for sprite in SPRITES:
        assert (found[f"game/real/{sprite}/lost"].nan_to_num(0) == 0).all()
        assert same(found[f"game/real/{sprite}/median"], found[f"game/dream/{sprite}/median"])
    assert float(found["game/real/ms_pacman/median"].nanmean()) < 6


def test_pixel_accuracy_is_that_of_a_naive_loop(
    decoded: np.ndarray, footage: Footage, windows: Windows, manifest: Manifest
) -> None:
    dreamt = decoded[::-1].copy()
    found = figures_of(dreamt, decoded, footage, windows, manifest)
    for t in range(HORIZON):
        right = (dreamt[:, t] == footage.frames[:, t + 1]).mean()
        assert float(found["game/dream/pixel_accuracy"][t]) == pytest.approx(right)


def test_a_dream_that_eats_all_dots_is_found_out(footage: Footage, windows: Windows, manifest: Manifest) -> None:
    real = footage.frames[:, 1:]
    floor = np.full_like(real, np.bincount(real[:, :, :172].ravel()).argmax())
    found = figures_of(floor, real, footage, windows, manifest)
    assert (found["game/dream/dots_too_many_eaten"] > 100).all()
    assert (found["game/dream/dots_too_few_eaten"] == 0).all()
    assert (found["game/dream/ms_pacman/lost"].nan_to_num(1) == 1).all()


def test_another_game_has_neither_sprites_nor_dots(
    decoded: np.ndarray, footage: Footage, windows: Windows, manifest: Manifest
) -> None:
    found = figures_of(decoded, decoded, footage, windows, manifest, ms_pacman=False)
    rows = ("dream", "tokenizer", "dream_to_reconstruction")
    assert found.keys() == {f"game/{row}/{name}" for row in rows for name in ("pixel_accuracy", "psnr")}


def crossroads(windows: Windows, rule: ScriptedWorldModel) -> Crossroads:
    """Moments whose futures follow a rule."""
    present = windows.present[:, 0]
    futures = []
    for action in ACTIONS:
        grids = [present]
        for _ in range(HELD):
            grids.append(rule.rule(grids[-1], torch.full((len(present),), action)))
        futures.append(torch.stack(grids[1:], 1))
    went = np.tile(np.arange(4), (len(present), 1))
    return Crossroads(windows, ACTIONS, torch.stack(futures, 1), went)


@pytest.fixture(scope="module")
def obedient(windows: Windows) -> Crossroads:
    return crossroads(windows, ScriptedWorldModel(follow_action))


def control(model: WorldModel, tokenizer: Tokenizer, at: Crossroads, ms_pacman: bool = True) -> dict[str, Tensor]:
    found = measure_control(model, tokenizer, at, DRAWS, ms_pacman)
    return {name.removeprefix("control/"): figure.value for name, figure in found.items()}


@pytest.mark.parametrize("rule", [stand_still, count_up])
def test_one_that_does_not_listen_is_at_chance(rule: object, tokenizer: Tokenizer, obedient: Crossroads) -> None:
    found = control(ScriptedWorldModel(rule), tokenizer, obedient)  # type: ignore[arg-type]
    assert found["retrieval"].tolist() == [0.25] * HELD
    assert (found["fan_dream"] == 0).all()
    assert found["move"] == found["move_chance"]


def test_one_that_obeys_is_as_good_as_the_game(tokenizer: Tokenizer, obedient: Crossroads) -> None:
    found = control(ScriptedWorldModel(follow_action), tokenizer, obedient)
    assert found["retrieval"].tolist() == found["retrieval_best"].tolist() == [1] * HELD
    assert torch.equal(found["fan_dream"], found["fan_real"])
    assert (found["fan_real"][0] == 1).all()
    assert found["move"] == found["move_tokenizer"]


def test_in_a_game_that_does_not_listen_none_can_be_better_than_chance(
    tokenizer: Tokenizer, windows: Windows
) -> None:
    found = control(ScriptedWorldModel(follow_action), tokenizer, crossroads(windows, ScriptedWorldModel(count_up)))
    assert found["retrieval"].tolist() == found["retrieval_best"].tolist() == [0.25] * HELD
    assert (found["fan_real"] == 0).all()


def test_each_direction_is_held_after_the_real_context(tokenizer: Tokenizer, obedient: Crossroads) -> None:
    model = ScriptedWorldModel(follow_action)
    control(model, tokenizer, obedient)
    assert model.steps_seen == list(range(CONTEXT - 1 + HELD))


def test_moments_without_an_outcome_do_not_count(tokenizer: Tokenizer, obedient: Crossroads) -> None:
    lost = obedient.headings.copy()
    lost[:, 2] = NOWHERE
    found = control(ScriptedWorldModel(follow_action), tokenizer, replace(obedient, headings=lost))
    assert all(found[name].isnan() for name in ("move", "move_chance", "move_tokenizer"))


def test_another_game_has_no_moves(tokenizer: Tokenizer, obedient: Crossroads) -> None:
    found = control(ScriptedWorldModel(follow_action), tokenizer, obedient, ms_pacman=False)
    assert found.keys() == {"retrieval", "retrieval_best", "fan_dream", "fan_real"}


def test_the_same_seed_measures_the_same_numbers(latents: LatentDataModule, done: Measurement) -> None:
    data, sampler = several_held_out(latents), Categorical(temperature=1.0, top_k=None, seed=0)
    with quick_cost():
        again = measure(untrained_gru(data), data, Settings(**SMALL_REPORT, context=4, seed=0), sampler, ABOUT)
    assert again.card.figures.keys() == done.card.figures.keys()
    for name, reading in done.card.figures.items():
        for field in fields(reading):
            assert np.array_equal(
                getattr(again.card.figures[name], field.name), getattr(reading, field.name), equal_nan=True
            )
    assert all(same(again.samples[name], samples) for name, samples in done.samples.items())
    assert again.card.about == done.card.about


def test_intervals_are_intervals_and_shares_are_shares(done: Measurement) -> None:
    unbounded = {"bits_per_frame", "skill", "skill_area", "steps_until_half_skill", "psnr", "median", "p90"}
    for name, reading in done.card.figures.items():
        known = ~np.isnan(reading.low)
        assert (reading.low[known] <= reading.high[known]).all()
        assert (reading.n >= 0).all()
        if name.rpartition("/")[2] not in unbounded and "dots" not in name:
            assert np.nanmin(reading.value, initial=0) >= 0
            assert np.nanmax(reading.value, initial=0) <= 1


def test_the_decoded_windows_belong_together(done: Measurement, latents: LatentDataModule) -> None:
    assert len(done.windows.codes) == len(done.dreamt_codes) == len(done.screening.real) == 2
    assert np.array_equal(done.screening.reconstructed, decode(latents.tokenizer, done.windows.target, "again"))
    assert np.array_equal(done.screening.dreamt, decode(latents.tokenizer, done.dreamt_codes, "again"))
    dreamt = imagine(untrained_gru(latents), done.windows.codes[:, :CONTEXT], done.windows.actions)
    assert torch.equal(done.dreamt_codes, dreamt.codes)


def test_the_measurement_says_what_it_measured(done: Measurement, manifest: Manifest) -> None:
    about = done.card.about
    assert about["ceiling"] == "emulator"
    assert about["held_out_episodes"] == 3
    assert about["action_names"] == list(manifest.action_names)
    assert about["settings"] == {**SMALL_REPORT, "context": 4, "seed": 0}
    assert {**about, **ABOUT} == about


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [("grid_shape", (5, 7), "grid"), ("codebook_size", 8, "codebook size"), ("num_actions", 4, "number of actions")],
)
def test_a_world_model_of_another_game_is_refused(
    name: str, value: object, what: str, data: LatentDataModule, manifest: Manifest
) -> None:
    model = ScriptedWorldModel(stand_still)
    setattr(model, name, value)
    with pytest.raises(ValueError, match=rf"the world model was made for a {what} of ") as error:
        check_model(model, data, manifest)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", [*SMALL_REPORT, "context"])
def test_settings_below_one_are_refused_by_name(name: str) -> None:
    with pytest.raises(ValueError, match=rf"report: {name}=0 must be at least 1"):
        Settings(**{**SMALL_REPORT, "context": 4, "seed": 0, name: 0})
