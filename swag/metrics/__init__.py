"""Metrics: each is a frozen dataclass that scores saliency_BHW image by image."""
