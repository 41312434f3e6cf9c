"""A Proxmox VE API over HTTPS that is as wrong as the field is."""
