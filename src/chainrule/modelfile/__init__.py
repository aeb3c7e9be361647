"""Model files: safetensors whose metadata holds one JSON header. Data only, never code."""
