"""Perturbation curves: ranks of pixels, and scores as they go or come."""
