"""The training loop."""

import lightning_pose.models  # noqa: F401  (torchvision must find its operators declared)
