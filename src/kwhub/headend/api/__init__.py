"""The programs' door to the head-end: JSON under ``/api/v1``, described at ``/openapi.json``."""
