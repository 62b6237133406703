"""The admission plugins, one file each; `registry.py` beside this folder lists them in order."""
