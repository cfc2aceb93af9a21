"""The optimizer on problems whose answer is known."""

import pytest
import torch
from omegaconf import OmegaConf
from torch import nn

from pacdream.core.checkpoints import build_model
from pacdream.core.instantiate import build
from pacdream.core.muon import Muon, orthogonalized
from tests.conftest import TINY_ATTENTION, TINY_GRU, compose_config


def muon(params, lr=1e-2, weight_decay=0.0):
    return Muon(params, lr=lr, weight_decay=weight_decay, momentum=0.9, not_hidden=["embedding", "head"])


@pytest.mark.parametrize("shape", [(8, 32), (32, 8), (16, 16)])
def test_all_directions_of_an_update_are_about_as_large(shape):
    torch.manual_seed(0)
    skewed = torch.randn(*shape) * torch.logspace(0, -1, shape[1])
    values = torch.linalg.svdvals(orthogonalized(skewed))
    assert values.max() < 1.3
    assert values.min() > 0.5


@pytest.mark.parametrize("native", [True, False])
def test_half_precision_is_used_where_it_is_native_only(native, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": native}, raising=False)
    update = orthogonalized(torch.randn(8, 8, generator=torch.Generator().manual_seed(0)))
    assert torch.equal(update.bfloat16().float(), update) == native


@pytest.mark.parametrize(
    ("model", "hidden"),
    [
        (TINY_GRU, {"gru.weight_ih_l0", "gru.weight_hh_l0"}),
        (TINY_ATTENTION, {"join_codes.weight", "join_actions.weight"}),
    ],
)
def test_hidden_layers_are_those_that_are_neither_embeddings_nor_heads(latents, model, hidden):
    network = build_model(OmegaConf.create(model), latents.facts())
    optimizer = build(compose_config("train", ["experiment=attention"]).optimizer)(network.named_parameters())
    names = {p: name for name, p in network.named_parameters()}
    found = {names[p] for p in optimizer.param_groups[1]["params"] if not names[p].startswith("blocks.")}
    assert found == hidden
    assert len(list(network.parameters())) == sum(len(group["params"]) for group in optimizer.param_groups)


def test_it_learns_a_network_of_matrices_convolutions_and_vectors():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(128, 8), nn.Linear(8, 2))
    x = torch.randn(64, 1, 4, 4)
    y = (x.sum((1, 2, 3)) > 0).long()
    optimizer = muon(network.named_parameters())
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
    shapes = {"embedding.weight": (100, 8), "head.weight": (3, 8), "bias": (8,), "position": (5, 4, 8)}
    mine = {name: nn.Parameter(torch.randn(shape)) for name, shape in shapes.items()}
    theirs = {name: nn.Parameter(p.detach().clone()) for name, p in mine.items()}
    one = muon([*mine.items(), ("layer.weight", nn.Parameter(torch.randn(8, 8)))], weight_decay=0.1)
    other = torch.optim.AdamW(theirs.values(), lr=1e-2, weight_decay=0.1)
    for _ in range(3):
        for name, a in mine.items():
            a.grad = torch.randn_like(a)
            theirs[name].grad = a.grad.clone()
        one.step()
        other.step()
    for name, a in mine.items():
        assert torch.equal(a, theirs[name])


def test_it_goes_on_from_its_state_as_if_it_had_never_stopped():
    torch.manual_seed(0)
    begin, grads = torch.randn(8, 8), torch.randn(6, 8, 8)
    ends = []
    for stop in (None, 3):
        p = nn.Parameter(begin.clone())
        optimizer = muon([("layer.weight", p)])
        for t, grad in enumerate(grads):
            if t == stop:
                state = optimizer.state_dict()
                optimizer = muon([("layer.weight", p)])
                optimizer.load_state_dict(state)
            p.grad = grad.clone()
            optimizer.step()
        ends.append(p.detach())
    assert torch.equal(*ends)
