"""Who is caught by a plan: the network, what it learns from, and its training."""

from pathlib import Path

import pytest
import torch

from pacdream.command.train import train
from pacdream.core.checkpoints import load_model
from pacdream.data.latent_data_module import LatentDataModule
from pacdream.outcome.frozen import find_risk
from pacdream.outcome.risk_data_module import RiskDataModule
from pacdream.outcome.risk_module import cells_that_change
from pacdream.outcome.risk_network import RiskNetwork
from pacdream.outcome.targets import targets_of
from tests.conftest import compose_config, pac_man_recording
from tests.runs import hydra_run, small_overrides

BEFORE, HORIZON = 2, 4
RATES = [0.1, 0.2, 0.3, 0.4]
SIZES = {
    "before": BEFORE,
    "caught_rates": RATES,
    "points": [0, 10],
    "base_rates": [0.9, 0.1],
    "embedding_dim": 4,
    "width": 8,
    "num_blocks": 1,
}


def network(**changes: object) -> RiskNetwork:
    torch.manual_seed(0)
    return RiskNetwork((3, 2), 5, 3, **{**SIZES, **changes}).eval()  # type: ignore[arg-type]


def taught() -> RiskNetwork:
    """One that says something."""
    net = network()
    torch.nn.init.normal_(net.head.weight)
    return net


def asked(games: int = 2, plans: int = 3, steps: int = HORIZON) -> tuple[torch.Tensor, ...]:
    return (
        torch.randint(5, (games, BEFORE + 1, 3, 2)),
        torch.randint(3, (games, BEFORE)),
        torch.randint(3, (games, plans, steps)),
    )


def plans_of(latents: LatentDataModule, **changes: object) -> RiskDataModule:
    data = RiskDataModule(
        episodes=str(latents.folder), recording=pac_man_recording(latents.folder.parent / "never_recorded"),
        tokenizer=latents.tokenizer, cache=str(latents.cache_folder), context_length=1, batch_size=8,
        val_batch_size=16, encode_batch_size={"cpu": 32}, val_fraction=0.2, split_seed=0, seed=0, limit=None,
        **{"before": BEFORE, "horizon": HORIZON, "lost_within": 20, "min_count": 1, "max_val_plans": 20, **changes},
    )  # fmt: skip
    data.prepare_data()
    data.setup("fit")
    return data


def test_before_it_has_learnt_anything_it_says_how_often_it_happens() -> None:
    found = network()(*asked()).sigmoid()
    torch.testing.assert_close(found, torch.tensor(RATES).expand(2, 3, HORIZON))


def test_a_plan_is_judged_by_its_own_game_and_actions_only() -> None:
    net, (codes, actions, plans) = taught(), asked()
    whole = net(codes, actions, plans)
    for game in range(2):
        for plan in range(3):
            alone = net(codes[game][None], actions[game][None], plans[game, plan][None, None])
            torch.testing.assert_close(alone[0, 0], whole[game, plan])
    assert whole[:, :, -1].std() > 0
    torch.testing.assert_close(net.judge(codes, actions, plans), whole[..., -1])


def test_what_is_done_later_does_not_change_what_has_happened() -> None:
    net, (codes, actions, plans) = taught(), asked()
    other = plans.clone()
    other[..., 2:] = (other[..., 2:] + 1) % 3
    one, two = net(codes, actions, plans), net(codes, actions, other)
    torch.testing.assert_close(one[..., :2], two[..., :2])
    assert (one[..., 2:] != two[..., 2:]).all()
    torch.testing.assert_close(net(codes, actions, plans[..., :2]), one[..., :2])


@pytest.mark.parametrize("steps", [0, HORIZON + 1])
def test_plans_that_it_cannot_judge_are_refused(steps: int) -> None:
    with pytest.raises(ValueError, match=f"plans of {steps} steps cannot be judged, only those of 1 to 4"):
        network()(*asked(steps=steps))


def test_another_number_of_grids_is_refused() -> None:
    codes, actions, plans = asked()
    with pytest.raises(ValueError, match=r"are not 3 grids of \(3, 2\) of each game"):
        network()(codes[:, 1:], actions, plans)


