"""Generators of what is written from the code: pages, example config and boards; no part of the product."""
