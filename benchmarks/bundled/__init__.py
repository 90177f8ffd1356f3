"""How the bundled presets were made."""
