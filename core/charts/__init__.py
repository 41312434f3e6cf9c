"""Turn the past use of a guest or node into what a chart shows. Pure functions, except who waits for a picture."""
