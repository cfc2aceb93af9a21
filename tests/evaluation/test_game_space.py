from copy import copy
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from pacdream.data.episode_store import Manifest
from pacdream.data.latent_data_module import LatentDataModule
from pacdream.evaluation.branches import HeldDirections
from pacdream.evaluation.game_space import DecodedRollouts, decode, measure_control, measure_game
from pacdream.evaluation.measure import Measurement, check_model, measure
from pacdream.evaluation.outcomes import measure_outcomes, measure_spans
from pacdream.evaluation.real_futures import RecordedFrames, observe_real_futures
from pacdream.evaluation.settings import Settings
from pacdream.evaluation.windows import Windows, held_out_windows
from pacdream.game.game import Game
from pacdream.game.ms_pacman import MS_PACMAN
from pacdream.metric.control import NOWHERE
from pacdream.metric.episode_metric import draw_episodes
from pacdream.metric.sprites import locate
from pacdream.outcome.network import OutcomeLogits, OutcomeNetwork
from pacdream.outcome.span_network import SpanNetwork
from pacdream.outcome.targets import class_of_points, targets_of
from pacdream.rollout.imagine import imagine
from pacdream.rollout.sampler import Categorical
from pacdream.tokenizer.base import Tokenizer
from pacdream.world_model.base import WorldModel
from tests.rollout.scripted import ScriptedWorldModel, count_up, follow_action, stand_still
from tests.runs import (
    ABOUT,
    SETTINGS,
    SMALL_REPORT,
    quick_cost,
    several_held_out,
    tiny_measurement,
    untrained_gru,
    untrained_outcome,
    untrained_spans,
)

CONTEXT, HORIZON, HELD = 4, 5, 4
ACTIONS = [1, 2, 3, 4]
PLAYER = MS_PACMAN.sprites[0]
DRAWS = draw_episodes(3, 20, seed=0)
SPRITES = {"player", "sue", "inky", "pinky", "blinky"}


@pytest.fixture(scope="module")
def data(latents: LatentDataModule) -> LatentDataModule:
    return several_held_out(latents)


@pytest.fixture(scope="module")
def windows(data: LatentDataModule) -> Windows:
    return held_out_windows(data, CONTEXT, HORIZON, 4, warmup=3)


@dataclass(frozen=True)
class Scene:
    """Windows, what they showed, and what the tokenizer makes of it."""

    windows: Windows
    recorded: RecordedFrames
    rgb: NDArray[np.uint8]
    reconstructed: NDArray[np.uint8]
    copied: NDArray[np.uint8]

    @property
    def real(self) -> NDArray[np.uint8]:
        return self.recorded.frames[:, 1:]

    def figures(self, dreamt: NDArray[np.uint8], game: Game = MS_PACMAN) -> dict[str, Tensor]:
        decoded = DecodedRollouts(self.real, self.reconstructed, dreamt, self.copied)
        found = measure_game(decoded, self.recorded, self.windows.episode, self.rgb, DRAWS, game)
        return {name: figure.value for name, figure in found.items()}


@pytest.fixture(scope="module")
def scene(data: LatentDataModule, manifest: Manifest, windows: Windows) -> Scene:
    nothing = windows.pick(torch.arange(0))
    recorded = observe_real_futures(
        data, replace(manifest, settings={}), windows, windows, nothing, HELD, seed=0
    ).recorded
    grids = (windows.target, windows.present[:, 0])
    return Scene(windows, recorded, manifest.rgb(), *(decode(data.tokenizer, codes, "decoding") for codes in grids))


@pytest.fixture(scope="module")
def done(latents: LatentDataModule) -> Measurement:
    return tiny_measurement(latents)


def same(one: Tensor, other: Tensor) -> bool:
    return torch.equal(one.nan_to_num(-1), other.nan_to_num(-1))


