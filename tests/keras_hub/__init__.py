"""Keras Hub's own tests of the four families, run over the classes of this project.

Nothing of them is kept here: whoever has a checkout of Keras Hub names it.
"""
