"""Use one running bot for several scenes, each of which finds everything as it was."""
