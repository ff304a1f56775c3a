"""Images with ground truth: NYUD-v2, PASCAL-Context and the procedural rooms."""
