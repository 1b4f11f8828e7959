"""Bytes over something: one small interface, many ways, and layers that stack like lenses.

A link moves bytes and knows no protocol. Open one by its address with
:func:`kwhub.links.address.open_link`, wrap it with :mod:`kwhub.links.layers`, and let
:class:`kwhub.links.drive.Driver` (asking) or :func:`kwhub.links.drive.attend` (answering) run a
protocol machine over it.
"""
