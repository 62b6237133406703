"""Cluster DNS on every node: `zone` answers for the cluster from Services and EndpointSlices, `forward` asks the node's
own resolvers for the rest, `wire` is the packets, `server` the sockets. Its last state serves while the API is away.
"""
