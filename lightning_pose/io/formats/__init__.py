"""Files of other tools: DeepLabCut, SLEAP, COCO keypoints."""
