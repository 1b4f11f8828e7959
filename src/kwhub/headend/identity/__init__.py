"""Field devices: their certificates, their generations, their work, and the orders that they carry."""
