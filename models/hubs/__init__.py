"""Where presets come from: Kaggle, Hugging Face, buckets, and the cache that keeps them."""
