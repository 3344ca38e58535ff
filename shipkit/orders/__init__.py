"""Anything with orders in it -> a checked table: read, grouped, filtered, mapped, packed, normalised, validated."""
