"""The small mathematics: numpy in, numpy out; no SQL."""
