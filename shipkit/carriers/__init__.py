"""Carriers: what can quote, sell, find and void shipments. One folder a carrier; :mod:`~shipkit.carriers.protocol` says what each must do."""
