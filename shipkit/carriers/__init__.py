"""Carriers: what can quote, sell, find and void shipments. A folder per carrier.

:mod:`shipkit.carriers.protocol` is what a carrier must do, :mod:`shipkit.carriers.registry` finds
one by name.
"""
