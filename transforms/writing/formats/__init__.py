"""The formats that parts can have."""
