"""The synthetic demo data: a chickadee in an aviary, with exact keypoints."""
