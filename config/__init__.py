"""How settings are written: the form of their values and of `.env`. The file of the syncs lies here too."""
