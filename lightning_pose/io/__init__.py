"""Readers and writers: labels, predictions, bounding boxes, videos, other tools' formats."""
