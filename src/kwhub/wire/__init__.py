"""Words for layouts: codecs, frames, checksums, a receive buffer, and explanations of bytes."""