@pytest.mark.parametrize(("setting", "value"), [("width", 9), ("before", 0), ("caught_rates", [])])
def test_numbers_that_make_no_network_are_refused(setting: str, value: object) -> None:
    with pytest.raises(ValueError, match=setting if setting != "caught_rates" else "the steps of a plan, 0"):
        network(**{setting: value})


def test_a_plan_is_what_was_done_and_its_end_what_happened(latents: LatentDataModule) -> None:
    data = plans_of(latents)
    lives = targets_of(data.cache, [20, 23]).lost
    batch = data.batch(data.train_steps)
    assert batch.codes.shape[1:] == (BEFORE + 1, 7, 5)
    for row, step in enumerate(data.train_steps.tolist()):
        assert torch.equal(batch.codes[row], data.cache.codes[step - BEFORE : step + 1].long())
        assert batch.actions[row].tolist() == data.cache.actions[step - BEFORE : step].tolist()
        assert batch.plans[row].tolist() == data.cache.actions[step : step + HORIZON].tolist()
        assert torch.equal(batch.later[row], data.cache.codes[step + 1 : step + 1 + HORIZON].long())
        assert torch.equal(batch.points[row], data.cache.rewards[step : step + HORIZON])
        assert batch.caught[row, [0, -1]].tolist() == lives[step].tolist()
    assert data.facts()["caught_rates"] == sorted(data.facts()["caught_rates"])


def test_codes_that_change_are_asked_for_first() -> None:
    present = torch.arange(6).expand(2, 6)
    later = present[:, None].expand(2, 3, 6).clone()
    later[:, 1, [1, 4]] = 9  # back again in the third step
    for _ in range(20):
        cells = cells_that_change(present, later, 3)
        assert cells.shape == (2, 3, 3)
        assert all(len(set(row)) == 3 for row in cells.flatten(0, 1).tolist())
        assert all({1, 4} <= set(row) for row in cells[:, 1].tolist())
    asked_for = {cell for _ in range(50) for cell in cells_that_change(present, later, 3)[:, 0].flatten().tolist()}
    assert asked_for == set(range(6))


def test_codes_are_read_off_the_map_at_their_cells() -> None:
    net = taught()
    maps = net.follow(*asked())
    cells = torch.randint(6, (2, 3, HORIZON, 4))
    shown = net.shown(maps, cells)
    assert shown.shape == (2, 3, HORIZON, 4, 5)
    row, column = divmod(int(cells[1, 2, 3, 0]), 2)
    torch.testing.assert_close(shown[1, 2, 3, 0], net.codes_head(maps[1, 2, 3, :, row, column].relu()))


def test_no_plan_crosses_the_end_of_an_episode_or_is_held_out_and_trained_on(latents: LatentDataModule) -> None:
    data = plans_of(latents)
    episode = torch.searchsorted(data.cache.starts, torch.arange(len(data.codes)), right=True) - 1
    for steps, episodes in ((data.train_steps, data.split.train), (data.val_steps, data.split.val)):
        assert torch.equal(episode[steps - BEFORE], episode[steps + HORIZON])
        assert set(episode[steps].tolist()) <= set(episodes)
    assert len(data.val_steps) == 20


def test_it_is_trained_and_found_behind_its_tokenizer_only(
    episodes: Path, tokenizer_path: Path, tmp_path: Path
) -> None:
    chosen = ["experiment=risk"]
    small = small_overrides(compose_config("train", chosen), episodes, tokenizer_path, tmp_path)
    with hydra_run("train", tmp_path / "run", [*chosen, *small]) as config:
        loss = train(config)
    assert loss is not None
    assert loss > 0
    net = load_model(tmp_path / "run" / "checkpoints" / "best.ckpt", RiskNetwork)
    assert (net.before, net.horizon) == (5, 12)
    with pytest.raises(ValueError, match="judges the codes of another tokenizer"):
        find_risk(str(tmp_path / "run"), "f" * 64)
    with pytest.raises(ValueError, match="risk=nobody is neither a checkpoint nor"):
        find_risk("nobody", "f" * 64)
