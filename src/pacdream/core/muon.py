"""Muon: hidden weights move by their orthogonalized momentum, everything else by AdamW."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.optim import AdamW

from pacdream.core.bfloat16 import is_native


class Muon(AdamW):
    """Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024.

    The matrices and convolutions of hidden layers follow the momentum of their gradients with all singular values set
    to about 1, so that rare directions move as much as common ones. ``torch.optim.Muon`` takes matrices only, and
    nothing beside them.
    """

    def __init__(
        self,
        params: Iterable[tuple[str, Parameter]],
        lr: float,
        weight_decay: float,
        momentum: float,
        not_hidden: Sequence[str],
    ) -> None:
        """Configure.

        Args:
            params: of a network, with their names.
            lr: of both; steps of the matrices are scaled to the size that AdamW's have.
            weight_decay: of both.
            momentum: of the matrices.
            not_hidden: words in the names of matrices that AdamW moves: embeddings of codes and actions, and heads.
        """
        hidden: list[tuple[str, Parameter]] = []
        others: list[tuple[str, Parameter]] = []
        for name, p in params:
            is_hidden = p.ndim in (2, 4) and not any(word in name for word in not_hidden)
            (hidden if is_hidden else others).append((name, p))
        groups: list[dict[str, Any]] = [{"params": others, "momentum": None}, {"params": hidden, "momentum": momentum}]
        super().__init__([group for group in groups if group["params"]], lr=lr, weight_decay=weight_decay)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step of all parameters."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        groups = self.param_groups
        for group in groups:
            if group["momentum"] is not None:
                self._step_matrices(group)
        self.param_groups = [group for group in groups if group["momentum"] is None]
        try:
            super().step()
        finally:
            self.param_groups = groups
        return loss

    def _step_matrices(self, group: dict[str, Any]) -> None:
        for p in group["params"]:
            if p.grad is None:
                continue
            state = self.state[p]
            if not state:
                state |= {"average": torch.zeros_like(p), "step": torch.zeros(())}  # loading AdamW's state wants a step
            average = state["average"]
            average.lerp_(p.grad, 1 - group["momentum"])
            update = orthogonalized(p.grad.lerp(average, group["momentum"]).flatten(1))
            rows, columns = update.shape
            p.mul_(1 - group["lr"] * group["weight_decay"])
            p.add_(update.view_as(p), alpha=-0.2 * group["lr"] * max(rows, columns) ** 0.5)


def orthogonalized(matrix: Tensor) -> Tensor:
    """The matrix (R, C) with all singular values between about 0.7 and 1.2.

    Five Newton-Schulz iterations with the coefficients of Jordan et al., in bfloat16 where that is fast: it is enough.

    >>> matrix = torch.diag(torch.tensor([1.0, 0.5, 0.1]))
    >>> values = torch.linalg.svdvals(orthogonalized(matrix))
    >>> bool((values > 0.6).all() and (values < 1.3).all())
    True
    """
    x = matrix.bfloat16() if is_native(matrix.device.type) else matrix
    wide = x.shape[0] <= x.shape[1]
    x = x if wide else x.T
    x = x / (x.norm() + 1e-7)
    for _ in range(5):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=-4.7750, alpha=2.0315), x, beta=3.4445)
    return (x if wide else x.T).to(matrix.dtype)
