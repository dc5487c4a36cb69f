"""Adaptation of the step size to the acceptance rate."""


def adapt_step_size(
    step_size: float,
    average_acceptance: float,
    acceptance: float,
    target_acceptance: float,
    increase: float,
    decrease: float,
    step_size_min: float,
    step_size_max: float,
    smoothing: float,
) -> tuple[float, float]:
    """Step size and average acceptance after one more move.

    The step size grows by ``increase`` where the average *before* the move was above the target, else it shrinks by
    ``decrease``; then the average is updated with the move.

    Args:
        step_size: of the move.
        average_acceptance: before the move.
        acceptance: of the move: the share of the chains that accepted, 0 to 1.
        target_acceptance: of the average.
        increase: more than 1.
        decrease: less than 1.
        step_size_min: lower bound of the step size.
        step_size_max: upper bound of the step size.
        smoothing: weight of the old average in the new one, 0 to 1.

    Source: "Hybrid Monte-Carlo Sampling", section "Implementing HMC With Theano", function ``hmc_updates``.
    """
    step_size *= increase if average_acceptance > target_acceptance else decrease
    average_acceptance = smoothing * average_acceptance + (1 - smoothing) * acceptance
    return min(max(step_size, step_size_min), step_size_max), average_acceptance
