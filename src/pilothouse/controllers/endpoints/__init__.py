"""Where Services lead: `desired` says which endpoints a Service has, `packing` fits them into EndpointSlices; one
controller each for slices, for Endpoints objects, and for mirroring hand-made Endpoints into slices."""
