"""Pose estimation of small animals in large frames."""

__version__ = "0.1.0"
