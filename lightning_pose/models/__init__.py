"""Backbones, heads and the networks built from them."""
