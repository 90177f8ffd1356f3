"""Inputs that were damaged at random: none may end anything but itself."""
