"""Models shared as a folder or a Hugging Face repository: safetensors, rules, config, manifest and model card."""
