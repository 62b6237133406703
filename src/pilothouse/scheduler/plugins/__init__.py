"""The plugins, one file each; `registry` puts them in order."""
