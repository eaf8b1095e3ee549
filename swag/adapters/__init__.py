"""Methods of other libraries as explainers: "captum:IntegratedGradients", "lime:image" and so on.

names.py     which there are
adapted.py   the explainer that all of them are, and what a library is handed
of_*.py      one module for each library, imported when one of its methods is asked for

Each image is explained by itself, with the global random numbers seeded for it and put back after,
on a copy of the model: what a library does to its batch, to hooks or to generators stays there.
"""
