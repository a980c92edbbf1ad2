"""Coordinate spaces: frame, crop and model pixels, heatmaps."""
