"""The operators' pages: server-rendered, in Chinese and English, with curves drawn in the browser."""
