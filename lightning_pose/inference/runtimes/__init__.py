"""What computes a trained network: torch or OpenVINO, in several number formats, and which one is chosen."""
