"""(E16) to (E21) and (E62) against torch.optim in float64, over 30 steps."""

import numpy as np
import pytest

from chainrule.maths.updates import SGD, Adam, AdamW, Momentum, Nesterov, RMSProp, Rprop

torch = pytest.importorskip("torch", reason="torch is a peer that users never need: pip install 'chainrule[peers]'")
pytestmark = pytest.mark.peers

RULES = {
    "E16 sgd": (SGD(), lambda p: torch.optim.SGD(p, lr=0.01)),
    "E17 momentum": (Momentum(0.8), lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.8)),
    "E18 nesterov": (Nesterov(0.8), lambda p: torch.optim.SGD(p, lr=0.01, momentum=0.8, nesterov=True)),
    "E19 rmsprop": (RMSProp(0.95, 1e-6), lambda p: torch.optim.RMSprop(p, lr=0.01, alpha=0.95, eps=1e-6)),
    "E20 adam": (Adam(0.8, 0.95, 1e-6), lambda p: torch.optim.Adam(p, lr=0.01, betas=(0.8, 0.95), eps=1e-6)),
    "E21 adamw": (
        AdamW(0.3, 0.8, 0.95, 1e-6),
        lambda p: torch.optim.AdamW(p, lr=0.01, betas=(0.8, 0.95), eps=1e-6, weight_decay=0.3),
    ),
    "E62 rprop": (
        Rprop(0.4, 1.3, 0.002, 0.05),
        lambda p: torch.optim.Rprop(p, lr=0.01, etas=(0.4, 1.3), step_sizes=(0.002, 0.05)),
    ),
}


@pytest.mark.parametrize("name", RULES)
def test_same_steps_as_torch(name):
    rule, make = RULES[name]
    rng = np.random.default_rng(0)
    theta = rng.standard_normal(20)
    tensor = torch.tensor(theta, requires_grad=True)
    optimizer = make([tensor])
    state = rule.initial(theta, np.ones(20))
    for _ in range(30):
        gradient = rng.standard_normal(20)
        state, theta = rule.update(state, theta, gradient, 0.01)
        tensor.grad = torch.tensor(gradient)
        optimizer.step()
    np.testing.assert_allclose(theta, tensor.detach().numpy(), rtol=1e-10)  # 30 steps of some 10 operations each
