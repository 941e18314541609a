"""Imported last by the process that commands are forked from: what it holds is left alone by their collectors."""

import gc

gc.collect()
gc.freeze()
