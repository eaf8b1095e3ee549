"""Perturbation curves: ranks of pixels, and scores as they go or come.

ranks.py        which pixel goes when, by one rule for ties; remove and retrain ranks by it too
fillings.py     what takes the place of pixels that are removed
imputation.py   the filling of ROAD: means of what is around a gap; sweeps.py and compiled_sweeps.py,
                which numba compiles, are its walks over all pixels
scores.py       what the model says of the target at each point, and the area under the curve
"""
