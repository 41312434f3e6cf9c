"""Read Proxmox for the watch. Single nodes and guests are asked in turn, over several polls: no poll takes long."""
