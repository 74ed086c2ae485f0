"""The door: raw bytes and sockets on the outside, one `deliver` on the inside."""
