"""Statistics joined with the node's own parts.

Touches: nothing yet; counts when asked.
"""

from __future__ import annotations

from relay.delivery.statistics.desk import StatisticsDesk
from relay.delivery.statistics.periods import WorkingDays
from relay.journal.counting import FigureTable
from relay.journal.store import DATABASE
from relay.node.ground import Ground


def make_statistics(ground: Ground) -> StatisticsDesk:
    section = ground.settings.statistics
    days = WorkingDays(frozenset(section.days_off), frozenset(section.working_days))
    table = FigureTable(ground.settings.node.data_dir / DATABASE)
    return StatisticsDesk(table, ground.directory, ground.known, ground.clock, days)
