"""Where presets keep the heads of tasks that label nothing."""
