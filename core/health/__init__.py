"""Judge the data that the health check has read (pure functions), and keep its reports."""
