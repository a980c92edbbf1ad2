"""Datasets, augmentation, data checks and the synthetic demo."""
