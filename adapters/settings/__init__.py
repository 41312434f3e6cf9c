"""Settings from config.py and the environment."""
