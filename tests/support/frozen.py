"""Freezes the garbage collector of the process that commands are forked from. That process imports it last."""

import gc

gc.collect()
gc.freeze()
