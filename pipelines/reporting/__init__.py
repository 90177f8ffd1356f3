"""What a person or a program is told: on the terminal, at the end, as JSON."""
