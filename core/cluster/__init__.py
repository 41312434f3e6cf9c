"""Read the cluster once for everybody, and ask its storages for backups and past usage."""
