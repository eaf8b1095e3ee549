"""Perturbation curves: ranks of pixels, and scores as they go or come.

ranks.py    which pixel goes when, by one rule for ties; remove and retrain ranks by it too
scores.py   the target's score after each step, and the area under the curve
"""
