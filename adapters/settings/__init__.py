"""Read the settings from config.py and the environment."""
