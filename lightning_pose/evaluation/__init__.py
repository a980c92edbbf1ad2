"""Metrics, out-of-distribution analysis and plots."""
