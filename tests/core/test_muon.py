"""The optimizer on problems whose answer is known."""

import pytest
import torch
from torch import nn

from pacdream.core.muon import Muon, orthogonalized


def muon(params, lr=1e-2, weight_decay=0.0):
    return Muon(params, lr=lr, weight_decay=weight_decay, momentum=0.9, min_rows=4, max_rows=64)


@pytest.mark.parametrize("shape", [(8, 32), (32, 8), (16, 16)])
def test_all_directions_of_an_update_are_about_as_large(shape):
    torch.manual_seed(0)
    skewed = torch.randn(*shape) * torch.logspace(0, -1, shape[1])
    values = torch.linalg.svdvals(orthogonalized(skewed))
    assert values.max() < 1.3
    assert values.min() > 0.5


def test_it_learns_a_network_of_matrices_convolutions_and_vectors():
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 16, 8), nn.Linear(8, 2)
    )
    x, y = torch.randn(64, 1, 4, 4), torch.randint(2, (64,))
    optimizer = muon(network.parameters())
    losses = []
    for _ in range(60):
        loss = nn.functional.cross_entropy(network(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]


def test_embeddings_heads_and_vectors_move_as_under_adamw():
    torch.manual_seed(0)
    shapes = [(100, 8), (3, 8), (8,), (5, 4, 8)]
    mine = [nn.Parameter(torch.randn(shape)) for shape in shapes]
    theirs = [nn.Parameter(p.detach().clone()) for p in mine]
    one = muon([*mine, nn.Parameter(torch.randn(8, 8))], weight_decay=0.1)
    other = torch.optim.AdamW(theirs, lr=1e-2, weight_decay=0.1)
    for _ in range(3):
        for a, b in zip(mine, theirs, strict=True):
            a.grad = torch.randn_like(a)
            b.grad = a.grad.clone()
        one.step()
        other.step()
    for a, b in zip(mine, theirs, strict=True):
        assert torch.equal(a, b)


def test_it_goes_on_from_its_state_as_if_it_had_never_stopped():
    torch.manual_seed(0)
    begin, grads = torch.randn(8, 8), torch.randn(6, 8, 8)
    ends = []
    for stop in (None, 3):
        p = nn.Parameter(begin.clone())
        optimizer = muon([p])
        for t, grad in enumerate(grads):
            if t == stop:
                state = optimizer.state_dict()
                optimizer = muon([p])
                optimizer.load_state_dict(state)
            p.grad = grad.clone()
            optimizer.step()
        ends.append(p.detach())
    assert torch.equal(*ends)
