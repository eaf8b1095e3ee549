"""Explainers: each is a frozen dataclass that turns `Signals` into saliency_BHW."""
