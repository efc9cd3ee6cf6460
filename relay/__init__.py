"""Trục Relay: carries official documents between agencies and proves what happened to them."""

__version__ = "0.1.0"
