"""Walks through random histories of a state machine: the same seed makes the same histories."""

from __future__ import annotations

from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test


def walk(machine: type[RuleBasedStateMachine], world: object, number: int, histories: int, steps: int) -> None:
    """Makes so many histories of so many steps over a world; `number` is their seed. Raises what a history breaks."""
    placed = type(machine.__name__, (machine,), {"world": world})
    how = settings(
        max_examples=histories,
        stateful_step_count=steps,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, Phase.shrink],
    )
    run_state_machine_as_test(seed(number)(placed), settings=how)
