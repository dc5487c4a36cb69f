"""What blackjax, an independent reference, makes; a process of its own: jax beside torch's tests ends pytest.

python by_blackjax.py moves|trajectory FILE.npz
"""

import sys

import blackjax
import jax
import numpy as np
from blackjax.mcmc import integrators

CHAINS, MOVES, STEP_SIZE, LEAPFROG_STEPS = 10_000, 50, 0.7, 3  # coarse: accepting matters


def moves():
    """The ends of independent chains."""

    def logdensity(x):
        return -(x[0] ** 4 / 4 - x[0] / 2 + (x[1] - x[0] ** 2) ** 2 / 2)

    kernel = blackjax.hmc(logdensity, STEP_SIZE, np.ones(2), LEAPFROG_STEPS)
    start, steps = jax.random.split(jax.random.key(0))
    states = jax.vmap(kernel.init)(jax.random.normal(start, (CHAINS, 2)))

    def step(states, key):
        return jax.vmap(kernel.step)(jax.random.split(key, CHAINS), states)[0], None

    ends = jax.jit(lambda s: jax.lax.scan(step, s, jax.random.split(steps, MOVES))[0])(states)
    return {"positions": ends.position}


def trajectory():
    """Fifteen steps of 0.1 on the banana of deviation 2 and bend 0.5."""
    jax.config.update("jax_enable_x64", True)

    def logdensity(x):
        return -(x[0] ** 2 / 8 + (x[1] - 0.5 * (x[0] ** 2 - 4)) ** 2 / 2)

    step = integrators.velocity_verlet(logdensity, lambda v, position=None: 0.5 * (v @ v))
    x, v = np.array([0.4, -1.3]), np.array([0.9, 0.2])
    state = integrators.IntegratorState(x, v, *jax.value_and_grad(logdensity)(x))
    for _ in range(15):
        state = step(state, 0.1)
    return {"position": state.position, "momentum": state.momentum, "logdensity": state.logdensity}


if __name__ == "__main__":
    found = {"moves": moves, "trajectory": trajectory}[sys.argv[1]]()
    np.savez(sys.argv[2], **{name: np.asarray(value) for name, value in found.items()})
