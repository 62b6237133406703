"""Jobs: `indexes` and `pods` read what is there, `policy` judges failed pods, `decide` says what to do next, `shell`
does it, `orphans` frees pods whose Job is gone, `ttl` deletes finished Jobs."""
