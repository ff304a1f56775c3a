"""A gate that passes what is above a threshold, and one that passes no more than a budget."""

from dataclasses import dataclass

from mtshare_ros.sharing.gates import CHANGE_THRESHOLD, UrgentPatches


@dataclass(frozen=True)
class ThresholdGate:
    """Passes every patch whose score is above a threshold."""

    threshold: float = CHANGE_THRESHOLD

    def select(self, scores, forced, ages):
        """Return the chosen patches as a mask (N,)."""
        return (scores > self.threshold) | forced


@dataclass(frozen=True)
class BudgetGate:
    """Passes the most urgent patches above a threshold, at most as many as a budget."""

    threshold: float
    budget: int

    def select(self, scores, forced, ages):
        """Return the chosen patches as a mask (N,)."""
        return UrgentPatches(scores, forced, ages, self.threshold).within(self.budget)
