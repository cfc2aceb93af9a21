import itertools

import pytest
import torch

from pacdream.outcome.network import OutcomeNetwork
from pacdream.outcome.targets import class_of_points, targets_of

FACTS = {
    "grid_shape": (3, 2), "codebook_size": 5, "num_actions": 4, "points": [0, 10, 50], "base_rates": [0.85, 0.1, 0.05],
    "lost_rates": [0.01, 0.02, 0.03, 0.04], "over_rate": 0.002, "embedding_dim": 4, "width": 8, "num_blocks": 1,
}  # fmt: skip


def network(**changes):
    return OutcomeNetwork(**{**FACTS, "before": 1, "after": 1, **changes}).eval()


def test_before_it_has_learnt_anything_it_says_how_often_everything_occurs():
    logits = network()(torch.randint(5, (6, 4, 3, 2)), torch.randint(4, (6,)))
    assert torch.allclose(logits.points.softmax(-1), torch.tensor([0.85, 0.1, 0.05]).expand(6, -1), atol=1e-6)
    assert torch.allclose(logits.lost.sigmoid(), torch.tensor([0.01, 0.02, 0.03, 0.04]).expand(6, -1), atol=1e-6)
    assert torch.allclose(logits.over.sigmoid(), torch.full((6,), 0.002), atol=1e-6)


@pytest.mark.parametrize(("before", "after"), [(0, 0), (0, 1), (1, 1), (2, 0)])
def test_judging_a_stretch_is_judging_each_of_its_steps_by_the_grids_around_it(before, after):
    net = network(before=before, after=after)
    with torch.no_grad():
        net.head.weight.normal_()
    codes, actions = torch.randint(5, (2, 8, 3, 2)), torch.randint(4, (2, 7))
    judged = net.judge(codes, actions)
    assert judged.expected.shape == (2, 7 - before - after)
    for s in range(judged.over.shape[1]):
        logits = net(codes[:, s : s + net.grids], actions[:, s + before])
        assert torch.allclose(judged.points[:, s], logits.points.softmax(-1), atol=1e-5)
        assert torch.allclose(judged.lost[:, s], logits.lost.sigmoid(), atol=1e-5)
    assert torch.allclose(judged.expected, (judged.points * torch.tensor([0.0, 10.0, 50.0])).sum(-1))
    assert torch.allclose(judged.earns, judged.points[..., 1:].sum(-1), atol=1e-6)


def test_it_tells_the_loss_of_a_life_within_as_many_numbers_of_steps_as_it_is_given():
    net = network(lost_within=[1, 20], lost_rates=[0.01, 0.1])
    assert net.judge(torch.zeros(2, 6, 3, 2, dtype=torch.int64), torch.zeros(2, 5, dtype=torch.int64)).lost.shape == (
        2, 3, 2,
    )  # fmt: skip


def test_too_few_grids_are_refused():
    with pytest.raises(ValueError, match="3 grids in a row are too few to judge a step by 4"):
        network().judge(torch.zeros(1, 3, 3, 2, dtype=torch.int64), torch.zeros(1, 2, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"not 4 grids of \(3, 2\)"):
        network()(torch.zeros(1, 3, 3, 2, dtype=torch.int64), torch.zeros(1, dtype=torch.int64))


def test_points_that_never_occurred_count_as_the_nearest():
    values = torch.tensor([0.0, 10.0, 50.0, 200.0])
    assert class_of_points(torch.tensor([[0, 10], [60, 1600]]), values).tolist() == [[0, 1], [2, 3]]


def test_targets_are_what_a_plain_loop_finds(latents):
    cache, targets = latents.cache, targets_of(latents.cache, [1, 4, 20])
    assert torch.equal(targets.points, cache.rewards.float())
    for episode in range(len(cache.starts) - 1):
        first, end = int(cache.starts[episode]), int(cache.starts[episode + 1])
        lives = cache.lives[first:end].tolist()
        for t in range(len(lives)):
            for i, k in enumerate([1, 4, 20]):
                ahead = lives[t : t + k + 1]
                lost = any(b < a for a, b in itertools.pairwise(ahead))
                assert bool(targets.lost[first + t, i]) == lost
            ended = cache.terminated[first:end][t : t + 4].any()
            assert bool(targets.over[first + t]) == bool(ended)
