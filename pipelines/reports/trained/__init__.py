"""The page about a preset that finetune made."""
