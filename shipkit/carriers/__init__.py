"""Carriers: what can quote, sell, find and void shipments. See :mod:`shipkit.carriers.base` for the protocol."""
