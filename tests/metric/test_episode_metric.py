import numpy as np
import pytest
import torch
from torch import Tensor

from pacdream.metric.episode_metric import EpisodeMetric, Estimate, Figure, draw_episodes, prefixed, ratio

EPISODES, HORIZON = 7, 3
DRAWS = draw_episodes(EPISODES, 400, seed=0)


class Share(EpisodeMetric):
    """Share of right ones for each horizon, from counts (B, HORIZON, 2) of right ones and of all."""

    def __init__(self, num_episodes: int = EPISODES) -> None:
        super().__init__(num_episodes, (HORIZON, 2))

    def update(self, counts: Tensor, episode: Tensor) -> None:
        self.add(counts, episode)

    def figures(self, sums: Tensor) -> dict[str, Estimate]:
        return {"share": ratio(sums[..., 0], sums[..., 1])}


def random_counts() -> tuple[Tensor, Tensor]:
    """Counts of 40 windows of unequal size, and their episodes, each of which has some."""
    total = torch.randint(1, 100, (40, HORIZON))
    right = (torch.rand(40, HORIZON) * (total + 1)).long()
    return torch.stack([right, total], -1), torch.arange(40)[torch.randperm(40)] % EPISODES


def measured(counts: Tensor, episode: Tensor, num_episodes: int = EPISODES) -> Share:
    metric = Share(num_episodes)
    metric.update(counts, episode)
    return metric


def interval(metric: Share, draws: Tensor = DRAWS) -> Figure:
    return metric.with_intervals(draws)["share"]


def test_every_set_has_as_many_episodes_as_there_are() -> None:
    assert DRAWS.shape == (400, EPISODES)
    assert (DRAWS.sum(1) == EPISODES).all()


def test_equal_seeds_draw_equal_sets() -> None:
    torch.manual_seed(1)
    assert torch.equal(draw_episodes(EPISODES, 400, seed=0), DRAWS)


def test_other_seeds_draw_other_sets() -> None:
    assert not torch.equal(draw_episodes(EPISODES, 400, seed=1), DRAWS)


def test_every_episode_is_drawn_equally_often_and_with_replacement() -> None:
    draws = draw_episodes(5, 20000, seed=0)
    torch.testing.assert_close(draws.mean(0), torch.ones(5).double(), atol=0.03, rtol=0)
    torch.testing.assert_close(draws.var(0), torch.full((5,), 1 - 1 / 5).double(), atol=0.04, rtol=0)


def test_intervals_equal_a_naive_bootstrap() -> None:
    counts, episode = random_counts()
    samples = []
    for draw in DRAWS.long():
        resampled = [counts[episode == e] for e in range(EPISODES) for _ in range(draw[e])]
        right, total = torch.cat(resampled).numpy().sum(0).T
        samples.append(right / total)
    figure, (low, high) = interval(measured(counts, episode)), np.quantile(samples, [0.025, 0.975], axis=0)
    np.testing.assert_allclose(figure.samples, samples)
    np.testing.assert_allclose(figure.low, low)
    np.testing.assert_allclose(figure.high, high)


def test_an_interval_holds_its_figure() -> None:
    figure = interval(measured(*random_counts()))
    assert (figure.low < figure.value).all()
    assert (figure.value < figure.high).all()


def alike(num_episodes: int) -> Figure:
    counts = torch.tensor([[[1, 3]] * HORIZON]).expand(num_episodes, -1, -1)
    metric = measured(counts, torch.arange(num_episodes), num_episodes)
    return interval(metric, draw_episodes(num_episodes, 50, seed=0))


def test_episodes_that_are_alike_leave_no_doubt() -> None:
    figure = alike(8)
    for bound in (figure.low, figure.high):
        torch.testing.assert_close(bound, figure.value)


def test_one_episode_has_a_value_but_no_interval() -> None:
    figure = alike(1)
    assert not figure.value.isnan().any()
    assert all(part.isnan().all() for part in (figure.low, figure.high, figure.samples))


def test_a_figure_that_rests_on_one_of_several_episodes_has_no_interval() -> None:
    counts, episode = random_counts()
    counts[:, 1] *= (episode == 3)[:, None]
    figure = interval(measured(counts, episode))
    assert not figure.value.isnan().any()
    for part in (figure.low, figure.high, figure.samples[0]):
        assert part.isnan().tolist() == [False, True, False]


def test_figures_are_those_of_all_windows_together() -> None:
    counts, episode = random_counts()
    metric = measured(counts, episode)
    right, total = counts.double().sum(0).T
    torch.testing.assert_close(metric.compute()["share"], right / total)
    assert torch.equal(interval(metric).value, metric.compute()["share"])
    assert torch.equal(interval(metric).n, total)


def test_rows_are_those_of_their_episodes() -> None:
    counts, episode = random_counts()
    expected = torch.stack([counts[episode == e].sum(0) for e in range(EPISODES)])
    assert torch.equal(measured(counts, episode).sums, expected.double())


@pytest.mark.parametrize("batch", [1, 7, 40])
def test_neither_order_nor_batches_matter(batch: int) -> None:
    counts, episode = random_counts()
    parts = Share()
    for rows in torch.randperm(40).split(batch):
        parts.update(counts[rows], episode[rows])
    assert torch.equal(parts.sums, measured(counts, episode).sums)


def test_what_was_not_counted_is_nan() -> None:
    counts, episode = random_counts()
    counts[:, 1] = 0
    figure = interval(measured(counts, episode))
    for values in (figure.value, figure.low, figure.high):
        assert values.isnan().tolist() == [False, True, False]
    assert figure.n[1] == 0


def test_sets_without_anything_to_count_do_not_widen_the_interval() -> None:
    metric = measured(torch.tensor([[[1, 4]] * HORIZON] * 2), torch.tensor([0, 1]))
    figure = interval(metric)
    assert figure.samples.isnan().any()
    assert (figure.low == 0.25).all()
    assert (figure.high == 0.25).all()


def test_sums_are_forgotten_on_reset() -> None:
    metric = measured(*random_counts())
    metric.reset()
    assert not metric.sums.any()


def test_a_prefix_is_a_folder() -> None:
    figures = measured(*random_counts()).with_intervals(DRAWS)
    assert prefixed("game/dream", figures) == {"game/dream/share": figures["share"]}
