"""Perturbation curves: ranks of pixels, and scores as they go or come.

ranks.py        which pixel goes when, by one rule for ties; remove and retrain ranks by it too
fillings.py     what takes the place of pixels that are removed
imputation.py   the filling of ROAD: means of what is around a gap, found by walks over all pixels,
                which are sweeps.py and, compiled by numba, compiled_imputation.py and planes.py
scores.py       what the model says of the target at each point, and the area under the curve
"""
