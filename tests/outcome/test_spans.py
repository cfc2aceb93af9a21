"""Points between two moments: the network, what it learns from, and its training."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from pacdream.command.train import train
from pacdream.core.checkpoints import load_model
from pacdream.data.latent_data_module import LatentDataModule
from pacdream.outcome.frozen import find_spans
from pacdream.outcome.span_data_module import SpanDataModule
from pacdream.outcome.span_network import SpanNetwork
from tests.conftest import compose_config, pac_man_recording
from tests.runs import hydra_run, small_overrides

SIZES = {"codebook_size": 5, "unit": 10.0, "max_span": 6, "embedding_dim": 4, "width": 8, "num_blocks": 1}


def network(before: int = 1, after: int = 1, **changes: object) -> SpanNetwork:
    net = SpanNetwork(**{"grid_shape": (3, 2), **SIZES, "before": before, "after": after, **changes})  # type: ignore[arg-type]
    for head in (net.cell_head, net.head):
        torch.nn.init.normal_(head.weight)
    return net.eval()


def spans_of(latents: LatentDataModule, **changes: object) -> SpanDataModule:
    data = SpanDataModule(
        episodes=str(latents.folder), recording=pac_man_recording(latents.folder.parent / "never_recorded"),
        tokenizer=latents.tokenizer, cache=str(latents.cache_folder), context_length=1, batch_size=8,
        val_batch_size=16, encode_batch_size={"cpu": 32}, val_fraction=0.2, split_seed=0, seed=0, limit=None,
        **{"before": 1, "after": 1, "max_span": 6, "max_val_spans": 20, **changes},
    )  # fmt: skip
    data.prepare_data()
    data.setup("fit")
    return data


def test_before_it_has_learnt_anything_nothing_is_earned() -> None:
    net = SpanNetwork(**{"grid_shape": (3, 2), **SIZES, "before": 1, "after": 1})  # type: ignore[arg-type]
    assert not net.judge(torch.randint(5, (2, 8, 3, 2))).any()


@pytest.mark.parametrize(("before", "after"), [(0, 0), (0, 1), (1, 1), (2, 0)])
def test_judging_a_stretch_is_comparing_each_of_its_moments_with_the_first(before: int, after: int) -> None:
    net, codes = network(before, after), torch.randint(5, (2, before + 1 + 5, 3, 2))
    found = net.judge(codes)
    assert found.shape == (2, 5 - after)
    for span in range(1, 6 - after):
        end = codes[:, before + span : before + span + 1 + after]
        alone = net(torch.cat([codes[:, : before + 1], end], 1), torch.tensor([span, span]))
        torch.testing.assert_close(found[:, span - 1], alone)


def test_what_happens_in_between_is_not_looked_at() -> None:
    net, codes = network(), torch.randint(5, (2, 8, 3, 2))
    other = codes.clone()
    other[:, 2:-2] = (other[:, 2:-2] + 1) % 5
    assert torch.equal(net.judge(codes)[:, -1], net.judge(other)[:, -1])
    assert not torch.equal(net.judge(codes)[:, 0], net.judge(other)[:, 0])


@pytest.mark.parametrize(("grids", "said"), [(3, "a span of 0 steps"), (10, "a span of 7 steps")])
def test_spans_that_it_cannot_judge_are_refused(grids: int, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        network().judge(torch.zeros(1, grids, 3, 2, dtype=torch.int64))


@pytest.mark.parametrize(
    ("setting", "said"), [("width", "width=9 a multiple"), ("unit", "unit=-1"), ("max_span", "=0")]
)
def test_numbers_that_make_no_network_are_refused(setting: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        network(**{setting: {"width": 9, "unit": -1.0, "max_span": 0}[setting]})


def test_a_span_is_what_was_recorded(latents: LatentDataModule) -> None:
    data = spans_of(latents)
    batch = data.batch(data.train_steps)
    assert set(batch.spans.tolist()) == set(range(1, 7))
    assert batch.points.any()
    for row, (step, span) in enumerate(zip(data.train_steps.tolist(), batch.spans.tolist(), strict=True)):
        assert batch.points[row] == data.cache.rewards[step : step + span].sum()
        around: Tensor = data.cache.codes[[step - 1, step, step + span, step + span + 1]]
        assert torch.equal(batch.codes[row], around.long())


def test_no_span_crosses_the_end_of_an_episode_or_is_held_out_and_trained_on(latents: LatentDataModule) -> None:
    data = spans_of(latents)
    episode = torch.searchsorted(data.cache.starts, torch.arange(len(data.codes)), right=True) - 1
    for steps, episodes in ((data.train_steps, data.split.train), (data.val_steps, data.split.val)):
        assert torch.equal(episode[steps - 1], episode[steps + data.spans[steps] + 1])
        assert set(episode[steps].tolist()) <= set(episodes)
    assert len(data.val_steps) == 20


def test_its_unit_is_the_smallest_number_of_points(latents: LatentDataModule) -> None:
    facts = spans_of(latents).facts()
    assert facts["unit"] == 10
    assert "num_actions" not in facts


def test_it_is_trained_and_found_behind_its_tokenizer_only(
    episodes: Path, tokenizer_path: Path, tmp_path: Path
) -> None:
    chosen = ["experiment=spans"]
    small = small_overrides(compose_config("train", chosen), episodes, tokenizer_path, tmp_path)
    with hydra_run("train", tmp_path / "run", [*chosen, *small]) as config:
        error = train(config)
    assert error is not None
    assert error > 0
    content = load_model(tmp_path / "run" / "checkpoints" / "best.ckpt", SpanNetwork)
    assert content.unit == 10
    with pytest.raises(ValueError, match="judges the codes of another tokenizer"):
        find_spans(str(tmp_path / "run"), "f" * 64)
    with pytest.raises(ValueError, match="spans=nobody is neither a checkpoint nor"):
        find_spans("nobody", "f" * 64)
