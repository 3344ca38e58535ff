"""From anything with orders in it to a checked table of shipments.

The stages: source, grouping, where, packing, mapping, normalize, validate.
"""
