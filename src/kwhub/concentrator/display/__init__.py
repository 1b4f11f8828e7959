"""The concentrator's screen: pages of text for four arrows, Enter and Esc, in the process or beside it."""
