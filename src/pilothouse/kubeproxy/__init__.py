"""The service proxy: Services and EndpointSlices become packet rules of one node.

`model` is pure and knows no packet filter, `backends` print its table, `runner` watches the API and sends differences.
"""
