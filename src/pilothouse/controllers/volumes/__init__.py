"""PersistentVolumes and claims: `matching` finds the volume for a claim, `binder` joins the two, `protection` keeps
them while they are used."""