def row(figures: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """What is measured of one kind of pictures."""
    return {key: value for key, value in figures.items() if key.startswith(f"game/{name}/")}


def test_decoding_keeps_rows_and_steps_in_order(tokenizer: Tokenizer, scene: Scene) -> None:
    assert scene.reconstructed.shape == (4, HORIZON, 210, 160)
    for number, t in ((0, 0), (1, 3), (3, HORIZON - 1)):
        alone = tokenizer.decode(scene.windows.target[number, t][None])[0]
        assert np.array_equal(scene.reconstructed[number, t], alone.numpy())


def test_a_dream_of_what_happened_is_what_the_tokenizer_makes_of_it(scene: Scene) -> None:
    found = scene.figures(scene.reconstructed)
    assert (found["game/dream_to_reconstruction/pixel_accuracy"] == 1).all()
    assert found["game/dream_to_reconstruction/psnr"].tolist() == pytest.approx([100] * HORIZON)
    assert len(row(found, "dream")) == 6 + 5 * 4
    assert all(same(value, found[name.replace("dream", "tokenizer")]) for name, value in row(found, "dream").items())
    assert (found["game/dream/pixel_accuracy"] < 1).all()


def test_a_dream_in_which_nothing_changes_is_a_copy(scene: Scene) -> None:
    found = scene.figures(np.repeat(scene.copied[:, None], HORIZON, 1))
    assert row(found, "copy").keys() == {name.replace("dream", "copy") for name in row(found, "dream")}
    assert all(same(value, found[name.replace("dream", "copy")]) for name, value in row(found, "dream").items())


def test_position_skill_is_one_for_what_happened_and_nothing_for_a_copy(scene: Scene) -> None:
    clear = replace(scene, reconstructed=scene.real, copied=scene.recorded.frames[:, 0])
    stays = np.repeat(clear.copied[:, None], HORIZON, 1)
    perfect, copying = (clear.figures(frames)["game/position_skill"] for frames in (scene.real, stays))
    known = ~perfect.isnan()
    assert known.any()
    assert torch.equal(perfect[known], torch.ones_like(perfect[known]))
    assert torch.equal(copying[known], torch.zeros_like(copying[known]))


def test_the_game_itself_has_no_error(scene: Scene) -> None:
    found = scene.figures(scene.real)
    assert (found["game/dream/pixel_accuracy"] == 1).all()
    assert (found["game/dream/dots_too_many_eaten"] == 0).all()
    assert (found["game/dream/dots_too_few_eaten"] == 0).all()
    for sprite in SPRITES:
        assert (found[f"game/real/{sprite}/lost"].nan_to_num(0) == 0).all()
        assert same(found[f"game/real/{sprite}/median"], found[f"game/dream/{sprite}/median"])
    assert float(found["game/real/player/median"].nanmean()) < 6


def test_pixel_accuracy_is_that_of_a_naive_loop(scene: Scene) -> None:
    dreamt = scene.reconstructed[::-1].copy()
    found = scene.figures(dreamt)
    for t in range(HORIZON):
        shown = {"dream": dreamt[:, t], "tokenizer": scene.reconstructed[:, t], "copy": scene.copied}
        for name, pictures in shown.items():
            right = (pictures == scene.recorded.frames[:, t + 1]).mean()
            assert float(found[f"game/{name}/pixel_accuracy"][t]) == pytest.approx(right)


def test_a_sprite_is_sought_where_the_memory_of_the_same_frame_has_it(scene: Scene) -> None:
    found = scene.figures(scene.real)["game/real/player/median"]
    for t in range(HORIZON):
        seen = locate(scene.real[:, t], PLAYER.palette_index).position
        distances = np.linalg.norm(seen - PLAYER.positions(scene.recorded.ram[:, t + 1]), axis=1)
        ranked = np.sort(distances[~np.isnan(distances)])
        if len(ranked):
            assert abs(float(found[t]) - ranked[(len(ranked) - 1) // 2]) <= 0.25


def test_a_dream_that_eats_all_dots_is_found_out(scene: Scene) -> None:
    floor = np.bincount(scene.real[:, :, :172].ravel()).argmax()
    found = scene.figures(np.full_like(scene.real, floor))
    assert (found["game/dream/dots_too_many_eaten"] > 100).all()
    assert (found["game/dream/dots_too_few_eaten"] == 0).all()
    assert (found["game/dream/player/lost"].nan_to_num(1) == 1).all()


def test_another_game_has_neither_sprites_nor_dots(scene: Scene) -> None:
    rows = ("dream", "copy", "tokenizer", "dream_to_reconstruction")
    wanted = {f"game/{name}/{figure}" for name in rows for figure in ("pixel_accuracy", "psnr")}
    assert scene.figures(scene.reconstructed, game=Game()).keys() == wanted


def directions(windows: Windows, rule: ScriptedWorldModel) -> HeldDirections:
    """Moments whose futures follow a rule."""
    present = windows.present[:, 0]
    futures = []
    for action in ACTIONS:
        grids = [present]
        for _ in range(HELD):
            grids.append(rule.rule(grids[-1], torch.full((len(present),), action)))
        futures.append(torch.stack(grids[1:], 1))
    went = np.tile(np.arange(4), (len(present), 1))
    return HeldDirections(windows, ACTIONS, torch.stack(futures, 1), went)


@pytest.fixture(scope="module")
def obedient(windows: Windows) -> HeldDirections:
    return directions(windows, ScriptedWorldModel(follow_action))


def control(model: WorldModel, tokenizer: Tokenizer, at: HeldDirections, game: Game = MS_PACMAN) -> dict[str, Tensor]:
    found = measure_control(model, tokenizer, at, DRAWS, 99, game)
    return {name.removeprefix("control/"): figure.value for name, figure in found.items()}


@pytest.mark.parametrize("rule", [stand_still, count_up])
def test_one_that_does_not_listen_is_at_chance(rule: object, tokenizer: Tokenizer, obedient: HeldDirections) -> None:
    found = control(ScriptedWorldModel(rule), tokenizer, obedient)  # type: ignore[arg-type]
    assert found["retrieval"].tolist() == [0.25] * HELD
    assert (found["spread_imagined"] == 0).all()
    assert found["move"] == found["move_chance"]


def test_one_that_obeys_is_as_good_as_the_game(tokenizer: Tokenizer, obedient: HeldDirections) -> None:
    found = control(ScriptedWorldModel(follow_action), tokenizer, obedient)
    assert found["retrieval"].tolist() == found["retrieval_best"].tolist() == [1] * HELD
    assert torch.equal(found["spread_imagined"], found["spread_real"])
    assert (found["spread_real"][0] == 1).all()
    assert found["move"] == found["move_tokenizer"]


def test_few_rollouts_at_once_measure_the_same(tokenizer: Tokenizer, obedient: HeldDirections) -> None:
    model = ScriptedWorldModel(follow_action)
    one, other = (measure_control(model, tokenizer, obedient, DRAWS, batch, MS_PACMAN) for batch in (3, 99))
    assert one.keys() == other.keys()
    assert all(same(figure.value, other[name].value) for name, figure in one.items())


def test_in_a_game_that_does_not_listen_none_can_be_better_than_chance(tokenizer: Tokenizer, windows: Windows) -> None:
    found = control(ScriptedWorldModel(follow_action), tokenizer, directions(windows, ScriptedWorldModel(count_up)))
    assert found["retrieval"].tolist() == found["retrieval_best"].tolist() == [0.25] * HELD
    assert (found["spread_real"] == 0).all()


def test_each_direction_is_held_after_the_real_context(tokenizer: Tokenizer, obedient: HeldDirections) -> None:
    model = ScriptedWorldModel(follow_action)
    control(model, tokenizer, obedient)
    assert model.steps_seen == list(range(CONTEXT - 1 + HELD))
    seen = torch.stack(model.actions_seen, 1).unflatten(0, (-1, 4))
    own = obedient.moments.actions[:, None, : CONTEXT - 1].expand(-1, 4, -1)
    assert torch.equal(seen[:, :, : CONTEXT - 1], own)
    assert (seen[:, :, CONTEXT - 1 :] == torch.tensor(ACTIONS)[:, None]).all()


def test_moments_without_an_outcome_do_not_count(tokenizer: Tokenizer, obedient: HeldDirections) -> None:
    lost = obedient.headings.copy()
    lost[:, 2] = NOWHERE
    found = control(ScriptedWorldModel(follow_action), tokenizer, replace(obedient, headings=lost))
    assert all(found[name].isnan() for name in ("move", "move_chance", "move_tokenizer"))


class Painter:
    """Stands in for a tokenizer: the first two codes are the place of Ms. Pac-Man, two pixels apart."""

    frame_shape = (210, 160)
    palette_indices = torch.tensor([0, PLAYER.palette_index])

    def decode(self, codes: Tensor) -> Tensor:
        frames = torch.zeros(len(codes), *self.frame_shape, dtype=torch.uint8)
        for frame, (x, y) in zip(frames, codes[:, 0, :2].tolist(), strict=True):
            frame[50 + 2 * y : 54 + 2 * y, 50 + 2 * x : 54 + 2 * x] = PLAYER.palette_index
        return frames


STEPS = torch.tensor([[0, 0], [0, -1], [1, 0], [-1, 0], [0, 1]])
"""Where NOOP, UP, RIGHT, LEFT and DOWN lead."""


def walk(codes: Tensor, actions: Tensor, sign: int = 1) -> Tensor:
    codes = codes.clone()
    codes[:, 0, :2] += sign * STEPS[actions]
    return codes


def walk_back(codes: Tensor, actions: Tensor) -> Tensor:
    return walk(codes, actions, sign=-1)


@pytest.mark.parametrize(("rule", "move", "chance"), [(walk, 1, 0.25), (walk_back, 0, 0.25), (stand_still, 0, 0)])
def test_moves_are_told_by_where_the_player_is_at_the_end(
    windows: Windows, rule: Any, move: float, chance: float
) -> None:
    """One step is too small to be seen."""
    actions = torch.zeros_like(windows.actions)
    middle = replace(windows, codes=torch.full_like(windows.codes, 8), actions=actions)
    up, right, left, down = 4, 1, 2, 3
    went = np.tile([up, right, left, down], (len(middle.codes), 1))
    real = replace(directions(middle, ScriptedWorldModel(walk)), headings=went)
    found = control(ScriptedWorldModel(rule), Painter(), real)  # type: ignore[arg-type]
    assert (found["move"], found["move_chance"], found["move_tokenizer"]) == (move, chance, 1)


def test_another_game_has_no_moves(tokenizer: Tokenizer, obedient: HeldDirections) -> None:
    found = control(ScriptedWorldModel(follow_action), tokenizer, obedient, game=Game())
    assert found.keys() == {"retrieval", "retrieval_best", "spread_imagined", "spread_real"}


def test_the_same_seed_measures_the_same_numbers(latents: LatentDataModule, done: Measurement) -> None:
    data, sampler = several_held_out(latents), Categorical(temperature=1.0, top_k=None, seed=0)
    with quick_cost():
        again = measure(
            untrained_gru(data), data, SETTINGS, sampler, ABOUT, untrained_outcome(data), untrained_spans(data)
        )
    assert again.card.figures.keys() == done.card.figures.keys()
    for name, reading in done.card.figures.items():
        for field in fields(reading):
            assert np.array_equal(
                getattr(again.card.figures[name], field.name), getattr(reading, field.name), equal_nan=True
            )
    assert all(same(again.samples[name], samples) for name, samples in done.samples.items())
    assert again.card.about == done.card.about


class _KnowsTheGame(SpanNetwork):
    """Says what has really been earned since the present; its grids tell the number of their frame, or nothing."""

    def __init__(self, data: LatentDataModule) -> None:
        super().__init__(data.tokenizer.grid_shape, data.tokenizer.codebook_size, 10.0, 3, 1, 1, 4, 8, 1)
        self.rewards = data.cache.rewards.float()

    def forward(self, codes: Tensor, spans: Tensor) -> Tensor:
        before, first, happened, after = (codes[:, i, 0, 0] for i in range(4))
        assert torch.equal(before, first - 1)
        earned = [self.rewards[a : a + n].sum() for a, n in zip(first.tolist(), spans.tolist(), strict=True)]
        really = (happened == first + spans) & (after == happened + 1)
        return torch.where(really, torch.stack(earned), 0.0)


class _KnowsOutcomes(OutcomeNetwork):
    """Says what happens in each step; its grids tell the number of their frame, or nothing."""

    def __init__(self, data: LatentDataModule) -> None:
        points, within = [10.0 * i for i in range(7)], (1, 5)
        facts = data.facts()
        super().__init__(
            facts["grid_shape"], facts["codebook_size"], facts["num_actions"], points, [1 / 7] * 7, [0.1] * 2, 0.1,
            before=1, after=1, embedding_dim=4, width=8, num_blocks=1, lost_within=within,
        )  # fmt: skip
        self.targets, self.taken = targets_of(data.cache, within), data.cache.actions

    def forward(self, codes: Tensor, actions: Tensor) -> OutcomeLogits:
        before, first, happened, after = (codes[:, i, 0, 0] for i in range(4))
        really = ((before == first - 1) & (happened == first + 1) & (after == first + 2)).float()
        assert torch.equal(actions * really, self.taken[first] * really)
        truth = self.targets.at(first)
        points = F.one_hot(class_of_points(truth.points, self.points), len(self.points)) * really[:, None]
        sure = 60 * (2 * really - 1)
        return OutcomeLogits(
            60 * points.float(),
            torch.where(truth.lost, sure[:, None], -60.0),
            torch.where(truth.over, sure, -60.0),
        )


def test_what_steps_earn_is_compared_with_what_happened(data: LatentDataModule, windows: Windows) -> None:
    data, frames = copy(data), torch.arange(len(data.codes))
    data.codes = frames[:, None, None].expand(data.codes.shape)
    data.cache = replace(data.cache, rewards=10.0 * (frames % 7), lives=100 - frames // 9)
    present = data.cache.starts[list(data.split.val)][windows.episode] + windows.step
    around = present[:, None] + torch.arange(1 - CONTEXT, HORIZON + 1)
    numbered = replace(
        windows, codes=around[..., None, None].expand(windows.codes.shape), actions=data.cache.actions[around[:, :-1]]
    )
    nothing = torch.zeros_like(windows.target)
    found = measure_outcomes(_KnowsOutcomes(data), data, numbered, nothing, DRAWS, batch_size=4)
    earned = data.cache.rewards[present[:, None] + torch.arange(HORIZON - 1)].double().cumsum(1).mean(0).tolist()
    assert found["outcome/real/return_expected"].value.tolist() == pytest.approx(earned)
    assert found["outcome/dream/return_real"].value.tolist() == pytest.approx(earned)
    for name in ("step/points", "step/value", "step/lost_within", "real/points", "real/lost"):
        happens, ap = (found[f"outcome/{name}/{figure}"].value for figure in ("base_rate", "ap"))
        assert happens.max() > 0
        assert ap.reshape(-1)[happens.reshape(-1) > 0] == pytest.approx(1), name
    assert (found["outcome/dream/lost/ap"].value < 0.9).any()


def test_what_spans_earn_is_compared_with_what_happened_as_far_as_they_reach(
    data: LatentDataModule, windows: Windows
) -> None:
    present = data.cache.starts[list(data.split.val)][windows.episode] + windows.step
    frames = present[:, None] + torch.arange(1 - CONTEXT, HORIZON + 1)
    numbered = replace(windows, codes=frames[..., None, None].expand(windows.codes.shape))
    nothing = torch.zeros_like(windows.target)
    data = copy(data)
    data.cache = replace(data.cache, rewards=10.0 * (torch.arange(len(data.codes)) % 7))
    found = measure_spans(_KnowsTheGame(data), data, numbered, nothing, DRAWS, batch_size=4)
    earned = data.cache.rewards[present[:, None] + torch.arange(3)].double().cumsum(1)
    assert found["spans/dream/return_real"].value.tolist() == pytest.approx(earned.mean(0).tolist())
    assert found["spans/real/return_expected"].value.tolist() == pytest.approx(earned.mean(0).tolist())
    assert not found["spans/dream/return_expected"].value.any()


def test_intervals_are_intervals_and_shares_are_shares(done: Measurement) -> None:
    unbounded = {"bits_per_frame", "skill", "skill_area", "steps_until_half_skill", "psnr", "median", "p90"}
    unbounded |= {"return_correlation", "return_expected", "return_real"}
    for name, reading in done.card.figures.items():
        known = ~np.isnan(reading.low)
        assert (reading.low[known] <= reading.high[known]).all()
        assert (reading.n >= 0).all()
        if name.rpartition("/")[2] not in unbounded and "dots" not in name:
            assert np.nanmin(reading.value, initial=0) >= 0
            assert np.nanmax(reading.value, initial=0) <= 1


def test_the_decoded_windows_belong_together(done: Measurement, latents: LatentDataModule) -> None:
    assert len(done.windows.codes) == len(done.imagined) == len(done.decoded.real) == 2
    assert np.array_equal(done.decoded.reconstructed, decode(latents.tokenizer, done.windows.target, "again"))
    assert np.array_equal(done.decoded.dreamt, decode(latents.tokenizer, done.imagined, "again"))
    dreamt = imagine(untrained_gru(latents), done.windows.codes[:, :CONTEXT], done.windows.actions)
    assert torch.equal(done.imagined, dreamt.codes)
    assert np.array_equal(done.decoded.copied, decode(latents.tokenizer, done.windows.present[:, 0], "again"))


def test_the_measurement_says_what_it_measured(done: Measurement, manifest: Manifest) -> None:
    about = done.card.about
    assert about["ceiling"] == "the emulator"
    assert about["held_out_episodes"] == 3
    assert about["action_names"] == list(manifest.action_names)
    assert about["settings"] == {**SMALL_REPORT, "warmup": 3, "context": 4, "seed": 0}
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


@pytest.mark.parametrize("name", SMALL_REPORT)
@pytest.mark.parametrize("value", [0, -1, 2.5, True, "many", None])
def test_a_setting_that_is_no_whole_number_above_zero_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"{name}={value!r} must be a whole number of at least 1"):
        Settings(**{**SMALL_REPORT, "warmup": 3, "context": 4, "seed": 0, name: value})


@pytest.mark.parametrize(("name", "value", "least"), [("seed", -1, 0), ("warmup", -1, 0), ("context", 0, 1)])
def test_seed_and_context_have_bounds_of_their_own(name: str, value: int, least: int) -> None:
    wrong, right = ({**SMALL_REPORT, "warmup": 3, "context": 4, "seed": 0, name: number} for number in (value, least))
    with pytest.raises(ValueError, match=rf"{name}={value} must be a whole number of at least {least}"):
        Settings(**wrong)
    assert getattr(Settings(**right), name) == least
