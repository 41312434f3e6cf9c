"""A Discord over HTTP and a gateway that is as strict as Discord is."""
