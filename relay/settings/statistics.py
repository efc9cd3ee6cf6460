"""The section of statistics: the days on which nobody works, and those worked in exchange.

Touches: nothing. Raises: nothing by itself; pydantic gathers what is wrong, see reading.py.
"""

from __future__ import annotations

from datetime import date

from pydantic import Field, model_validator

from relay.settings.sections import Section


class StatisticsSection(Section):
    days_off: tuple[date, ...] = Field(default=(), max_length=2000)
    """Public holidays; Saturdays and Sundays are off anyway."""
    working_days: tuple[date, ...] = Field(default=(), max_length=2000)
    """Saturdays and Sundays that are worked in exchange for a day off."""

    @model_validator(mode="after")
    def _one_or_the_other(self) -> StatisticsSection:
        both = set(self.days_off) & set(self.working_days)
        if both:
            raise ValueError(f"{min(both)} is a day off and a working day")
        return self
