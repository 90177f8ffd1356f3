"""Build script; the metadata is in pyproject.toml.

Beam ships this project to its workers with `--setup_file=./setup.py`.
"""

from setuptools import setup

setup()
